"""The planner as Ray Tune's searcher: Tune asks it for cohorts, and it knows how many find room at a time.

Tune starts what it gets, retries what dies, and waits where it gets nothing. So there is one Tuner for a whole study.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from study.driver import cluster
from study.driver.stopping import Stopping
from study.nouns.assignment import carry, compose
from study.nouns.config import TrialConfig
from study.nouns.spec import Budget
from study.planning.memory import Memory
from study.planning.planner import Kind, Planner

Resources = dict[str, float]


class Room:
    """How much of the cluster the cohorts of this study take, and how many more would find room.

    Args:
        needs: what a cohort of each kind occupies, its memory as if it were one run.
        most: cohorts at once; None is as many as fit.
    """

    def __init__(self, needs: Mapping[Kind, Resources], most: int | None) -> None:
        self.needs, self.most = needs, most
        self.taken: dict[str, Resources] = {}

    def free(self, kind: Kind) -> int:
        """How many more cohorts of a kind fit on the nodes that are there, or that the cluster can start."""
        return self._fit(kind, list(self.taken.values()))

    def places(self, kind: Kind) -> int:
        """How many cohorts of a kind fit at all, whatever is taken now."""
        return self._fit(kind, [])

    def _fit(self, kind: Kind, taken: list[Resources]) -> int:
        nodes = [dict(node.holds) for node in cluster.places()]
        for one in taken:
            _take(nodes, one)
        count = 0
        while (self.most is None or len(taken) + count < self.most) and _take(nodes, self.needs[kind]):
            count += 1
        return count


def _take(nodes: list[Resources], wanted: Resources) -> bool:
    for node in nodes:
        if all(node.get(name, 0) >= amount for name, amount in wanted.items()):
            for name, amount in wanted.items():
                node[name] = node.get(name, 0) - amount
            return True
    return False


class Cohorts(Searcher):
    """What Tune asks for its next trial: a cohort's config, None for nothing now, FINISHED at the end."""

    def __init__(self, planner: Planner, room: Room, stopping: Stopping, needs: "Needs") -> None:
        super().__init__()
        self.planner, self.room, self.stopping, self.needs = planner, room, stopping, needs

    def __getstate__(self) -> dict[str, Any]:
        """Tune stores its searcher; the records say all that a new launch needs."""
        return {}

    def suggest(self, trial_id: str) -> Any:
        """Runs to start now, if any."""
        if self.stopping.asked:
            return None
        assigned = self.planner.next(self.room.free)
        if not assigned:
            return Searcher.FINISHED if self.planner.over else None
        self.room.taken[trial_id] = self.needs.of([one.config for one in assigned])
        return carry(assigned)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: `Ended` hears it after every run has its record."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing is kept but the records."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing was kept."""


class Ended(Callback):
    """Tells the planner what is over. Stands behind the guard, which sees to it that every run has a record then."""

    def __init__(self, planner: Planner, room: Room) -> None:
        self.planner, self.room = planner, room

    def __getstate__(self) -> dict[str, Any]:
        """Tune stores its callbacks; the records say all that a new launch needs."""
        return {}

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A cohort is over."""
        self.room.taken.pop(trial.trial_id, None)
        self.planner.ended([one.config.key for one in compose(trial.config)])

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Tune gives a cohort up."""
        self.on_trial_complete(iteration, trials, trial)


class Needs(NamedTuple):
    """What cohorts occupy: CPUs and GPUs as the budget says, and the memory that they will take."""

    budget: Budget
    memory: Memory

    def of(self, runs: Sequence[TrialConfig]) -> Resources:
        """A cohort of these runs, as Ray counts it."""
        teaches, gpus = runs[0].method == "teacher", self.budget.gpus_per_trial or 0
        return {
            "CPU": self.budget.teacher_cpus if teaches else self.budget.cpus_per_trial,
            # A share of a GPU is for cohorts that run side by side; the teacher has nobody to share with.
            "GPU": max(1.0, gpus) if teaches and gpus else gpus,
            "memory": self.memory.of(runs),
        }

    def most(self, runs: Iterable[TrialConfig]) -> Resources:
        """What fits any of these runs by itself, and a cohort where the study says how large it is."""
        together = self.budget.cohort or 1
        each = [self.of([run] * (1 if run.method == "teacher" else together)) for run in runs]
        return {name: max((one[name] for one in each), default=0) for name in ("CPU", "GPU", "memory")}

    def placed(self, tune_config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
        """The same for Tune, of the cohort that it carries."""
        wanted = self.of([one.config for one in compose(tune_config)])
        return tune.PlacementGroupFactory([{name: amount for name, amount in wanted.items() if amount}])


def kind_of(method: str) -> Kind:
    """Whether a run of a method is a teacher's."""
    return "teacher" if method == "teacher" else "student"
