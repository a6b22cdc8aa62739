"""What the terminal shows while a study runs: one line per validation, per finished and per failed run.

[ 3/18] LD + RL seed 1: epoch 4/4, mAP/3d/moderate 23.1 (41 s); 2 running; about 5 min left
"""

import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from study.nouns.assignment import Assignment, compose
from study.nouns.config import TrialConfig
from study.nouns.parameters import Called
from study.nouns.sizes import duration

Names = Callable[[TrialConfig], Mapping[str, Called]]
"""How people call the values of a run, by dotted key."""
BRIEF_S = 1.0
"""A run that ends sooner was answered from its record and says nothing about how long runs take."""
WAITS = "waits"
"""In what a run reports: another process trains it, and this one waits for its record."""


def nameless(config: TrialConfig) -> Mapping[str, Called]:
    """No value has a name of its own."""
    return {}


def never_raises(told: Callable[..., None]) -> Callable[..., None]:
    """A method that Tune calls back: what goes wrong in it is said in a line and does not end the other runs."""

    @wraps(told)
    def call(self: Any, *args: Any, **info: Any) -> None:
        try:
            told(self, *args, **info)
        except Exception as error:
            self.say(f"{type(error).__name__}: {error}")

    return call


class Progress(Callback):
    """Prints the life of the runs of one study and estimates the time left from the durations measured so far.

    Args:
        total: runs that this launch has to do.
        metric: the study's metric, shown at every validation.
        say: where the lines go.
        called: names of what a search varies.
    """

    def __init__(self, total: int, metric: str, say: Callable[[str], None] = print, called: Names = nameless) -> None:
        self.total = total
        self.metric = metric
        self.say = say
        self.called = called
        self.done = 0
        self.failed = 0
        self._open: dict[str, dict[str, Assignment]] = {}
        """Runs under way, by cohort and key."""
        self._sizes: dict[str, int] = {}
        """How many runs each cohort began with."""
        self._since: dict[str, float] = {}
        self._per_run: list[float] = []
        """Seconds that each ended student took of its cohort's."""
        self._done_of: dict[str, float] = {}
        """Which part of its epochs a run had when it was last validated, by key."""
        self._lanes = 1
        self._began = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Tune stores its callbacks; what is shown, and where, stays with this process."""
        return {}

    @never_raises
    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A cohort starts, or starts again after its process died."""
        if trial.trial_id not in self._open:
            assigned = compose(trial.config)
            self._open[trial.trial_id] = {one.config.key: one for one in assigned}
            self._sizes[trial.trial_id] = len(assigned)
            if len(assigned) > 1:
                self._line(f"{', '.join(self._name(one) for one in assigned)}: start together")
        self._since[trial.trial_id] = time.monotonic()
        self._lanes = max(self._lanes, len(self._since))

    @never_raises
    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """A run was validated, for the last time perhaps; others of its cohort may have failed meanwhile."""
        self._look_for_ends(trial)
        one = self._open.get(trial.trial_id, {}).get(str(result.get("key")))
        if one is not None and result.get(WAITS):
            self._line(f"{self._name(one)}: another process trains it; waiting for its result")
        if one is not None and result.get("epochs"):
            self._done_of[one.config.key] = result["epoch"] / result["epochs"]
        if one is not None and result.get("epoch", 0) < result.get("epochs", 0):
            self._line(f"{self._name(one)}: {self._result(one, result, trial)}")

    @never_raises
    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A cohort is over: each of its runs is finished, or has failed."""
        self._look_for_ends(trial)
        for one in self._open.pop(trial.trial_id, {}).values():
            self.give_up(one, "it left no record, and none could be written for it")
        self._since.pop(trial.trial_id, None)

    @never_raises
    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A cohort was given up."""
        self.on_trial_complete(iteration, trials, trial)

    @never_raises
    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A cohort's process died; Tune starts it again. Those of its runs that are given up have a record by now."""
        self._look_for_ends(trial)
        if names := ", ".join(self._name(one) for one in self._open.get(trial.trial_id, {}).values()):
            self._line(f"{names}: the process died; it is started again")

    def expect(self, more: int) -> None:
        """There are more runs to do than were known."""
        self.total += more

    def give_up(self, assigned: Assignment, reason: str) -> None:
        """A run fails without having been started."""
        self.done += 1
        self.failed += 1
        self._line(f"{self._name(assigned)}: FAILED: {reason}")

    def summary(self) -> str:
        """The last line: how many runs, how many failed, how long it took."""
        took = duration(time.monotonic() - self._began)
        return f"{self.done - self.failed} runs finished, {self.failed} failed, in {took}"

    @property
    def running(self) -> list[tuple[Assignment, float]]:
        """The runs under way, and which part of its epochs each had when it was last validated."""
        return [(one, self._done_of.get(key, 0.0)) for runs in self._open.values() for key, one in runs.items()]

    @property
    def left(self) -> str:
        """How long it will take, in words; nothing before that can be told, or when all is done."""
        left_s = self._left_s()
        return duration(left_s) if left_s is not None and self.done < self.total else ""

    def _look_for_ends(self, trial: Trial) -> None:
        """Say what has become of the runs of a cohort that have a record by now."""
        cohort = self._open.get(trial.trial_id, {})
        for key, one in list(cohort.items()):
            record = one.files.ended(key)
            if record is None:
                continue
            del cohort[key]
            self.done += 1
            if (seconds := self._seconds(trial)) >= BRIEF_S and one.config.method != "teacher":
                self._per_run.append(seconds / self._sizes[trial.trial_id])
            if record.status == "failed":
                self.failed += 1
                self._line(f"{self._name(one)}: FAILED: {record.error or 'without a reason; see its log'}")
            else:
                epochs = 0 if one.config.measures else one.config.training.epochs
                done = record.epochs[-1].epoch if record.status == "pruned" else epochs
                last = {**record.metrics, "epoch": done, "epochs": epochs}
                pruned = ", pruned" if record.status == "pruned" else ""
                self._line(f"{self._name(one)}: {self._result(one, last, trial)}{pruned}")

    def _name(self, one: Assignment) -> str:
        return name_of(one, self.called)

    def _seconds(self, trial: Trial) -> float:
        return time.monotonic() - self._since.get(trial.trial_id, time.monotonic())

    def _result(self, one: Assignment, result: Mapping[str, Any], trial: Trial) -> str:
        parts = []
        if result.get("epochs"):  # a given teacher is validated without one
            parts.append(f"epoch {result.get('epoch', 0)}/{result['epochs']}")
        if isinstance(result.get(self.metric), (int, float)):
            parts.append(f"{self.metric} {result[self.metric]:.1f}")
        return f"{', '.join(parts)} ({duration(self._seconds(trial))})"

    def _left_s(self) -> float | None:
        """Seconds until the last run ends, as long as students take so far; None before one has been validated."""
        now, known = time.monotonic(), list(self._per_run)
        for name, runs in self._open.items():
            parts = [
                self._done_of[key]
                for key, one in runs.items()
                if self._done_of.get(key) and one.config.method != "teacher"
            ]
            if parts and name in self._since:
                known.append((now - self._since[name]) * len(parts) / sum(parts) / len(runs))
        if not known:
            return None
        per_run = sum(known) / len(known)
        spent = sum(min(now - since, per_run * len(self._open.get(name, {}))) for name, since in self._since.items())
        return max(0.0, per_run * (self.total - self.done) - spent) / self._lanes

    def _line(self, text: str) -> None:
        width = len(str(self.total))
        parts = [f"[{self.done:>{width}}/{self.total}] {text}"]
        if running := sum(map(len, self._open.values())):
            parts.append(f"{running} running")
        if self.left:
            parts.append(f"about {self.left} left")
        self.say("; ".join(parts))


def name_of(one: Assignment, called: Names = nameless) -> str:
    """What a line calls a run: its row and seed, or what was varied (`search LD + RL K 12 N 300 τ 2.1`)."""
    config, varied = one.config, one.varied
    if one.role == "tuning":
        what = f"weight {config.parameters['weight']:.3g}" if config.distills else _rate(config.training.learning_rate)
        return f"tuning of {one.label}: {what}"
    if not varied:
        return f"{one.label} seed {config.seed}"
    names = called(config)
    symbols = {key: names[key].symbol if key in names else key.rpartition(".")[2] for key in varied}
    switches = [symbols[key] for key in names if varied.get(key) is True and names[key].switch]
    others = [key for key in varied if key not in names or not names[key].switch]
    values = [f"{symbols[key]} {_short(varied[key])}" for key in others]
    return " ".join([one.label, *([" + ".join(switches)] if switches else []), *values])


def _rate(rate: float | None) -> str:
    return "its own learning rate" if rate is None else f"learning rate {rate:.3g}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
