"""Choosing the loss weight of a row before the row counts: the same small number of Optuna's suggestions for every row.

The first suggestion is the weight that the row has by itself, the others are drawn from its range, log-uniformly at
first, then where Optuna's model expects more. All rows share one seed, so that their first draws lie at the same
places of their ranges. Runs are short or as long as the row's own, on a seed that the row itself does not use.

Nothing is kept but the records: what is suggested follows from the spec and the results so far, so after a kill the
same suggestions come again, and those with a record are not run again. A run that failed counts as tried.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import optuna
from optuna.trial import TrialState

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import Point, StudySpec
from study.planning.plan import Resolve

WEIGHT = "parameters.weight"
OwnRange = Callable[[TrialConfig], tuple[float, float]]
"""A method's own low and high weight, which only the trainables know."""


class Row(NamedTuple):
    """A row whose weight is to be chosen."""

    label: str
    base: TrialConfig
    """Resolved, on the seed and with the epochs of tuning runs."""
    bounds: tuple[float, float, float]
    """Low, start and high of the weight."""


def with_ranges(spec: StudySpec, resolve: Resolve, own_range: OwnRange) -> StudySpec:
    """The study with the method's own range wherever a point asks for it.

    Raises:
        InputError: a point cannot be resolved, or its method has no weight.
    """
    return spec.model_copy(
        update={"points": tuple(_with_range(spec, point, resolve, own_range) for point in spec.points)}
    )


def rows(spec: StudySpec, resolve: Resolve) -> list[Row]:
    """The rows to be tuned, each checked at both ends of its range.

    Raises:
        InputError: a value out of range, or a method without a weight.
    """
    return [_row(spec, point, resolve) for point in spec.points if point.tune]


def suggested(row: Row, spec: StudySpec, files: StudyFiles) -> list[PlannedRun]:
    """The tuning runs of a row that are known by now: all rounds with results, and the first that lacks one."""
    runs: list[PlannedRun] = []
    low, start, high = row.bounds
    study = _fresh_study(spec)
    study.enqueue_trial({WEIGHT: start})
    while len(runs) < spec.tuning.trials:
        trials = [study.ask() for _ in range(min(spec.tuning.at_once, spec.tuning.trials - len(runs)))]
        weights = [float(f"{trial.suggest_float(WEIGHT, low, high, log=True):.3g}") for trial in trials]
        these = [
            PlannedRun(role="tuning", label=row.label, config=override(row.base, {WEIGHT: weight}))
            for weight in weights
        ]
        runs += these
        records = [files.record(run.config.key) for run in these]
        if None in records:
            break
        for trial, record in zip(trials, records, strict=True):
            value = _value(record, spec)
            study.tell(trial, value, state=TrialState.FAIL if value is None else None)
    return runs


def unfinished(row: Row, spec: StudySpec, files: StudyFiles) -> list[PlannedRun]:
    """The tuning runs of a row that can be run now; none when all have been tried."""
    return [run for run in suggested(row, spec, files) if files.record(run.config.key) is None]


def tried(row: Row, spec: StudySpec, files: StudyFiles) -> list[RunRecord]:
    """The records of a row's tuning runs."""
    records = (files.record(run.config.key) for run in suggested(row, spec, files))
    return [record for record in records if record is not None]


def hopeless(row: Row, spec: StudySpec, files: StudyFiles) -> bool:
    """Whether everything was tried and nothing has a result."""
    return len(tried(row, spec, files)) == spec.tuning.trials and chosen(row, spec, files) is None


def chosen(row: Row, spec: StudySpec, files: StudyFiles) -> float | None:
    """The weight with the best result, of equal ones the nearest to the start; None before the end or without any.

    Results are compared by the study's metric after the last epoch.
    """
    records = tried(row, spec, files)
    results = [(_value(record, spec), record.config.parameters["weight"]) for record in records]
    known = [(value, weight) for value, weight in results if value is not None]
    if len(records) < spec.tuning.trials or not known:
        return None
    sign = 1 if spec.mode == "max" else -1
    return max(known, key=lambda result: (sign * result[0], -abs(math.log(result[1] / row.bounds[1]))))[1]


def retry(tuned: list[Row], spec: StudySpec, files: StudyFiles) -> None:
    """Set failures aside, to be tried again; a failed tuning run only where its whole row failed, as it was tried."""
    again = {record.key for row in tuned if hopeless(row, spec, files) for record in tried(row, spec, files)}
    for record in list(files.all()):
        if record.key in again or record.role != "tuning":
            files.retry(record.key)


def _with_range(spec: StudySpec, point: Point, resolve: Resolve, own_range: OwnRange) -> Point:
    if point.tune is not True:
        return point
    config = resolve(override(spec.base, point.set))
    start = _weight(config, point)
    low, high = own_range(config)
    return point.model_copy(update={"tune": (min(low, start), start, max(high, start))})


def _row(spec: StudySpec, point: Point, resolve: Resolve) -> Row:
    if not isinstance(point.tune, tuple):
        raise InputError(f"tune of {point.label!r} has no range yet")
    length: dict[str, Any] = {} if spec.tuning.epochs is None else {"training.epochs": spec.tuning.epochs}
    changes = {**point.set, **length, "seed": spec.tuning.seed}
    low, start, high = point.tune
    base, *_ = [resolve(override(spec.base, {**changes, WEIGHT: weight})) for weight in (start, low, high)]
    return Row(point.label, base, point.tune)


def _weight(config: TrialConfig, point: Point) -> float:
    weight = config.parameters.get("weight")
    if not isinstance(weight, int | float) or weight <= 0:
        raise InputError(
            f"{point.label!r} cannot be tuned: method {config.method} has no weight above 0 (got {weight})"
        )
    return float(weight)


def _fresh_study(spec: StudySpec) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(
        seed=spec.tuning.seed, n_startup_trials=(spec.tuning.trials + 1) // 2, constant_liar=True
    )
    return optuna.create_study(direction="maximize" if spec.mode == "max" else "minimize", sampler=sampler)


def _value(record: RunRecord | None, spec: StudySpec) -> float | None:
    finished = record is not None and record.status == "finished"
    return record.metrics.get(spec.metric) if record is not None and finished else None
