"""Choosing the loss weight of a row before the row counts: the same small number of Optuna's suggestions for every row.

The first suggestion is the weight that the row has by itself, the others are drawn from its range, log-uniformly at
first, then where Optuna's model expects more. All rows share one seed, so that their first draws lie at the same
places of their ranges. Runs are short or as long as the row's own, on a seed that the row itself does not use. Of the
student without distillation the learning rate is tuned, in the same way and as often.

The best of several noisy runs flatters: where the study asks for finalists, the best weights run again on fresh seeds
(`finalists.py` chooses among them). What chose is never a row's result.

Nothing is kept but the records: what is suggested follows from the spec and the results so far, so after a kill the
same suggestions come again, and those with a record are not run again. A run that failed counts as tried.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import optuna

from study.evidence.replay import result
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.metrics import Metric
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun, Promise
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import Point, StudySpec
from study.planning.finalists import best, finalists, winner
from study.planning.goals import Goals
from study.planning.offered import Offered
from study.planning.optuna_trials import tell

DIGITS = 3
"""Significant digits of a suggested weight; as many as the row's own weight has, where that has more."""


class Row(NamedTuple):
    """A row whose weight, or learning rate, is to be chosen."""

    label: str
    base: TrialConfig
    """Resolved, on the seed and with the epochs of tuning runs."""
    bounds: tuple[float, float, float]
    """Low, start and high of what is chosen."""
    own_rate: float | None
    """Of a student that gives no learning rate: its detector's own."""

    @property
    def called(self) -> str:
        """What is chosen, in words."""
        return "weight" if self.base.distills else "learning rate"

    def changes(self, value: float) -> dict[str, Any]:
        """What a run with this value changes, by dotted key.

        The detector's own learning rate stays unsaid: such runs are the same as those that other studies have.
        """
        if value == self.own_rate:
            return {}
        scaled = {} if self.base.distills else {"training.scale_learning_rate": False}
        return {self.base.tuned_key: value, **scaled}

    def run(self, value: float, seed: int) -> PlannedRun:
        """A tuning run."""
        config = override(self.base, {**self.changes(value), "seed": seed})
        return PlannedRun(role="tuning", label=self.label, config=config)


class Tuning(NamedTuple):
    """How far the tuning of a row is: what is suggested by now, and what came of it. Read once per round."""

    row: Row
    runs: list[PlannedRun]
    """All rounds with results, and the first that lacks one; the last round is that of the finalists."""
    records: list[RunRecord | None]
    """Of each of these runs; None where it has to run."""
    left: int
    """So many more runs are suggested later, at most."""
    chosen: float | None
    """The weight that the row gets; None before the end or without any result."""

    @property
    def open(self) -> list[PlannedRun]:
        """The runs that can be run now, equal ones once; none when all have been tried."""
        waiting = [run for run, record in zip(self.runs, self.records, strict=True) if record is None]
        return list({run.config.key: run for run in waiting}.values())

    @property
    def tried(self) -> list[RunRecord]:
        """The records of the runs that were tried."""
        return [record for record in self.records if record is not None]

    @property
    def single(self) -> list[RunRecord]:
        """Of these, the runs on the first seed that came somewhere."""
        return [one for one in self.tried if one.config.seed == self.row.base.seed and one.status != "failed"]

    @property
    def hopeless(self) -> bool:
        """Whether everything was tried and no weight can be chosen."""
        return not self.left and not self.open and self.chosen is None

    @property
    def in_vain(self) -> str:
        """Why a hopeless row has no weight."""
        finished = sum(record.status == "finished" for record in self.tried)
        error = next((record.error for record in self.tried if record.status == "failed"), "the metric is missing")
        if finished:
            return f"no {self.row.called} has a result on every tuning seed: {error}"
        return f"none of {len(self.tried)} tuning runs has a result: {error}"

    def promise(self, known: int) -> Promise:
        """So many runs will be tried for this row, at most.

        Args:
            known: of them, the number that the plan holds under this row's name.
        """
        return Promise(role="tuning", label=self.row.label, runs=known + self.left, around=self.row.base)


def rows(spec: StudySpec, offered: Offered) -> list[Row]:
    """The rows to be tuned, each checked at both ends of its range.

    Raises:
        InputError: a value out of range, or a method without a weight.
    """
    return [_row(spec, point, offered) for point in spec.points if point.tune]


