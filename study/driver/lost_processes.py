"""Runs whose process or node died start again for as long as they advance: only losses without progress are counted.

A run on machines that are taken away may be lost any number of times. What shows that it advances are its files: a
newer checkpoint, or a record of one of its cohort. Tune starts every lost cohort again; one that is given up has failed
records by then, so its new process finds nothing to do.
"""

from collections.abc import Callable
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from study.driver.no_run_without_record import unrecorded, why_lost
from study.driver.progress import never_raises
from study.nouns.assignment import Assignment, compose
from study.planning.missing import fail

ALWAYS = -1
"""As often as Tune starts a lost cohort again."""


class Losses(tune.Callback):
    """Gives up what was lost too often in a row without having come any further.

    Args:
        retries: so often it is started again all the same.
        say: where the lines go.
    """

    def __init__(self, retries: int, say: Callable[[str], None] = print) -> None:
        self.retries, self.say = retries, say
        self._marks: dict[str, list[tuple[int | str, ...]]] = {}
        self._in_vain: dict[str, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Tune stores its callbacks; where the lines go stays with this process."""
        return {**self.__dict__, "say": print}

    @never_raises
    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A cohort starts from its checkpoints."""
        self._marks.setdefault(trial.trial_id, marks(compose(trial.config)))

    @never_raises
    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A cohort was lost, and Tune starts it again."""
        name, assigned = trial.trial_id, compose(trial.config)
        before, now = self._marks.get(name), marks(assigned)
        advanced = before is not None and now != before
        self._marks[name] = now
        self._in_vain[name] = 0 if advanced else self._in_vain.get(name, 0) + 1
        if self._in_vain[name] > self.retries:
            for one in unrecorded(assigned):
                fail(one, why_lost(trial, self._in_vain[name]))


def marks(assigned: list[Assignment]) -> list[tuple[int | str, ...]]:
    """Which newest checkpoint and which record each run of a cohort has, as they are known here by now."""
    assigned[0].files.look(one.config.key for one in assigned)
    return [one.files.versions(one.config.key) for one in assigned]
