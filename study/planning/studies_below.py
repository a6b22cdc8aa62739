"""The studies below a results folder: all of them, or the one whose folder is named."""

from pathlib import Path

from study.nouns.errors import InputError
from study.nouns.records import StudyFiles
from study.nouns.spec import refused_name

EVERY = "every-study"
"""In place of a study's name, where runs are meant that no study need ask for; nothing is written below it."""


def of_folder(folder: Path) -> StudyFiles:
    """The study of a folder.

    Raises:
        InputError: it is not that of a study.
    """
    files = StudyFiles(folder.absolute().parent, folder.absolute().name)
    if not files.study_json.exists():
        raise InputError(f"{files.root}: not the folder of a study: it holds no study.json")
    return files


def studies_below(results: Path) -> list[StudyFiles]:
    """Every study of a results folder, by name.

    Raises:
        InputError: it is not a results folder.
    """
    if not results.is_dir():
        raise InputError(f"{results}: expected the folder of all studies' results, found no folder")
    names = sorted(path.parent.name for path in results.glob("*/study.json"))
    found = [StudyFiles(results, name) for name in names if not refused_name(name)]
    if not found and not (results / "runs").is_dir():
        raise InputError(f"{results}: expected the folder of all studies' results, found neither studies nor runs")
    return found