def read(row: Row, spec: StudySpec, metric: Metric, files: StudyFiles) -> Tuning:
    """Ask Optuna for the row's runs again, round after round, as far as there are results, then for the finalists'.

    Results are compared by the study's metric after the last epoch.
    """
    tuning, fresh, start = spec.tuning, spec.tuning.seeds[1:], row.bounds[1]
    values, runs, records = _suggested(row, spec, metric, files)
    if None in records or len(runs) < tuning.trials:
        left = tuning.trials - len(runs) + min(tuning.finalists, tuning.trials) * len(fresh)
        return Tuning(row, runs, records, left, None)
    found = {value: result(record, metric) for value, record in zip(values, records, strict=True)}
    single = {value: score for value, score in found.items() if score is not None}
    if not fresh:
        return Tuning(row, runs, records, 0, best(single, start))
    scores: dict[float, list[float | None]] = {}
    for value in finalists(single, start, tuning.finalists):
        again = [row.run(value, seed) for seed in fresh]
        answers = [files.ended(run.config.key) for run in again]
        runs, records = runs + again, records + answers
        scores[value] = [single[value], *(result(record, metric) for record in answers)]
    return Tuning(row, runs, records, 0, None if None in records else winner(scores, start))


def to_retry(tunings: list[Tuning], runs: Iterable[PlannedRun]) -> Iterator[str]:
    """The keys of runs that may be tried again if they failed: tuning runs only where their row got no weight."""
    again = {record.key for tuning in tunings if tuning.hopeless for record in tuning.tried}
    return (run.config.key for run in runs if run.role != "tuning" or run.config.key in again)


def _suggested(
    row: Row, spec: StudySpec, metric: Metric, files: StudyFiles
) -> tuple[list[float], list[PlannedRun], list[RunRecord | None]]:
    """What Optuna suggests, its runs and their records: all rounds with results, and the first that lacks one."""
    low, start, high = row.bounds
    values: list[float] = []
    runs: list[PlannedRun] = []
    records: list[RunRecord | None] = []
    study, name = _fresh_study(spec, metric), row.base.tuned_key
    study.enqueue_trial({name: start})
    while len(runs) < spec.tuning.trials and None not in records:
        trials = [study.ask() for _ in range(min(spec.tuning.at_once, spec.tuning.trials - len(runs)))]
        these = [_rounded(trial.suggest_float(name, low, high, log=True), row) for trial in trials]
        asked = [row.run(value, spec.tuning.seed) for value in these]
        answers = [files.ended(run.config.key) for run in asked]
        values, runs, records = values + these, runs + asked, records + answers
        if None not in answers:
            for trial, record in zip(trials, answers, strict=True):
                tell(study, trial, record, Goals((metric,)))
    return values, runs, records


def _row(spec: StudySpec, point: Point, offered: Offered) -> Row:
    if not isinstance(point.tune, tuple):
        raise InputError(f"tune of {point.label!r} has no range yet")
    length: dict[str, Any] = {} if spec.tuning.epochs is None else {"training.epochs": spec.tuning.epochs}
    base = override(spec.base, {**point.set, **length, **spec.choosing, "seed": spec.tuning.seed})
    own = None if base.distills or base.training.learning_rate is not None else offered.learning_rate(base)
    row = Row(point.label, base, point.tune, own)
    low, start, high = point.tune
    whole, *_ = [offered.resolve(override(base, row.changes(value))) for value in (start, low, high)]
    return row._replace(base=whole)


def _rounded(value: float, row: Row) -> float:
    """A value that people can read, inside its range; the row's own as it is."""
    low, start, high = row.bounds
    digits = max(DIGITS, _digits(start))
    return start if math.isclose(value, start, rel_tol=1e-12) else min(max(float(f"{value:.{digits}g}"), low), high)


def _digits(value: float) -> int:
    """How many significant digits a value was written with: 0.1234 has four."""
    return len(repr(value).lower().partition("e")[0].replace(".", "").strip("0"))


def _fresh_study(spec: StudySpec, metric: Metric) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(
        seed=spec.tuning.seed, n_startup_trials=(spec.tuning.trials + 1) // 2, constant_liar=True
    )
    return optuna.create_study(direction="maximize" if metric.direction == "max" else "minimize", sampler=sampler)
