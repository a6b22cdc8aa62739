"""The toy study's search without Ray: what is suggested is measured on the spot."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from toy_study import DECLARED, DEFAULTS, METRIC, OFFERED, curve_to, gflops, height, resolve, toy

from study.nouns.assignment import Assignment
from study.nouns.promised import Plan, PlannedRun
from study.nouns.records import RunRecord, StudyFiles
from study.planning.completing import complete
from study.planning.goals import goals_of
from study.planning.optuna_search import Search, open_search

K = {"low": 4, "high": 64}
N = {"low": 100, "high": 1000}
PLANE = {"parameters.neighbors": K, "parameters.samples": N}


def opened(results: Path, sampler: str, trials: int = 16, space: dict[str, Any] = PLANE, **search: Any) -> Search:
    asked = {"trials": trials, "startup": 8, "sampler": sampler, "space": space, **search}
    spec = complete(toy(points=[], search=asked), OFFERED)
    goals = goals_of(spec, OFFERED)
    assert goals is not None
    files, base = StudyFiles(results, "toy"), resolve(spec.base.model_copy(update={"seed": 3}))
    known = {run.config.key: run for run in files.read_plan().runs if run.role == "search"}
    return open_search(spec, base, goals, files, resolve, known)


def keep(files: StudyFiles, runs: Iterable[PlannedRun]) -> None:
    """Put runs into the plan, as a launch does before they start."""
    known = {run.config.key: run for run in [*files.read_plan().runs, *runs]}
    files.write_plan(Plan(runs=tuple(known.values())))


def ask(search: Search, most: int) -> list[Assignment]:
    """What it suggests; its plan is kept as a launch keeps it."""
    return search.ask(most, lambda: keep(search._files, search.runs.values()))


def measure(one: Assignment) -> RunRecord:
    """The record that the toy trainable would leave."""
    wants = {**DEFAULTS, **one.config.parameters}
    one.files.run(one.config.key).mkdir(parents=True, exist_ok=True)
    one.files.checkpoint(one.config.key).touch()
    curve, reached = curve_to(height(wants), one.config.training.epochs), {METRIC: height(wants)}
    ended = next((e for e in curve if not all(bar.held(e.epoch, e.metrics) for bar in one.bars)), None)
    record = RunRecord(
        key=one.config.key, study="toy", label=one.label, role=one.role, config=one.config,
        status="pruned" if ended else "finished", metrics=ended.metrics if ended else reached,
        epochs=curve[: ended.epoch] if ended else curve, facts={"gflops": gflops(wants)}, declared=DECLARED,
    )  # fmt: skip
    keep(one.files, [PlannedRun(role=one.role, label=one.label, config=one.config)])
    one.files.write(record)
    return record


def rounds(search: Search, at_once: int = 4) -> Iterator[list[RunRecord]]:
    """The search to its end, so many runs at a time."""
    while runs := ask(search, at_once):
        yield [measure(one) for one in runs]
        for one in runs:
            search.ended(one.config.key)
