"""What a search looks for: its objectives, and the bounds that a run must keep to, read off a run's record."""

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
