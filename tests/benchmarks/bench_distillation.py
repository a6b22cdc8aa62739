"""What distillation costs: one optimization step with each method against the same step without.

    python -m tests.benchmarks.bench_distillation [--method NAME ...] [--quick] [--rounds 5] [--batch 2]

For the detector of the quick start and for full-size PointPillars at 4x, on simulated scans: seconds of a student's
step alone, with each method, and of the teacher's whole forward pass plus a student's step (what it costs to run a
teacher to its end and to distill nothing). They take turns in every round, so the ratios hold on a busy machine.
Memory is the most that a step's tensors hold at once, above what was there before it.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from study.named_studies import quickstart
from study.nouns.config import DetectorConfig, TrialConfig
from study.nouns.records import StudyFiles
from trainables import detectors, distillers
from trainables.datasets import ready
from trainables.features import Batch
from trainables.training.alone import Alone
from trainables.training.building import build_detector
from trainables.training.cohort import Cohort
from trainables.training.run_log import quietly
from trainables.training.student_model import StudentModel
from trainables.training.teaching import Teaching

Costs = dict[str, tuple[list[float], float]]
"""By name: seconds of every round, and MiB."""


def step(
    model: StudentModel, batch: Batch, optimizer: torch.optim.Optimizer, first: Callable = lambda inputs: None
) -> float:
    """Seconds of one optimization step on a prepared batch; `first` runs before it."""
    fresh = Batch(batch.inputs, batch.samples)  # nothing is known of it: teacher's pass and targets count
    begin = perf_counter()
    first(fresh.inputs)
    loss, _ = model.student.parse_losses(model(fresh))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return perf_counter() - begin


def peak(run: Callable[[], Any]) -> float:
    """Most MiB that tensors hold at once while it runs, above what was there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    events = profiler.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    return max(accumulate(change for _, change in changes)) / 2**20


def measure(config: TrialConfig, methods: dict[str, dict[str, Any]], folder: Path, rounds: int) -> Costs:
    """What a step costs alone, with each method (by name, with its hyper-parameters) and with a whole teacher."""
    files = StudyFiles(folder, "bench")
    root = ready.ensure(config.dataset, files)
    plain = config.model_copy(update={"method": "student", "parameters": {}})
    cohort = Cohort({folder / config.key: plain}, root, None, Alone(lambda epoch: None))
    batch = next(iter(cohort.stream.epoch(0, torch.device("cpu"))))
    spec = detectors.load(config.detector.name)
    teacher = build_detector(config, teacher=True).eval()

    @torch.no_grad()
    def whole_teacher(inputs: dict[str, Any]) -> None:
        teacher({"voxels": {name: value.clone() for name, value in inputs["voxels"].items()}}, mode="tensor")

    alone = StudentModel(build_detector(config, teacher=False), spec)
    kinds: dict[str, tuple[StudentModel, Callable]] = {"student": (alone, lambda inputs: None)}
    for name, given in methods.items():
        method = distillers.load(name)
        taught = StudentModel(build_detector(config, teacher=False), spec)
        own = Teaching(build_detector(config, teacher=True), spec)  # read no further than the method needs
        taught.distill(own, method, method.Parameters(**method.complete(given, spec.kind)))
        kinds[name] = (taught, lambda inputs: None)
    kinds["whole teacher + student"] = (alone, whole_teacher)
    optimizers = {id(model): torch.optim.AdamW(model.parameters(), lr=1e-4) for model, _ in kinds.values()}

    def once(name: str) -> float:
        model, first = kinds[name]
        return step(model, batch, optimizers[id(model)], first)

    for name in kinds:  # warm up
        once(name)
    memory = {name: peak(lambda name=name: once(name)) for name in kinds}
    turns = [{name: once(name) for name in kinds} for _ in range(rounds)]
    return {name: ([turn[name] for turn in turns], memory[name]) for name in kinds}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", action="append", choices=distillers.names(), help="only this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="only the quick start's detector")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    arguments = parser.parse_args()
    methods = {name: {} for name in arguments.method or distillers.names()}
    quick = quickstart().base
    tuned = {name: quick.parameters if name == quick.method else {} for name in methods}
    training = quick.training.model_copy(update={"batch_size": arguments.batch})
    quick = quick.model_copy(update={"training": training})
    full = quick.model_copy(update={"detector": DetectorConfig(compression=4)})
    print(
        f"{torch.get_num_threads()} threads, batches of {arguments.batch} frames, medians of {arguments.rounds} rounds"
    )
    cases = [("quick start", quick, tuned), ("full-size PointPillars 4x, every method's defaults", full, methods)]
    for title, config, given in cases[: 1 if arguments.quick else 2]:
        with tempfile.TemporaryDirectory() as folder, quietly(Path(folder) / "log"):
            costs = measure(config, given, Path(folder), arguments.rounds)
        base, base_memory = costs["student"]
        print(f"\n{title}\n  {'step':26}{'s':>8}{'x student':>11}{'MiB':>9}{'x student':>11}")
        for name, (values, memory) in costs.items():
            ratio = statistics.median(a / b for a, b in zip(values, base, strict=True))
            print(f"  {name:26}{statistics.median(values):8.3f}{ratio:11.2f}{memory:9.1f}{memory / base_memory:11.2f}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
