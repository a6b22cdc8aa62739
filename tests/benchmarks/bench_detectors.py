"""What every full-size detector costs here: seconds per step and peak memory, with and without distillation.

    python -m tests.benchmarks.bench_detectors [--rounds 3] [--batch 2] [--detectors second,pointrcnn] [--compression 4]

Simulated scans at full resolution, mmdet3d's full-size teachers, students of the given compression, PointDistiller with
the paper's hyper-parameters. Each row is measured in a process of its own, as peak memory is a process's; the part
that only imports is printed as the first row.
"""

import argparse
import multiprocessing
import resource
import statistics
import tempfile
from pathlib import Path
from time import perf_counter

import torch

from study.named_studies import quickstart
from study.nouns.config import DatasetSpec, DetectorConfig, TrialConfig
from study.nouns.records import StudyFiles
from trainables import detectors, distillers
from trainables.datasets import ready
from trainables.features import Batch
from trainables.training.alone import Alone
from trainables.training.building import build_detector
from trainables.training.cohort import Cohort
from trainables.training.reader import copied
from trainables.training.run_log import quietly
from trainables.training.student_model import StudentModel
from trainables.training.teaching import Teaching

KINDS = ("imports alone", "teacher's forward pass", "student's step", "student's step with PointDistiller")


def measure(name: str, kind: str, arguments: argparse.Namespace, folder: Path) -> tuple[float, float]:
    """Median seconds of a round and the process's peak memory in GB."""
    seconds = [0.0]
    if kind != KINDS[0]:
        with quietly(folder / "log"):
            seconds = _rounds(name, kind, arguments, folder)
    return statistics.median(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _rounds(name: str, kind: str, arguments: argparse.Namespace, folder: Path) -> list[float]:
    quick = quickstart().base
    options = {"train_frames": 2 * arguments.batch, "val_frames": 1, "sensor": quick.dataset.options["sensor"]}
    training = quick.training.model_copy(update={"batch_size": arguments.batch})
    config = TrialConfig(
        method="student", detector=DetectorConfig(name=name, compression=arguments.compression), training=training,
        dataset=DatasetSpec(options=options),
    )  # fmt: skip
    root = ready.ensure(config.dataset, StudyFiles(folder, "bench"))
    cohort = Cohort({folder / "run": config}, root, None, Alone(lambda epoch: None))
    torch.set_num_threads(arguments.threads)
    batch = next(iter(cohort.stream.epoch(0, torch.device("cpu"))))
    (student,) = cohort.students.values()
    model, spec = student.model, detectors.load(name)
    if kind == KINDS[1]:
        teacher = build_detector(config, teacher=True).eval()
    else:
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    if kind == KINDS[3]:
        method = distillers.load("pointdistiller")
        parameters = method.Parameters(**method.complete({}, spec.kind))
        model.distill(Teaching(build_detector(config, teacher=True), spec), method, parameters)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    seconds = []
    for _ in range(arguments.rounds + 1):  # the first warms up
        fresh = Batch(batch.inputs, batch.samples)
        begin = perf_counter()
        if kind == KINDS[1]:
            with torch.no_grad():
                spec.forward(teacher, Batch(copied(fresh.inputs), fresh.samples))
        else:
            _step(model, fresh, optimizer)
        seconds.append(perf_counter() - begin)
    return seconds[1:]


def _step(model: StudentModel, batch: Batch, optimizer: torch.optim.Optimizer) -> None:
    loss, _ = model.student.parse_losses(model(batch))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compression", type=float, default=4)
    parser.add_argument("--detectors", type=lambda text: text.split(","), default=detectors.names())
    arguments = parser.parse_args()
    print(f"{arguments.threads} threads, batches of {arguments.batch} frames, medians of {arguments.rounds} rounds")
    print(f"{'detector':14}{'':38}{'s':>8}{'peak GB':>10}")
    for name in arguments.detectors:
        for kind in KINDS:
            with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as pool:
                taken, peak = pool.apply(measure, (name, kind, arguments, Path(folder)))
            print(f"{name:14}{kind:38}{taken:8.2f}{peak:10.2f}", flush=True)


if __name__ == "__main__":
    main()
