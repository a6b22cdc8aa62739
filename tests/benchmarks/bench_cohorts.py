"""What runs cost that train together, beside the same runs alone and beside what could be shared at best.

    python -m tests.benchmarks.bench_cohorts [--quick | --detector pointpillars --compression 4] [--students 1 5 11]

Of an epoch without its validation, after one that warms up, in one process. The limit is one stream, one teacher's pass
and every student's own steps. `--sweep` takes PointDistiller with other K, N and tau (the paper's sensitivity) instead
of other methods, once with shared neighbors and once without.
"""

import argparse
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from study.named_studies import quickstart
from study.nouns.config import DatasetSpec, DetectorConfig, TrialConfig
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

SWEEP = [{"neighbors": k} for k in (4, 8, 16, 32, 64, 128)]
SWEEP += [{"temperature": tau} for tau in (1.0, 3.0, 5.0, 20.0, 50.0)]
SWEEP += [{"samples": n} for n in (256, 512, 2048, 3072, 4096)]


def base(arguments: argparse.Namespace) -> TrialConfig:
    """The student alone, on few frames."""
    quick = quickstart().base
    options = {**quick.dataset.options, "train_frames": arguments.frames, "val_frames": 1}
    training = quick.training.model_copy(update={"batch_size": arguments.batch, "repeat": 1, "epochs": 2, "workers": 0})
    detector = quick.detector
    if not arguments.quick:
        detector = DetectorConfig(name=arguments.detector, compression=arguments.compression)
        options = {name: value for name, value in options.items() if name not in ("scene",)}
    return quick.model_copy(
        update={
            "method": "student", "parameters": {}, "detector": detector, "training": training,
            "dataset": DatasetSpec(options=options),
        }
    )  # fmt: skip


def members(plain: TrialConfig, count: int, sweep: bool) -> list[TrialConfig]:
    """So many runs of one stream: the student, then the methods, then the same with other weights."""
    if sweep:
        given = [{"method": "pointdistiller", "parameters": value} for value in SWEEP]
    else:
        names = ["student", *(name for name in distillers.names() if name != "combined")]
        given = [{"method": name, "parameters": {}} for name in names]
        given += [{"method": name, "parameters": {"weight": 0.5}} for name in names[1:]]
    return [one_run.resolve(override(plain, changes)) for changes in given[:count]]


def epoch(runs: list[TrialConfig], root: Path, teacher: Path, folder: Path) -> tuple[float, float]:
    """Seconds of the second epoch, and what they would be at best."""
    cohort = Cohort({folder / run.key: run for run in runs}, root, teacher, Alone(lambda record: None))
    learning = list(cohort.students)
    for student in cohort.students.values():
        student.folder.mkdir(parents=True, exist_ok=True)
        type(student).is_due = property(lambda self: False)  # type: ignore[assignment]
    cohort._epoch(0, learning)
    begin = perf_counter()
    cohort._epoch(1, learning)
    took = perf_counter() - begin
    return took, sum(student.journal.epochs[-1].shared_seconds or 0 for student in cohort.students.values())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the quick start's detector and frames")
    parser.add_argument("--detector", default="pointpillars")
    parser.add_argument("--compression", type=float, default=4)
    parser.add_argument("--students", type=int, nargs="+", default=[1, 5, 11])
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sweep", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    plain = base(arguments)
    with tempfile.TemporaryDirectory() as place:
        files = StudyFiles(Path(place), "bench")
        with quietly(Path(place) / "log") as aloud:
            root = ready.ensure(plain.dataset, files)
            teacher = Path(place) / "teacher.pth"
            torch.save({"state_dict": build_detector(plain, teacher=True).state_dict()}, teacher)
            say = aloud(print)
            say(f"{'students':>8}{'alone s':>10}{'limit s':>10}{'together s':>12}{'/ alone':>9}{'/ limit':>9}{'MB':>9}")
            for count in arguments.students:
                table(members(plain, count, arguments.sweep), root, teacher, Path(place), say)
            if arguments.sweep:
                PointDistiller.beside = lambda self, others: None  # type: ignore[method-assign]
                PointDistiller._rows = lambda self: None  # type: ignore[method-assign]
                say("without shared rows and neighbors:")
                table(members(plain, arguments.students[-1], True), root, teacher, Path(place), say)


def table(runs: list[TrialConfig], root: Path, teacher: Path, place: Path, say: Any) -> None:
    """One line."""
    alone = sum(epoch([run], root, teacher, Path(tempfile.mkdtemp(dir=place)))[0] for run in runs)
    reset_peak_memory()
    together, limit = epoch(runs, root, teacher, Path(tempfile.mkdtemp(dir=place)))
    say(
        f"{len(runs):8}{alone:10.2f}{limit:10.2f}{together:12.2f}{together / alone:9.2f}{together / limit:9.2f}"
        f"{peak_memory_mb():9.0f}"
    )


if __name__ == "__main__":
    main()
