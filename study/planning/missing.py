"""Which planned runs still have to run, and by what criterion.

A run is finished when its record says so and its detector lies beside it (`StudyFiles.finished`): students learn from a
teacher's file, not from its record. A run that failed is over too, until a launch sets its record aside
(`StudyState.begin`). Everything else can be run now: what was never started, what was killed on the way, what has
lost its files, and what left a record that cannot be read.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from study.nouns.assignment import Assignment
from study.nouns.leases import LeaseLostError
from study.nouns.promised import PlannedRun
from study.nouns.records import RunRecord, StudyFiles


def still_to_run(runs: Iterable[PlannedRun], files: StudyFiles) -> list[PlannedRun]:
    """The runs that have to run, each of them once."""
    keys = {run.config.key: run for run in runs}
    return [run for key, run in keys.items() if files.status(key) is None]


def assign(run: PlannedRun, files: StudyFiles) -> Assignment:
    """A run as a trainable receives it."""
    return Assignment(run.config, files, run.label, run.role)


def fail(assigned: Assignment, reason: str) -> None:
    """Keep a failed record of a run that could not write its own; of a run that others have taken over, none."""
    config, files, label, role, *_ = assigned
    started = datetime.now(UTC).isoformat(timespec="seconds")
    record = RunRecord(key=config.key, study=files.study, label=label, role=role, config=config, status="failed")
    with suppress(LeaseLostError):
        files.write(record.model_copy(update={"error": reason, "started": started}))
