"""What distillation costs: one optimization step with PointDistiller against the same step without.

    python -m tests.benchmarks.bench_distillation [--rounds 5] [--batch 2]

For the detector of the quick start and for full-size PointPillars at 4x, on simulated scans: seconds of a student's
step alone, with PointDistiller, and of the teacher's whole forward pass plus a student's step (what it costs to run a
teacher to its end and to distill nothing). The three take turns in every round, so the ratios hold on a busy machine.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from study.catalogue import quickstart
from study.records import StudyFiles
from study.spec import DetectorConfig, TrialConfig
from trainables import data, detector, distiller
from trainables.model import StudentModel
from trainables.quiet import quietly
from trainables.training import build_detector, build_runner


def step(
    model: StudentModel, batch: dict[str, Any], optimizer: torch.optim.Optimizer, first: Callable = lambda inputs: None
) -> float:
    """Seconds of one optimization step on a preprocessed batch; `first` runs before it."""
    own = {"points": batch["inputs"]["points"], "voxels": {k: v.clone() for k, v in batch["inputs"]["voxels"].items()}}
    begin = perf_counter()
    first(own)
    loss, _ = model.parse_losses(model(own, batch["data_samples"], "loss"))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return perf_counter() - begin


def measure(config: TrialConfig, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds per step of the three kinds, by name."""
    files = StudyFiles(folder, "bench")
    root = data.ensure(config.dataset, files)
    plain = config.model_copy(update={"method": "student", "parameters": {}})
    runner, _ = build_runner(plain, root, folder / config.key, None, lambda epoch: None)
    batch = next(iter(runner.build_dataloader(runner._train_dataloader, seed=0)))
    batch = runner.model.data_preprocessor(batch, True)
    spec, method = detector.load(config.detector.name), distiller.load(config.method)
    teacher = build_detector(config, teacher=True)
    alone, taught = (
        StudentModel(build_detector(config, teacher=False)),
        StudentModel(build_detector(config, teacher=False)),
    )
    parameters = method.Parameters(**method.complete(config.parameters, spec.kind))
    taught.distill(teacher, spec, method, parameters)

    @torch.no_grad()
    def whole_teacher(inputs: dict[str, Any]) -> None:
        teacher({"voxels": {name: value.clone() for name, value in inputs["voxels"].items()}}, mode="tensor")

    kinds: dict[str, tuple[StudentModel, Callable]] = {
        "student": (alone, lambda inputs: None),
        "student + PointDistiller": (taught, lambda inputs: None),
        "whole teacher + student": (alone, whole_teacher),
    }
    optimizers = {id(model): torch.optim.AdamW(model.parameters(), lr=1e-4) for model, _ in kinds.values()}
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(rounds + 1):
        for name, (model, first) in kinds.items():
            taken = step(model, batch, optimizers[id(model)], first)
            if turn:  # the first round warms up
                seconds[name].append(taken)
    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    arguments = parser.parse_args()
    quick = quickstart().base
    training = quick.training.model_copy(update={"batch_size": arguments.batch})
    quick = quick.model_copy(update={"training": training})
    full = quick.model_copy(update={"detector": DetectorConfig(compression=4), "parameters": {}})
    print(
        f"{torch.get_num_threads()} threads, batches of {arguments.batch} frames, medians of {arguments.rounds} rounds"
    )
    for title, config in (("quick start", quick), ("full-size PointPillars 4x, N=6000, K=128", full)):
        with tempfile.TemporaryDirectory() as folder, quietly(Path(folder) / "log"):
            seconds = measure(config, Path(folder), arguments.rounds)
        base = seconds["student"]
        print(f"\n{title}\n  {'step':28}{'s':>8}{'against the student':>22}")
        for name, values in seconds.items():
            ratio = statistics.median(a / b for a, b in zip(values, base, strict=True))
            print(f"  {name:28}{statistics.median(values):8.3f}{ratio:22.2f}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
