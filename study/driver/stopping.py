"""Ending a study after the epochs under way, because `run_study.py stop` has left a file in its folder.

Nothing new starts. A cohort whose runs have all come to the end of an epoch (one that is validated, for others are not
reported) is held there: a run goes on only when Tune asks for its next result. Its checkpoints were written before it
reported. Once all cohorts are held or over, the driver leaves. So no epoch is thrown away, and none is trained twice.
"""

import time
from collections.abc import Callable
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from study.driver.departing import leave
from study.driver.progress import WAITS
from study.nouns.assignment import compose
from study.nouns.records import StudyFiles

LOOK_S = 1.0


class Stopping(tune.Callback):
    """Looks for the file, and knows which cohorts still have to come to the end of an epoch.

    Args:
        files: of the study.
        say: where lines of progress go.
    """

    def __init__(self, files: StudyFiles, say: Callable[[str], None] = print) -> None:
        self.files, self.say = files, say
        self.asked = False
        self._next = 0.0
        self._epochs: dict[str, float] = {}
        """The epoch that each run reported last; infinite for one that another process trains."""
        self._held: set[str] = set()
        self._awaited: set[str] = set()
        """Cohorts that were running when the file was seen."""

    def __getstate__(self) -> dict[str, Any]:
        """Tune stores its callbacks; what stops a launch is of no later one."""
        return {}

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Look for the file; leave once nothing is awaited.

        Raises:
            DriverLeavesError: all that was running is over or held at the end of an epoch.
        """
        if not self.asked and time.monotonic() >= self._next:
            self._next = time.monotonic() + LOOK_S
            self.asked = self.files.stop.exists()
            if self.asked:
                self._awaited = {trial.trial_id for trial in trials if trial.status == Trial.RUNNING}
                cohorts = f"{len(self._awaited)} cohort{'s' * (len(self._awaited) != 1)}"
                self.say(f"asked to stop: {cohorts} to go on to the end of an epoch; nothing is started")
        if self.asked and not any(trial.trial_id in self._awaited and self._runs(trial) for trial in trials):
            leave("`run_study.py stop` asked for it")

    def hold(self, trial: Trial, result: dict[str, Any]) -> bool:
        """A run of a cohort has reported: is the cohort held now?

        All its runs train on the same batches and report one after the other, so it is held when none is an epoch
        behind.
        """
        key = str(result.get("key"))
        self._epochs[key] = float("inf") if result.get(WAITS) else float(result.get("epoch", 0))
        if not self.asked:
            return False
        open_ = [one.config.key for one in compose(trial.config) if one.files.ended(one.config.key) is None]
        if key not in open_ or result.get(WAITS) or any(self._epochs.get(one, -1) < self._epochs[key] for one in open_):
            return False
        self._held.add(trial.trial_id)
        return True

    def _runs(self, trial: Trial) -> bool:
        """Whether it is still on its way to the end of an epoch, and not only waiting for other processes."""
        if trial.is_finished() or trial.trial_id in self._held:
            return False
        open_ = [one.config.key for one in compose(trial.config) if one.files.ended(one.config.key) is None]
        return not open_ or any(self._epochs.get(key) != float("inf") for key in open_)


class HeldAtEpochs(FIFOScheduler):
    """What Tune asks whether a run goes on after a result."""

    def __init__(self, stopping: Stopping) -> None:
        super().__init__()
        self.stopping = stopping

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Go on, or stay where it is until this launch has ended."""
        return TrialScheduler.NOOP if self.stopping.hold(trial, result) else TrialScheduler.CONTINUE
