"""What a search looks for: its objectives, and the bounds that a run must keep to, read off a run's record."""

from collections.abc import Iterable
from typing import NamedTuple

from study.nouns.metrics import COSTS, Metric, find
from study.nouns.records import RunRecord
from study.nouns.spec import StudySpec
from study.planning.offered import Offered


class Goals(NamedTuple):
    """What a run of a search is judged by."""

    objectives: tuple[Metric, ...]
    bounds: tuple[tuple[Metric, float], ...] = ()

    def values(self, record: RunRecord | None) -> list[float] | None:
        """The objectives of a run; None where it is not finished, or anything that it is judged by is not known."""
        if record is None or record.status != "finished":
            return None
        known = {**record.facts, **record.metrics}
        asked = [*self.objectives, *(metric for metric, _ in self.bounds)]
        if any(metric.name not in known for metric in asked):
            return None
        return [known[metric.name] for metric in self.objectives]

    def excess(self, record: RunRecord) -> dict[str, float]:
        """By the name of each bound, how far a run lies beyond it; not above 0 where it keeps to it.

        Args:
            record: of a run whose `values` are known.
        """
        known = {**record.facts, **record.metrics}
        return {
            metric.name: known[metric.name] - bound if metric.direction == "min" else bound - known[metric.name]
            for metric, bound in self.bounds
        }

    def best(self, records: Iterable[RunRecord]) -> RunRecord | None:
        """The best of some runs by the one objective, among those within all bounds; the first of equal ones."""
        objective = self.objectives[0]
        judged = [(record, values) for record in records if (values := self.values(record)) is not None]
        within = [one for one in judged if all(excess <= 0 for excess in self.excess(one[0]).values())]
        return max(within, key=lambda one: objective.sign * one[1][0])[0] if within else None


def goals_of(spec: StudySpec, offered: Offered) -> Goals | None:
    """The goals of a study's search; None where it has none.

    Args:
        spec: a completed study.
        offered: knows the metrics of the searched run.

    Raises:
        InputError: an objective or a bound is neither a metric of the data set nor a cost; says the nearest.
    """
    if spec.search is None:
        return None
    known, kind = [*offered.metrics_of(spec.base), *COSTS], "metric or cost"
    objectives = tuple(find(name, known, kind) for name in spec.search.objectives or (spec.metric,))
    bounds = tuple((find(name, known, kind), bound) for name, bound in spec.search.constraints.items())
    return Goals(objectives, bounds)
