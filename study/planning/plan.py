"""From a question to the runs that answer it: every point for every seed, the teachers they need, what is missing."""

from collections.abc import Callable, Iterable, Mapping

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.metrics import judge
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import Budget, StudySpec
from study.planning.search_space import Switches, choices, corners, switched

Resolve = Callable[[TrialConfig], TrialConfig]
"""Fills in what only the trainables know: defaults of a method's parameters, digests of data and checkpoints."""


def expand(spec: StudySpec, resolve: Resolve, weights: Mapping[str, float | None] = {}) -> list[PlannedRun]:
    """Every point for every seed, in the order of the study; equal runs only once, under their first label.

    Args:
        weights: by label, the `parameters.weight` that tuning chose; None leaves the point as it is.

    Raises:
        InputError: a point changes a key that does not exist, or gives it a value out of its range.
    """
    runs: dict[str, PlannedRun] = {}
    for point in spec.points:
        weight = weights.get(point.label)
        tuned = {} if weight is None else {"parameters.weight": weight}
        for seed in spec.seeds:
            config = resolve(override(spec.base, {"seed": seed, **point.set, **tuned}))
            runs.setdefault(config.key, PlannedRun(label=point.label, config=config))
    return list(runs.values())


def search_bases(spec: StudySpec, resolve: Resolve) -> dict[Switches, TrialConfig]:
    """The runs that the search varies (with the study's first seed), one per choice of the switches LD and RL.

    Each is resolved for its own choice, so that a suggestion laid over it has its final key at once.

    Returns:
        Empty where nothing is searched.

    Raises:
        InputError: the base run's method has none of the searched parameters, or a bound is out of their range.
    """
    if spec.search is None:
        return {}
    base = override(spec.base, {"seed": spec.seeds[0]})
    if not base.distills:
        raise InputError(f"search varies a method's K, N and tau, which base.method={base.method!r} does not have")
    for changes in corners(spec.search):
        resolve(override(base, changes))
    return {chosen: resolve(override(base, switched(chosen))) for chosen in choices(spec.search)}


def teachers(spec: StudySpec, planned: Iterable[PlannedRun], resolve: Resolve) -> list[PlannedRun]:
    """The teachers to train, or to validate where a checkpoint is given, before anything else: each of them once.

    A point of method=teacher is one of them: it is run among the shared teachers too.
    """
    runs: dict[str, TrialConfig] = {}
    wanted = [run.config for run in planned]
    for config in [*wanted, *search_bases(spec, resolve).values()]:
        if config.method == "teacher":
            runs.setdefault(config.key, config)
        elif config.distills:
            teacher = resolve(config.teacher_run())
            runs.setdefault(teacher.key, teacher)
    return [PlannedRun(role="teacher", label="teacher", config=config) for config in runs.values()]


def check_devices(budget: Budget, runs: Iterable[TrialConfig]) -> None:
    """Make sure that every process of every run gets a GPU of its own, or a core where runs have no GPU.

    Raises:
        InputError: the number of processes and the budget do not fit; says which keys to set.
    """
    for run in runs:
        teaches, devices = run.method == "teacher", run.training.devices
        key = "base.teacher.training.devices" if teaches else "base.training.devices"
        cores, purse = (budget.teacher_cpus, "teacher_cpus") if teaches else (budget.cpus_per_trial, "cpus_per_trial")
        if run.measures:  # validated, by one process
            continue
        if budget.gpus_per_trial and devices != max(1, budget.gpus_per_trial):
            raise InputError(
                f"{key}={devices} and budget.gpus_per_trial={budget.gpus_per_trial:g} must be the same number: "
                "each process of a run trains on a GPU of its own"
            )
        if not budget.gpus_per_trial and devices > max(1, cores):
            raise InputError(f"{key}={devices} processes need as many cores, got budget.{purse}={cores:g}")


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


def missing(planned: Iterable[PlannedRun], files: StudyFiles) -> list[PlannedRun]:
    """The runs that have no result yet: never run, killed on the way, or failed."""
    return [run for run in planned if files.finished(run.config.key) is None]
