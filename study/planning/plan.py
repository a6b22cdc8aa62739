"""From a question to the runs that answer it: every point for every seed, and the teachers they need."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError, unknown_name
from study.nouns.metrics import judge
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun
from study.nouns.records import RunRecord
from study.nouns.spec import Budget, StudySpec
from study.planning.cohorts import check_alone
from study.planning.offered import Resolve


def expand(spec: StudySpec, resolve: Resolve, chosen: Mapping[str, Mapping[str, Any]] = {}) -> list[PlannedRun]:
    """Every point for every seed, in the order of the study; equal runs only once, under their first label.

    Args:
        chosen: by label, what tuning changes in a point, by dotted key.

    Raises:
        InputError: a point changes a key that does not exist, or gives it a value out of its range.
    """
    runs: dict[str, PlannedRun] = {}
    for point in spec.points:
        tuned = chosen.get(point.label, {})
        for seed in spec.seeds:
            config = resolve(override(spec.base, {"seed": seed, **point.set, **tuned}))
            runs.setdefault(config.key, PlannedRun(label=point.label, config=config))
    return list(runs.values())


def teachers(asked: Iterable[PlannedRun], resolve: Resolve) -> list[PlannedRun]:
    """The teachers to train, or to validate where a checkpoint is given, before anything else: each of them once.

    Args:
        asked: every row, tuned row and searched run of a study. A row of method=teacher is one of the teachers.
    """
    runs: dict[str, TrialConfig] = {}
    seen: set[str] = set()
    for run in asked:
        if run.config.method == "teacher":
            runs.setdefault(run.config.key, run.config)
        elif run.config.distills and (said := run.config.teacher_run()).key not in seen:
            seen.add(said.key)
            teacher = resolve(said)
            runs.setdefault(teacher.key, teacher)
    return [PlannedRun(role="teacher", label="teacher", config=config) for config in runs.values()]


def part_of(spec: StudySpec, rows: Sequence[str]) -> StudySpec:
    """The study with some of its rows only, and without its search; the whole study where none is named.

    Raises:
        InputError: it has no such row; says the nearest.
    """
    if not rows:
        return spec
    labels = [point.label for point in spec.points]
    for label in rows:
        if label not in labels:
            raise unknown_name("row", label, labels)
    points = tuple(point for point in spec.points if point.label in rows)
    claims = tuple(claim for claim in spec.claims if set(claim.rows) <= set(rows))
    return spec.model_copy(update={"points": points, "claims": claims, "search": None})


def check_devices(budget: Budget, runs: Iterable[TrialConfig]) -> None:
    """Make sure that every process of every run gets a GPU of its own, or a core where runs have no GPU.

    Each process that trains has `training.workers` others that load its data; they need cores too.

    Raises:
        InputError: the number of processes and the budget do not fit; says which keys to set.
    """
    for run in runs:
        check_alone(budget, run)
        if run.measures:  # validated, by one process
            continue
        teaches, devices, workers = run.method == "teacher", run.training.devices, run.training.workers
        key = "base.teacher.training" if teaches else "base.training"
        cores, purse = (budget.teacher_cpus, "teacher_cpus") if teaches else (budget.cpus_per_trial, "cpus_per_trial")
        if budget.gpus_per_trial and devices != max(1, budget.gpus_per_trial):
            raise InputError(
                f"{key}.devices={devices} and budget.gpus_per_trial={budget.gpus_per_trial:g} must be the same number: "
                "each process of a run trains on a GPU of its own"
            )
        needed = devices * workers if budget.gpus_per_trial else devices * (1 + workers)
        if needed > max(1, cores):
            raise InputError(
                f"{key}.devices={devices} with {key}.workers={workers} are {devices * (1 + workers)} processes, of "
                f"which {needed} need a core, got budget.{purse}={cores:g}: raise it, or lower the workers"
            )


def too_weak(teacher: TrialConfig, record: RunRecord) -> str | None:
    """Why nothing should be distilled from a teacher that was trained or measured, or None where it is good enough."""
    metric = judge(record.declared)
    if metric is None:
        return None
    reached, floor = record.metrics.get(metric.name), teacher.teacher.floor(metric)
    if reached is None or floor is None or not metric.better(floor, reached):
        return None
    return (
        f"the teacher {teacher.teacher.checkpoint or teacher.key} reaches {reached:.1f} {metric.name} on the "
        f"validation split, below teacher.minimum={floor:g}. Checkpoints from before mmdet3d 1.0 score low under its "
        "coordinates. Give another, or set teacher.minimum, or distill from this one with --accept-weak-teacher"
    )
