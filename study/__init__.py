"""What is asked, how it is spread over nodes, and what is kept of it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.evidence.statements import Answers


def verdicts(folder: str | Path) -> "Answers":
    """What may be said of the claims of the study in a folder by now, as data: `study.verdicts("results/ablation")`.

    Raises:
        InputError: it is not the folder of a study, or of one that makes no claims.
    """
    from study.evidence.told import told
    from study.nouns.errors import InputError
    from study.nouns.records import StudyFiles

    root = Path(folder).absolute()
    files = StudyFiles(root.parent, root.name)
    spec = files.read_study()
    if spec is None:
        raise InputError(f"{root}: not the folder of a study: it holds no study.json")
    if not spec.claims:
        raise InputError(f"{root}: the study {spec.name} makes no claims, so there are no verdicts")
    return told(spec, files.read_plan().runs, files.record)
