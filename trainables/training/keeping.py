"""What is kept of runs that train together: the record of each, finished or failed, as soon as it is known."""

import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any

from study.nouns.assignment import Assignment
from study.nouns.config import TrialConfig
from study.nouns.records import EpochRecord, RunRecord
from trainables.training.checkpoints.latest import latest
from trainables.training.epochs import Trained
from trainables.training.failing import DivergedError, reason_of
from trainables.training.machine import origin


class Kept:
    """Listens to a cohort (`trainables.training.cohort.Listener`) and writes the records of its runs."""

    def __init__(
        self,
        assigned: Sequence[Assignment],
        described: Callable[[TrialConfig], dict[str, Any]],
        tell: Callable[[str, EpochRecord], None],
    ) -> None:
        """Nothing has become of the runs yet.

        Args:
            assigned: the runs.
            described: what a record says of a run's values and metrics.
            tell: called with the key and the record of each epoch.
        """
        self.assigned = {one.config.key: one for one in assigned}
        self.described = described
        self.tell = tell
        self.records: dict[str, RunRecord] = {}
        self.facts: dict[str, dict[str, float]] = {}
        """What is known of each run before it trains."""
        self.teacher: str | None = None
        """The key of the teacher of those that distill."""
        self.aloud: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda callback: callback
        self._origin = origin()
        self._start = perf_counter()

    @property
    def open(self) -> list[str]:
        """The runs without a record."""
        return [key for key in self.assigned if key not in self.records]

    def epoch(self, key: str, so_far: Sequence[EpochRecord]) -> bool:
        """An epoch is over; the run goes on unless it is behind one of its bars."""
        last = so_far[-1]
        self.aloud(self.tell)(key, last)
        if all(bar.held(last.epoch, last.metrics) for bar in self.assigned[key].bars):
            return True
        self._pruned(key, tuple(so_far))
        return False

    def done(self, key: str, trained: Trained) -> None:
        """The last epoch is over, and the detector is exported."""
        seconds = sum(epoch.seconds for epoch in trained.epochs)
        self.finished(
            key, trained.epochs[-1].metrics, trained.facts, seconds, trained.peak_memory_mb, epochs=trained.epochs
        )

    def finished(
        self,
        key: str,
        metrics: dict[str, float],
        facts: dict[str, float],
        seconds: float,
        peak_memory_mb: float,
        epochs: tuple[EpochRecord, ...] = (),
    ) -> None:
        """Write the record of a run that has its result."""
        config, files, *_ = self.assigned[key]
        teacher = self.teacher if config.distills else None
        above = files.record(teacher) if teacher else None
        learned_from = {f"teacher/{name}": value for name, value in above.metrics.items()} if above else {}
        record = RunRecord(
            **self._begun(key), status="finished", metrics=metrics, epochs=epochs, teacher_key=teacher,
            facts={**self.facts.get(key, {}), **facts, **learned_from}, seconds=seconds, peak_memory_mb=peak_memory_mb,
        )  # fmt: skip
        files.write(record)
        self.records[key] = record
        latest(files.run(key)).unlink(missing_ok=True)  # the exported detector and the record say it all now

    def _pruned(self, key: str, epochs: tuple[EpochRecord, ...]) -> None:
        """Write how far a run came that ends early. Its checkpoint stays: another study may want the rest."""
        config, files, *_ = self.assigned[key]
        record = RunRecord(
            **self._begun(key), status="pruned", metrics=epochs[-1].metrics, epochs=epochs,
            facts=self.facts.get(key, {}), teacher_key=self.teacher if config.distills else None,
            seconds=sum(epoch.seconds for epoch in epochs),
        )  # fmt: skip
        try:
            files.write(record)
        except OSError as error:
            self.failed(key, error)
        else:
            self.records[key] = record

    def failed(self, key: str, error: Exception) -> None:
        """Write why a run has no result; where even that cannot be written, say it."""
        files = self.assigned[key].files
        reason = reason_of(error, files.run(key))
        record = RunRecord(
            **self._begun(key),
            status="failed",
            error=reason,
            diverged=isinstance(error, DivergedError),
            seconds=perf_counter() - self._start,
        )
        self.records[key] = record
        try:
            files.write(record)
        except OSError as unwritten:
            print(f"{key}: {reason}; its record could not be written: {unwritten}", file=sys.stderr)
        with suppress(OSError), (files.run(key) / "train.log").open("a") as log:  # the record has the reason
            traceback.print_exception(error, file=log)

    def _begun(self, key: str) -> dict[str, Any]:
        config, files, label, role, *_ = self.assigned[key]
        return {
            "key": key, "study": files.study, "label": label, "role": role, "config": config, **self._origin,
            **self.described(config),
        }  # fmt: skip
