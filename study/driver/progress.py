"""What the terminal shows while a study runs: one line per validation, per finished and per failed run.

[ 3/18] LD + RL seed 1: epoch 4/4, mAP/3d/moderate 23.1 (41 s); 2 running; about 5 min left
"""

import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from study.nouns.assignment import compose
from study.nouns.config import TrialConfig
from study.nouns.parameters import Called
from study.nouns.records import RunRecord

Names = Callable[[TrialConfig], Mapping[str, Called]]
"""How people call the values of a run, by dotted key."""
BRIEF_S = 1.0
"""A run that ends sooner was answered from its record and says nothing about how long runs take."""


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
        self._phase = ""
        self._left = 0
        self._since: dict[str, float] = {}
        self._durations: list[float] = []
        self._running = 0
        self._lanes = 1
        self._began = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Tune stores its callbacks; where the lines go (a terminal, a test's list) stays with this process."""
        return {**self.__dict__, "say": print, "called": nameless}

    def begin(self, phase: str, runs: int) -> None:
        """A new phase begins (teachers, points, search): its runs have their own durations."""
        self._phase, self._left, self._since, self._durations, self._lanes = phase, runs, {}, [], 1
        self.say(f"{phase}: {runs} run{'s' * (runs != 1)}")

    @never_raises
    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A run starts, or starts again after its process died."""
        self._since[trial.trial_id] = time.monotonic()

    @never_raises
    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """A run was validated. Its last validation is left to `on_trial_complete`."""
        self._running = sum(other.status == Trial.RUNNING for other in trials)
        self._lanes = max(self._lanes, self._running)
        if result.get("epoch", 0) < result.get("epochs", 0):
            self._line(
                f"{name_of(trial.config, self.called)}: {self._result(trial, result)}", self._left_s(trial, result)
            )

    @never_raises
    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A run is finished, unless it left no record."""
        record = record_of(trial.config)
        if record is None or record.status == "failed":
            self.on_trial_error(iteration, trials, trial)
            return
        line = f"{name_of(trial.config, self.called)}: {self._result(trial, trial.last_result or {})}"
        self._end(trial, trials)
        self._line(line, self._left_s())

    @never_raises
    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A run failed for good."""
        self._end(trial, trials)
        self.failed += 1
        record = record_of(trial.config)
        reason = record.error if record and record.error else "it ended without a reason; see the run's log"
        self._line(f"{name_of(trial.config, self.called)}: FAILED: {reason}", self._left_s())

    @never_raises
    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A run's process died; Tune starts it again. A run that failed by itself is not worth a line yet."""
        if record_of(trial.config) is None:
            self._line(f"{name_of(trial.config, self.called)}: its process died; it is started again", None)

    def give_up(self, tune_config: Mapping[str, Any], reason: str) -> None:
        """A run fails without having been started."""
        self.done += 1
        self.failed += 1
        self._line(f"{name_of(tune_config, self.called)}: FAILED: {reason}", None)

    def summary(self) -> str:
        """The last line: how many runs, how many failed, how long it took."""
        took = duration(time.monotonic() - self._began)
        return f"{self.done - self.failed} runs finished, {self.failed} failed, in {took}"

    def _end(self, trial: Trial, trials: list[Trial]) -> None:
        self.done += 1
        self._left -= 1
        self._running = sum(other.status == Trial.RUNNING for other in trials if other is not trial)
        seconds = self._seconds(trial)
        self._since.pop(trial.trial_id, None)
        if seconds >= BRIEF_S:
            self._durations.append(seconds)

    def _seconds(self, trial: Trial) -> float:
        return time.monotonic() - self._since.get(trial.trial_id, time.monotonic())

    def _result(self, trial: Trial, result: dict[str, Any]) -> str:
        parts = []
        if result.get("epochs"):  # a given teacher is validated without one
            parts.append(f"epoch {result.get('epoch', 0)}/{result['epochs']}")
        if isinstance(result.get(self.metric), (int, float)):
            parts.append(f"{self.metric} {result[self.metric]:.1f}")
        return f"{', '.join(parts)} ({duration(self._seconds(trial))})"

    def _left_s(self, current: Trial | None = None, result: dict[str, Any] | None = None) -> float | None:
        """Seconds until this phase ends: mean duration of a run (or the current one's, extrapolated) x runs left."""
        if self._durations:
            per_run = sum(self._durations) / len(self._durations)
        elif current is not None and result and result.get("epoch"):
            per_run = self._seconds(current) * result["epochs"] / result["epoch"]
        else:
            return None
        now = time.monotonic()
        spent = sum(min(now - since, per_run) for since in self._since.values())
        return max(0.0, per_run * self._left - spent) / min(self._lanes, max(1, self._left))

    def _line(self, text: str, left_s: float | None) -> None:
        width = len(str(self.total))
        parts = [f"[{self.done:>{width}}/{self.total}] {text}"]
        if self._running:
            parts.append(f"{self._running} running")
        if left_s is not None and self._left:
            phase = "" if self.done + self._left >= self.total else f" of the {self._phase}"
            parts.append(f"about {duration(left_s)}{phase} left")
        self.say("; ".join(parts))


def record_of(tune_config: Mapping[str, Any]) -> RunRecord | None:
    """The record of the run that Tune carries under this config, or None."""
    config, files, *_ = compose(run_of(tune_config))
    return files.record(config.key)


def run_of(tune_config: Mapping[str, Any]) -> dict[str, Any]:
    """One run as an assignment; beside it Tune's config of a suggestion holds what Optuna varied, by dotted key."""
    return dict(tune_config["run"])


def name_of(tune_config: Mapping[str, Any], called: Names = nameless) -> str:
    """What a line calls a run: its row and seed, or what was varied (`search LD + RL K 12 N 300 τ 2.1`)."""
    run = run_of(tune_config)
    if run["role"] == "tuning":
        return f"tuning of {run['label']}: weight {run['trial']['parameters']['weight']:.3g}"
    varied = {key: value for key, value in tune_config.items() if key != "run"}
    if not varied:
        return f"{run['label']} seed {run['trial']['seed']}"
    names = called(compose(run).config)
    symbols = {key: names[key].symbol if key in names else key.rpartition(".")[2] for key in varied}
    switches = [symbols[key] for key in names if varied.get(key) is True and names[key].switch]
    others = [key for key in varied if key not in names or not names[key].switch]
    values = [f"{symbols[key]} {_short(varied[key])}" for key in others]
    return " ".join([run["label"], *([" + ".join(switches)] if switches else []), *values])


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Seconds in words short enough for a line: `41 s`, `5 min`, `2 h 10 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
