"""What runs cost that train together: beside the same runs alone, beside what could be shared at best, and in memory.

    python -m tests.benchmarks.bench_cohorts cost [--case NAME ...] [--students 1 5 11]
    python -m tests.benchmarks.bench_cohorts memory [--case pointpillars-4x] [--students 1 4 16]
    python -m tests.benchmarks.bench_cohorts sweep [--case pointpillars-4x] [--students 16]

Of an epoch without its validation, after one that warms up, in a process per table. `cost`: the limit is what runs
alone have taken: the largest of the parts that are for all (batches, teacher, targets) once, and every run's own steps.
`memory`: the most that a process of so many students holds. `sweep`: PointDistiller with other K, N and tau (the
paper's sensitivity), with neighbors that are looked for once, and with every student looking for its own. `--quick`
takes the quick start's detector and two steps, to see that a command runs.
"""

import argparse
import multiprocessing
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple
from unittest.mock import patch

import torch

from study.named_studies import quickstart
from study.nouns.config import DatasetSpec, DetectorConfig, TrialConfig
from study.nouns.errors import InputError
from study.nouns.overrides import override
from study.nouns.records import StudyFiles
from trainables import distillers
from trainables import run as one_run
from trainables.datasets import ready
from trainables.distillers.pointdistiller import PointDistiller
from trainables.training.alone import Alone
from trainables.training.building import build_detector
from trainables.training.cohort import Cohort
from trainables.training.machine import peak_memory_mb, reset_peak_memory
from trainables.training.run_log import quietly
from trainables.training.student import Student

SWEEP = [{"neighbors": k} for k in (4, 8, 16, 32, 64, 128)]
SWEEP += [{"temperature": tau} for tau in (1.0, 3.0, 5.0, 20.0, 50.0)]
SWEEP += [{"samples": n} for n in (256, 512, 2048, 3072, 4096)]


class Case(NamedTuple):
    """A detector and the steps that are timed."""

    detector: DetectorConfig | None
    """None: the quick start's, on its frames."""
    steps: int
    batch: int


CASES = {
    "quickstart": Case(None, 10, 4),
    "pointpillars-4x": Case(DetectorConfig(compression=4), 2, 2),
    "pointpillars-16x": Case(DetectorConfig(compression=16), 2, 2),
    "second-4x": Case(DetectorConfig(name="second", compression=4), 2, 2),
    "pointrcnn-8x": Case(DetectorConfig(name="pointrcnn", compression=8), 1, 2),
}
DEFAULTS = {
    "cost": (list(CASES), [1, 5, 11]), "memory": (["pointpillars-4x"], [1, 4, 16]), "sweep": (["pointpillars-4x"], [16])
}  # fmt: skip


class Place(NamedTuple):
    """Where the runs of a case find data and teacher, and keep their files."""

    folder: Path
    root: Path
    teacher: Path


class Epoch(NamedTuple):
    """Seconds of an epoch."""

    whole: float
    own: float
    """Steps of all students, without what is worked out once for all."""


def base(case: Case) -> TrialConfig:
    """The student alone, on few frames."""
    quick = quickstart().base
    training = {"batch_size": case.batch, "repeat": 1, "epochs": 2, "workers": 0}
    options = {**quick.dataset.options, "train_frames": case.steps * case.batch, "val_frames": 1}
    if case.detector is not None:  # its range is larger than the quick start's street
        del options["scene"]
    return quick.model_copy(
        update={
            "method": "student", "parameters": {}, "detector": case.detector or quick.detector,
            "training": quick.training.model_copy(update=training), "dataset": DatasetSpec(options=options),
        }
    )  # fmt: skip


def members(plain: TrialConfig, count: int) -> list[TrialConfig]:
    """So many runs of one stream: the student, then the methods that take it, then the same with other weights."""
    names = ["student", *(name for name in distillers.names() if name != "combined")]
    given: list[dict[str, Any]] = [{"method": name, "parameters": {}} for name in names]
    given += [{"method": name, "parameters": {"weight": 0.5}} for name in names[1:]]
    found: list[TrialConfig] = []
    for changes in given:
        with suppress(InputError):  # a method may refuse a detector
            found.append(one_run.resolve(override(plain, changes)))
    return found[:count]


