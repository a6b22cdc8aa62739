"""A study that makes claims about rows whose truth is known, as it lies on a disk after so many seeds of each row."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import made_up_study as made_up
import numpy as np

from study.nouns.claims import Claim
from study.nouns.promised import Plan, PlannedRun
from study.nouns.records import StudyFiles
from study.nouns.spec import Point
from study.planning.plan import expand

METRIC = "mAP/3d/moderate"
SHARED = 0.7
"""Standard deviation of what a seed adds to every row."""


def plant(
    results: Path,
    rows: Mapping[str, float],
    claims: Sequence[Claim],
    *,
    seeds: int = 12,
    upto: Mapping[str, int] = {},
    noise: float = 0.3,
    noisy: Mapping[str, float] = {},
    diverged: Sequence[tuple[str, int]] = (),
    direction: str = "max",
    teacher: float = 60.3,
    **changes: Any,
) -> Path:
    """Write the study's folder.

    Args:
        results: of all studies.
        rows: label and true mean; the first is the student without distillation.
        claims: about them.
        seeds: the most there are.
        upto: how many of them a row has run; all where it is not said.
        noise: standard deviation of the difference of two rows on a seed.
        noisy: by row, how many times as large its part of it is.
        diverged: runs that did.
        direction: of the metric.
        teacher: what it reaches.
        changes: of the study.
    """
    points = tuple(map(_point, rows, range(len(rows))))
    asked = made_up.spec(tuple(range(seeds)), points=points, search=None, claims=claims, **changes)
    declared = tuple(one.model_copy(update={"direction": direction}) for one in made_up.declared())
    files, rng = StudyFiles(results, asked.name), np.random.default_rng(1)
    shared = rng.normal(0, SHARED, seeds)
    own = {row: noisy.get(row, 1) * rng.normal(0, noise / 2**0.5, seeds) for row in rows}
    above = made_up.record(made_up.BASE.teacher_run(), "teacher", metrics={METRIC: teacher}, declared=declared)
    files.write(above)
    runs = [PlannedRun(role="teacher", label="teacher", config=above.config)]
    for run in expand(asked, lambda config: config):
        seed, failed = run.config.seed, (run.label, run.config.seed) in diverged
        if seed < upto.get(run.label, seeds):
            runs.append(run.model_copy(update={"wave": max(1, seed)}))
            result = {} if failed else {METRIC: float(rows[run.label] + shared[seed] + own[run.label][seed])}
            status = "failed" if failed else "finished"
            kept = {"metrics": result, "declared": declared, "diverged": failed, "study": asked.name}
            kept["facts"] = {"steps": 300.0, f"teacher/{METRIC}": teacher}
            files.write(made_up.record(run.config, run.label, status, **kept))
    files.write_plan(Plan(runs=tuple(runs)))
    files.write_study(asked)
    return files.root


def _point(label: str, place: int) -> Point:
    student = {"method": "student", "parameters": {}}
    return Point(label=label, set={"method": "fitnet", "parameters": {"weight": float(place)}} if place else student)
