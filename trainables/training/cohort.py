"""Runs that train together: one stream of batches, one teacher, and students that take their steps one after another.

A run by itself is a cohort of one: there is no other way to train. Every student gets the results that it would get
alone, to the last bit on a CPU, because batches and the teacher's pass depend on none of the students, and a student
depends on none of the others. One that fails leaves; the others go on.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from mmengine.dist import is_main_process

from study.nouns import leaving
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.records import EpochRecord
from trainables import detectors
from trainables.features import Batch
from trainables.training import kernels
from trainables.training.building import build_teacher, lay_data
from trainables.training.epochs import Trained
from trainables.training.keeping_midway import Keeping
from trainables.training.machine import autocast, device, reset_peak_memory
from trainables.training.stream import Stream
from trainables.training.student import Student
from trainables.training.teaching import Teaching
from trainables.training.validation import Validation


class Listener(Protocol):
    """Who is told what becomes of the students, by the keys of their runs."""

    def epoch(self, key: str, so_far: Sequence[EpochRecord]) -> bool:
        """An epoch is over, the last of these, and its checkpoint is kept; returns whether the run goes on."""

    def done(self, key: str, trained: Trained) -> None:
        """The last epoch is over, and the detector is exported."""

    def failed(self, key: str, error: Exception) -> None:
        """The student cannot go on and has left."""


def train(runs: Mapping[Path, TrialConfig], data: Path, checkpoint: Path | None, listener: Listener) -> None:
    """Train runs of one stream and one teacher to their ends, each from its newest checkpoint where it has one.

    Args:
        runs: by the folders where they keep their files; `study.planning.cohorts.stream_of` says which can be together.
        data: prepared root of their data set.
        checkpoint: of their frozen teacher; None where none of them distills.
        listener: is told of each.

    Raises:
        InputError: no whole batch, or a checkpoint of another architecture. What befalls one student alone is told.
    """
    reset_peak_memory()
    Cohort(runs, data, checkpoint, listener).train()


class Cohort:
    """The students that are still there, and what they share."""

    def __init__(
        self, runs: Mapping[Path, TrialConfig], data: Path, checkpoint: Path | None, listener: Listener
    ) -> None:
        """Build everything; arguments as of `train`."""
        first, *_ = runs.values()
        spec = detectors.load(first.detector.name)
        cfg = spec.load(first.detector, teacher=True)
        lay_data(cfg, data, first)
        kernels.settle()
        self.listener = listener
        self.validation = Validation(first, cfg)
        self.stream = Stream(
            cfg.train_dataloader, cfg.model.data_preprocessor, first.seed, workers=first.training.workers
        )
        if not len(self.stream):
            raise InputError(
                f"training.drop_last leaves no step: there is no whole batch of {first.training.batch_size} frames"
            )
        taught = next((run for run in runs.values() if run.distills), None)
        self.teaching = Teaching(build_teacher(taught, checkpoint), spec) if taught else None
        self.students: dict[str, Student] = {}
        for folder, config in runs.items():
            with self._alone(config.key):
                self.students[config.key] = Student(config, folder, self.teaching, len(self.stream))
        self.amp = first.training.amp
        self.keeping = Keeping([run.training.checkpoint_minutes for run in runs.values()])

    def train(self) -> None:
        """Every epoch, for the students that it is the next one of.

        Raises:
            LeavingError: this process was asked to end, and every student has a checkpoint.
        """
        with leaving.under_way():
            self._finish()
            while self.students:
                epoch = min(student.done for student in self.students.values())
                self._epoch(epoch, [key for key, student in self.students.items() if student.done == epoch])
                self._finish()

    def _epoch(self, epoch: int, keys: list[str]) -> None:
        """One epoch of those students that it is the next one of."""
        self._each(keys, Student.begin)
        self._attend(self._there(keys))
        start = min((student.journal.steps for student in self._there(keys).values()), default=0)
        for step, (batch, loading) in enumerate(_timed(self.stream.epoch(epoch, device(), start)), start):
            students = {key: student for key, student in self._there(keys).items() if student.journal.steps == step}
            if not students:
                if not self._there(keys):
                    return
                continue
            for student in students.values():
                student.journal.spent.add(loading, len(students))
            self._teach(batch, students)
            self._each(list(students), lambda student: student.step(batch))  # noqa: B023  called at once
            for student in students.values():
                for made in student.used:
                    student.journal.spent.add(made.seconds, made.users)
                student.used.clear()  # it holds the teacher's features
            self.keeping.look(lambda: self._each(keys, Student.keep))
        self._each(keys, Student.end_steps)
        due = {key: student for key, student in self._there(keys).items() if student.is_due}
        metrics = self._validate(due, lambda: self.keeping.look(lambda: self._each(keys, Student.keep)))
        for key, student in self._there(keys).items():
            with self._alone(key):
                student.close(metrics.get(key, {}))
            goes_on = (
                key not in self.students or not is_main_process() or self.listener.epoch(key, student.journal.epochs)
            )
            if not goes_on:
                self.students.pop(key)

    def _there(self, keys: list[str]) -> dict[str, Student]:
        """Those who have not left."""
        return {key: self.students[key] for key in keys if key in self.students}

    def _each(self, keys: list[str], act: Callable[[Student], None]) -> None:
        for key, student in self._there(keys).items():
            with self._alone(key):
                act(student)

    def _attend(self, students: Mapping[str, Student]) -> None:
        """Have the teacher read for these, and their methods know of each other."""
        taught = [student.model for student in students.values() if student.model.lesson]
        methods = [model.distiller for model in taught if model.distiller is not None]
        for method in methods:
            method.beside(methods)
        if self.teaching is not None:
            self.teaching.attended_by(lesson for model in taught if (lesson := model.lesson))

    def _teach(self, batch: Batch, students: Mapping[str, Student]) -> None:
        """The teacher's pass over a batch, before any student's step, in every mode that one of them wants."""
        lessons = [student.model.lesson for student in students.values()]
        with autocast(self.amp):
            for mode in dict.fromkeys(lesson[0] for lesson in lessons if lesson):
                assert self.teaching is not None, "whoever has a lesson has a teacher"
                self.teaching.features(batch, mode)

    def _validate(self, due: Mapping[str, Student], between: Callable[[], None]) -> dict[str, dict[str, float]]:
        if not due:
            return {}
        for student in due.values():
            student.network.eval()
        predictors = {key: student.model.predict for key, student in due.items()}
        spent = {key: student.journal.spent for key, student in due.items()}
        return self.validation.metrics(predictors, spent, self._leave, between)

    def _finish(self) -> None:
        """Let those go who have had their last epoch."""
        for key, student in list(self.students.items()):
            if student.done >= student.config.training.epochs:
                with self._alone(key):
                    self.listener.done(key, student.finish())
                    self.students.pop(key)

    def _leave(self, key: str, error: Exception) -> None:
        self.students.pop(key, None)
        self.listener.failed(key, error)

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """What goes wrong inside is the affair of one student, which leaves."""
        try:
            yield
        except Exception as error:
            self._leave(key, error)


def _timed(batches: Iterator[Batch]) -> Iterator[tuple[Batch, float]]:
    """Each batch with the seconds that it was waited for."""
    start = time.perf_counter()
    for batch in batches:
        yield batch, time.perf_counter() - start
        start = time.perf_counter()