def sweep_of(plain: TrialConfig, count: int) -> list[TrialConfig]:
    """So many runs of PointDistiller that differ in one value."""
    given = [{"method": "pointdistiller", "parameters": value} for value in SWEEP[:count]]
    return [one_run.resolve(override(plain, changes)) for changes in given]


def epoch(runs: Sequence[TrialConfig], place: Place) -> Epoch:
    """The second epoch of these runs together."""
    folder = Path(tempfile.mkdtemp(dir=place.folder))
    with patch.object(Student, "is_due", False):
        cohort = Cohort({folder / run.key: run for run in runs}, place.root, place.teacher, Alone(lambda record: None))
        for student in cohort.students.values():
            student.folder.mkdir(parents=True, exist_ok=True)
        learning = list(cohort.students)
        cohort._epoch(0, learning)
        begin = perf_counter()
        cohort._epoch(1, learning)
        took = perf_counter() - begin
    return Epoch(took, sum(sum(student.journal.durations) for student in cohort.students.values()))


def cost(plain: TrialConfig, students: Sequence[int], place: Place, say: Any) -> None:
    """A line for each number of students."""
    say(f"{'students':>8}{'alone s':>10}{'limit s':>10}{'together s':>12}{'/ alone':>9}{'/ limit':>9}")
    runs = members(plain, max(students))
    alone = [epoch([run], place) for run in runs]
    for count in students:
        some = alone[:count]
        limit = max(one.whole - one.own for one in some) + sum(one.own for one in some)
        whole, together = sum(one.whole for one in some), epoch(runs[:count], place).whole
        say(f"{count:8}{whole:10.2f}{limit:10.2f}{together:12.2f}{together / whole:9.2f}{together / limit:9.2f}")


def memory(plain: TrialConfig, students: Sequence[int], place: Place, say: Any) -> None:
    """The line of one number of students; memory that others had is never given back whole."""
    reset_peak_memory()
    took = epoch(members(plain, *students), place).whole
    say(f"{students[0]:8} students{peak_memory_mb() / 1024:10.2f} GiB{took:12.2f} s")


def sweep(plain: TrialConfig, students: Sequence[int], place: Place, say: Any) -> None:
    """Two lines for each number of students. Who knows of nobody shares neither rows nor neighbors."""
    for count in students:
        runs = sweep_of(plain, count)
        shared = epoch(runs, place).whole
        with ExitStack() as switched:
            switched.enter_context(patch.object(PointDistiller, "beside", lambda self, others: None))
            switched.enter_context(patch.object(PointDistiller, "_rows", lambda self: None))
            apart = epoch(runs, place).whole
        say(f"{count:8} students{shared:10.2f} s with shared rows and neighbors")
        say(f"{'':8}         {apart:10.2f} s without, {apart / shared:.2f} times as long")


def table(what: str, case: Case, students: Sequence[int], threads: int) -> None:
    """Measure one case in this process."""
    torch.set_num_threads(threads)
    plain = base(case)
    with tempfile.TemporaryDirectory() as folder, quietly(Path(folder) / "log") as aloud:
        teacher = Path(folder) / "teacher.pth"
        torch.save({"state_dict": build_detector(plain, teacher=True).state_dict()}, teacher)
        place = Place(Path(folder), ready.ensure(plain.dataset, StudyFiles(Path(folder), "bench")), teacher)
        {"cost": cost, "memory": memory, "sweep": sweep}[what](plain, students, place, aloud(print))


def main() -> None:
    """Print the tables, each from a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=list(DEFAULTS))
    parser.add_argument("--case", action="append", choices=list(CASES), help="only this; may be repeated")
    parser.add_argument("--students", type=int, nargs="+")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="the quick start's detector, two steps of two frames")
    arguments = parser.parse_args()
    names, numbers = DEFAULTS[arguments.what]
    cases = {name: CASES[name] for name in arguments.case or names}
    if arguments.quick:
        cases, numbers = {"quickstart": Case(None, 2, 2)}, [min(number, 3) for number in numbers[:2]]
    students = arguments.students or numbers
    for name, case in cases.items():
        print(f"{arguments.what} of {name}, {case.steps} steps of {case.batch} frames", flush=True)
        for some in [[number] for number in students] if arguments.what == "memory" else [students]:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.apply(table, (arguments.what, case, some, arguments.threads))


if __name__ == "__main__":
    main()
