"""One run by the beginning of its key: which study asks for it, and what has become of it."""

from collections.abc import Sequence
from typing import NamedTuple

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.promised import PlannedRun
from study.nouns.records import DETECTOR, LATEST, RunRecord, StudyFiles
from study.planning.trained_once import is_held

MOST_NAMED = 8


class FoundRun(NamedTuple):
    """A run, and what is known of it."""

    key: str
    files: StudyFiles
    """Of a study that asks for it; of a run that no plan names, of the one that it was made for."""
    planned: PlannedRun | None
    record: RunRecord | None
    """Under the names of that study."""
    state: str
    """What has become of it, in words."""

    @property
    def config(self) -> TrialConfig | None:
        """Of a run that no plan names and that has left no record, nothing is known."""
        return self.planned.config if self.planned else self.record.config if self.record else None


def find(studies: Sequence[StudyFiles], beginning: str, others: StudyFiles | None = None) -> FoundRun:
    """The run whose key begins so.

    Args:
        studies: whose plans are looked through.
        beginning: of the key, or all of it.
        others: where runs lie that no plan names; None: they are not meant.

    Raises:
        InputError: no run, or several.
    """
    planned: dict[str, tuple[StudyFiles, PlannedRun | None]] = {}
    for files in studies:
        for run in files.read_plan().runs:
            if run.final and run.config.key.startswith(beginning):
                planned.setdefault(run.config.key, (files, run))
    if others is not None:
        for folder in others.runs.glob(f"{beginning}*") if beginning.isalnum() else ():
            planned.setdefault(folder.name, (others, None))
    if not planned:
        raise InputError(f"no run has a key that begins with {beginning!r}{_hint(studies, beginning)}")
    if len(planned) > 1:
        named = ", ".join(sorted(planned)[:MOST_NAMED]) + (", ..." if len(planned) > MOST_NAMED else "")
        raise InputError(f"{beginning!r} begins the keys of {len(planned)} runs: {named}")
    ((key, (asking, asked)),) = planned.items()
    record = asking.record(key)
    if record is not None and asked is not None:
        record = asking.named(record, asked)
    return FoundRun(key, asking, asked, record, _state(key, asking, record))


def _hint(studies: Sequence[StudyFiles], name: str) -> str:
    """The keys of a row, where its label was given, or the key that is nearest."""
    from difflib import get_close_matches

    runs = [run for files in studies for run in files.read_plan().runs if run.final]
    if of_row := [run.config.key for run in runs if run.label == name]:
        return f"; the runs of the row {name!r} have the keys {', '.join(of_row[:MOST_NAMED])}"
    near = get_close_matches(name, [run.config.key[: len(name)] for run in runs], n=1)
    return f". Did you mean {near[0]!r}?" if near else "; the report of a study lists its runs with their keys"


def _state(key: str, files: StudyFiles, record: RunRecord | None) -> str:
    if is_held(files.lease_places(key)[-1]):
        return "under way: a process trains it now"
    if record is not None and record.status == "finished" and not files.has(key, DETECTOR):
        return "finished, but its detector is lost: a launch trains it again"
    if record is not None:
        return record.status
    if files.record_json(key).exists():
        return "its record cannot be read: a launch sets it aside and runs it again"
    if files.has(key, LATEST):
        return "begun and not under way: a launch goes on from its checkpoint"
    if files.run(key).exists():
        return "begun and not under way, without a whole epoch"
    return "never started"
