"""Choosing the loss weight of a row before the row counts: the same small number of Optuna's suggestions for every row.

The first suggestion is the weight that the row has by itself, the others are drawn from its range, log-uniformly at
first, then where Optuna's model expects more. All rows share one seed, so that their first draws lie at the same
places of their ranges. Runs are short or as long as the row's own, on a seed that the row itself does not use.

Nothing is kept but the records: what is suggested follows from the spec and the results so far, so after a kill the
same suggestions come again, and those with a record are not run again. A run that failed counts as tried.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import optuna
from optuna.trial import TrialState

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.metrics import Metric
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun, Promise
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import Point, StudySpec
from study.planning.offered import Resolve

WEIGHT = "parameters.weight"
DIGITS = 3
"""Significant digits of a suggested weight; as many as the row's own weight has, where that has more."""


class Row(NamedTuple):
    """A row whose weight is to be chosen."""

    label: str
    base: TrialConfig
    """Resolved, on the seed and with the epochs of tuning runs."""
    bounds: tuple[float, float, float]
    """Low, start and high of the weight."""


class Tuning(NamedTuple):
    """How far the tuning of a row is: what is suggested by now, and what came of it. Read once per round."""

    row: Row
    trials: int
    runs: list[PlannedRun]
    """All rounds with results, and the first that lacks one."""
    records: list[RunRecord | None]
    """Of each of these runs; None where it has to run."""
    chosen: float | None
    """The weight with the best result, of equal ones the nearest to the start; None before the end or without any."""

    @property
    def open(self) -> list[PlannedRun]:
        """The runs that can be run now; none when all have been tried."""
        return [run for run, record in zip(self.runs, self.records, strict=True) if record is None]

    @property
    def tried(self) -> list[RunRecord]:
        """The records of the runs that were tried."""
        return [record for record in self.records if record is not None]

    @property
    def hopeless(self) -> bool:
        """Whether everything was tried and nothing has a result."""
        return len(self.tried) == self.trials and self.chosen is None

    def promise(self, known: int) -> Promise:
        """So many runs will be tried for this row.

        Args:
            known: of them, the number that the plan holds under this row's name.
        """
        runs = known + self.trials - len(self.runs)
        return Promise(role="tuning", label=self.row.label, runs=runs, around=self.row.base)


def rows(spec: StudySpec, resolve: Resolve) -> list[Row]:
    """The rows to be tuned, each checked at both ends of its range.

    Raises:
        InputError: a value out of range, or a method without a weight.
    """
    return [_row(spec, point, resolve) for point in spec.points if point.tune]


def read(row: Row, spec: StudySpec, metric: Metric, files: StudyFiles) -> Tuning:
    """Ask Optuna for the row's runs again, round after round, as far as there are results.

    Results are compared by the study's metric after the last epoch.
    """
    low, start, high = row.bounds
    runs: list[PlannedRun] = []
    records: list[RunRecord | None] = []
    study = _fresh_study(spec, metric)
    study.enqueue_trial({WEIGHT: start})
    while len(runs) < spec.tuning.trials and None not in records:
        trials = [study.ask() for _ in range(min(spec.tuning.at_once, spec.tuning.trials - len(runs)))]
        weights = [_rounded(trial.suggest_float(WEIGHT, low, high, log=True), row) for trial in trials]
        configs = [override(row.base, {WEIGHT: weight}) for weight in weights]
        these = [PlannedRun(role="tuning", label=row.label, config=config) for config in configs]
        answers = [files.ended(config.key) for config in configs]
        runs, records = runs + these, records + answers
        if None not in answers:
            for trial, record in zip(trials, answers, strict=True):
                value = _value(record, metric)
                study.tell(trial, value, state=TrialState.FAIL if value is None else None)
    over = len(runs) == spec.tuning.trials and None not in records
    return Tuning(row, spec.tuning.trials, runs, records, _best(row, records, metric) if over else None)


def to_retry(tunings: list[Tuning], runs: Iterable[PlannedRun]) -> Iterator[str]:
    """The keys of runs that may be tried again if they failed: tuning runs only where all of their row's failed."""
    again = {record.key for tuning in tunings if tuning.hopeless for record in tuning.tried}
    return (run.config.key for run in runs if run.role != "tuning" or run.config.key in again)


def _row(spec: StudySpec, point: Point, resolve: Resolve) -> Row:
    if not isinstance(point.tune, tuple):
        raise InputError(f"tune of {point.label!r} has no range yet")
    length: dict[str, Any] = {} if spec.tuning.epochs is None else {"training.epochs": spec.tuning.epochs}
    changes = {**point.set, **length, "seed": spec.tuning.seed}
    low, start, high = point.tune
    base, *_ = [resolve(override(spec.base, {**changes, WEIGHT: weight})) for weight in (start, low, high)]
    return Row(point.label, base, point.tune)


def _rounded(weight: float, row: Row) -> float:
    """A weight that people can read, inside its range; the row's own weight as it is."""
    low, start, high = row.bounds
    digits = max(DIGITS, _digits(start))
    return start if math.isclose(weight, start, rel_tol=1e-12) else min(max(float(f"{weight:.{digits}g}"), low), high)


def _digits(weight: float) -> int:
    """How many significant digits a weight was written with: 0.1234 has four."""
    return len(repr(weight).lower().partition("e")[0].replace(".", "").strip("0"))


def _best(row: Row, records: list[RunRecord | None], metric: Metric) -> float | None:
    results = [(_value(record, metric), record.config.parameters["weight"]) for record in records if record is not None]
    known = [(value, weight) for value, weight in results if value is not None]
    if not known:
        return None
    sign = 1 if metric.direction == "max" else -1
    return max(known, key=lambda result: (sign * result[0], -abs(math.log(result[1] / row.bounds[1]))))[1]


def _fresh_study(spec: StudySpec, metric: Metric) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(
        seed=spec.tuning.seed, n_startup_trials=(spec.tuning.trials + 1) // 2, constant_liar=True
    )
    return optuna.create_study(direction="maximize" if metric.direction == "max" else "minimize", sampler=sampler)


def _value(record: RunRecord | None, metric: Metric) -> float | None:
    finished = record is not None and record.status == "finished"
    return record.metrics.get(metric.name) if record is not None and finished else None
