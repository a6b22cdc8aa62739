"""No run ends without a record: what Tune calls instead of the trainable, and who writes for a run that cannot.

The trainable writes its own record, also of a failure it notices. What is left are processes that were killed, and
trainables that end without a word.
"""

import signal
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ray import cloudpickle, tune
from ray.exceptions import RayActorError, RayTaskError
from ray.tune.experiment import Trial

from study.driver.departing import Heard, leave
from study.driver.progress import WAITS, never_raises
from study.driver.watch import Watch
from study.nouns import leaving
from study.nouns.assignment import Assignment, carry, compose
from study.nouns.leases import fence, is_lost
from study.nouns.records import RunRecord, StudyFiles
from study.planning.missing import fail
from study.planning.trained_once import train_once

ARRIVES_S = 10.0
"""How long the record of a run that has ended may take to be seen from here, on a network disk."""
Trainable = Callable[[dict[str, Any]], None]
SPENT_EVERY_S = 30.0


class Clock:
    """The wall-clock time that all launches of a study took, kept every half minute.

    Args:
        files: of the study.
        hours: that it may take in all; None is no limit.
    """

    def __init__(self, files: StudyFiles, hours: float | None) -> None:
        self.files = files
        self.limit = float("inf") if hours is None else hours * 3600
        self._before = files.spent()
        self._began = self._kept = time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds so far, earlier launches included."""
        return self._before + time.monotonic() - self._began

    def keep(self, at_once: bool = False) -> None:
        """Keep what was spent, at once or where the last time is long ago."""
        if at_once or time.monotonic() - self._kept > SPENT_EVERY_S:
            self._kept = time.monotonic()
            self.files.spend(self.spent)


class Guard(tune.Callback):
    """Writes the record of a run that could not write its own, and ends the study when its time is up or it is told."""

    def __init__(self, clock: Clock, watch: Watch, heard: Heard, say: Callable[[str], None] = print) -> None:
        self.clock, self.watch, self.heard, self.say = clock, watch, heard, say

    def __getstate__(self) -> dict[str, Any]:
        """Tune stores its callbacks; where the lines go stays with this process."""
        return {**self.__dict__, "say": print}

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Stopping Tune's way would tell Optuna that half a run is a whole one, so the loop is left instead.

        Raises:
            DriverLeavesError: time is up, or a signal was heard. Open runs stay open and can be resumed.
            LeaseLostError: this driver was taken for dead, and another runs the study now.
        """
        self._keep_time()
        if is_lost(self.clock.files.root):
            fence(self.clock.files.root)
        if (sent := self.heard.by) is not None:
            leave("interrupted" if sent == signal.SIGINT else f"told to end by {sent.name}")
        if self.clock.spent > self.clock.limit:
            leave(f"the limit of budget.hours={self.clock.limit / 3600:g} is reached, all launches counted")
        self.watch.look()

    @never_raises
    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A run that ended well, and whose record is not where the driver reads, has no result."""
        assigned, give_up = compose(trial.config), time.monotonic() + ARRIVES_S
        assigned[0].files.look(one.config.key for one in assigned)
        while unrecorded(assigned) and time.monotonic() < give_up:
            time.sleep(0.2)
            assigned[0].files.look(one.config.key for one in unrecorded(assigned))
        for one in unrecorded(assigned):
            node = (trial.last_result or {}).get("node_ip", "its node")
            fail(one, f"it ended on {node} without an error, and no record of it is in {one.files.run(one.config.key)}")

    @never_raises
    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Tune gives a cohort up. Only runs that were killed, or never came to life, have no record by now."""
        assigned = compose(trial.config)
        assigned[0].files.look(one.config.key for one in assigned)
        for one in unrecorded(assigned):
            fail(one, why_lost(trial))

    @never_raises
    def _keep_time(self) -> None:
        self.clock.keep()


def unrecorded(assigned: Iterable[Assignment]) -> list[Assignment]:
    """The runs without a record."""
    return [one for one in assigned if one.files.ended(one.config.key) is None]


def recorded(trainable: Trainable) -> Trainable:
    """What Tune calls, on a worker: runs that are over are answered from their records, and none ends without one."""

    def answer(one: Assignment, done: RunRecord) -> None:
        epochs = one.config.training.epochs
        if done.status == "finished":
            tune.report({**done.metrics, "key": done.key, "epoch": epochs, "epochs": epochs})

    def wait(one: Assignment) -> None:
        tune.report({"key": one.config.key, WAITS: True})

    def train(open_: list[Assignment]) -> None:
        keys, files = [one.config.key for one in open_], open_[0].files
        with files.at_work(keys, {one.config.teacher_run().key for one in open_ if one.config.distills}):
            before = {key: files.record(key) for key in keys}
            reason = "the run ended without a record of its result"
            try:
                trainable(carry(open_))
            except (Exception, SystemExit) as error:  # whatever the run did itself it would do again
                if isinstance(error, SystemExit) and leaving.asked():
                    leaving.leave()
                reason = _one_line(error)
                traceback.print_exc()
            files.look(keys)
            for one in open_:
                if files.record(one.config.key) == before[one.config.key]:
                    fail(one, reason)
        tune.report({"over": len(open_)})  # Tune prints a line of its own about a trial that never reported

    def run(tune_config: dict[str, Any]) -> None:
        train_once(compose(tune_config), train, wait, answer)

    return run


def why_lost(trial: Trial, losses: int = 1) -> str:
    """Why a cohort is given up that was lost so often in a row without coming any further."""
    file = trial.pickled_error_file
    error = cloudpickle.loads(Path(file).read_bytes()) if file and Path(file).exists() else None
    if isinstance(error, RayActorError):
        times = f"{losses} times in a row without coming any further" if losses > 1 else "without coming any further"
        return f"its process died {times} (killed, out of memory, or its node was lost)"
    return _one_line(error.cause if isinstance(error, RayTaskError) else error)


def _one_line(error: BaseException | None) -> str:
    lines = [line.strip() for line in str(error or "").splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else f"{type(error).__name__} without a message"
