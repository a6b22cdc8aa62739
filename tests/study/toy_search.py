"""The toy study's search without Ray: what is suggested is measured on the spot."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from toy_study import DECLARED, DEFAULTS, METRIC, OFFERED, gflops, height, resolve, toy

from study.nouns.assignment import Assignment
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
    return open_search(
        spec, resolve(spec.base.model_copy(update={"seed": 3})), goals, StudyFiles(results, "toy"), resolve
    )


def measure(one: Assignment) -> RunRecord:
    """The record that the toy trainable would leave, without its epochs."""
    wants = {**DEFAULTS, **one.config.parameters}
    one.files.run(one.config.key).mkdir(parents=True, exist_ok=True)
    one.files.checkpoint(one.config.key).touch()
    record = RunRecord(
        key=one.config.key, study="toy", label=one.label, role=one.role, config=one.config, status="finished",
        metrics={METRIC: height(wants)}, facts={"gflops": gflops(wants)}, declared=DECLARED,
    )  # fmt: skip
    one.files.write(record)
    return record


def rounds(search: Search, at_once: int = 4) -> Iterator[list[RunRecord]]:
    """The search to its end, so many runs at a time."""
    while runs := search.ask(at_once):
        yield [measure(one) for one in runs]
        for one in runs:
            search.ended(one.config.key)
