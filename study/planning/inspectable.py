"""Which finished runs of a study are inspected: all that were not yet, or those that are named."""

from collections.abc import Sequence

from study.nouns.errors import InputError, unknown_name
from study.nouns.records import RunRecord, StudyFiles

STANDING = ("teacher", "row", "confirmation")
"""Roles of runs that figures compare; what was tried in order to choose is inspected where it is named by its key."""


def chosen(files: StudyFiles, names: Sequence[str]) -> list[RunRecord]:
    """Finished runs of a study.

    Args:
        files: of the study.
        names: labels of rows, or keys, of which the beginning will do; none: every row that has not been inspected.

    Raises:
        InputError: not a study, a name that no run has, or several, or a run that is not finished.
    """
    if files.read_study() is None:
        raise InputError(f"{files.root}: not the folder of a study: it holds no study.json")
    planned = [run for run in files.read_plan().runs if run.final]
    keys: list[str] = []
    if not names:
        keys = [run.config.key for run in planned if run.role in STANDING and files.finished(run.config.key)]
        keys = [key for key in keys if not files.inspection_json(key).exists()]
    for name in names:
        of_row = [run.config.key for run in planned if run.label == name and run.role in STANDING]
        of_row = [key for key in of_row if files.finished(key)] or of_row
        by_key = [run.config.key for run in planned if run.config.key.startswith(name)]
        if not of_row and not by_key:
            raise unknown_name("run", name, list(dict.fromkeys(run.label for run in planned)))
        if not of_row and len(set(by_key)) > 1:
            raise InputError(f"{name} begins the keys of {len(set(by_key))} runs: {', '.join(sorted(set(by_key)))}")
        keys += of_row or by_key[:1]
    return [_finished(files, key) for key in dict.fromkeys(keys)]


def _finished(files: StudyFiles, key: str) -> RunRecord:
    if record := files.finished(key):
        return record
    record = files.record(key)
    why = "has not ended yet" if record is None else f"failed: {record.error}"
    if record is not None and record.status == "pruned":
        why = f"was pruned after {len(record.epochs)} of {record.config.training.epochs} epochs"
    if record is not None and record.status == "finished":
        why = f"has lost its detector: {files.checkpoint(key)} does not exist"
    raise InputError(f"the run {key} {why}; only finished runs are inspected")
