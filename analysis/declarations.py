"""What records declare: what their metrics are and how people call their values, merged over the runs looked at.

Nothing here, or anywhere else in this room, knows a metric or a parameter by its name (the paper's numbers excepted).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from study.nouns.metrics import Metric
from study.nouns.parameters import Called


class Block(NamedTuple):
    """The part of a table that some metrics stand in, one column each."""

    title: str
    metrics: tuple[Metric, ...]

    @property
    def headline(self) -> Metric | None:
        """The metric that gains are taken of."""
        return next((metric for metric in self.metrics if metric.headline), None)


def merged_metrics(declarations: Iterable[tuple[Metric, ...]]) -> tuple[Metric, ...]:
    """Every metric once, in the order of declaration; of two declarations of one name the first counts."""
    found: dict[str, Metric] = {}
    for metrics in dict.fromkeys(declarations):
        for metric in metrics:
            found.setdefault(metric.name, metric)
    return tuple(found.values())


def blocks_of(metrics: Iterable[Metric]) -> list[Block]:
    """The blocks of a table in the order of declaration; metrics of no block stand in no table."""
    found: dict[str, list[Metric]] = {}
    for metric in metrics:
        if metric.block:
            found.setdefault(metric.block, []).append(metric)
    return [Block(title, tuple(members)) for title, members in found.items()]


def undeclared(name: str) -> Metric:
    """What is known of a metric that no record declares: its name."""
    return Metric(name=name, title=name)


def better_sign(metric: Metric) -> int:
    """1 where larger is better, else -1: a difference times this is a gain."""
    return 1 if metric.direction == "max" else -1


def merged_names(names: Iterable[Mapping[str, Called]]) -> dict[str, Called]:
    """Dotted key -> how it is called; without a unit where runs count it in different ones."""
    found: dict[str, Called] = {}
    for of_run in names:
        for key, called in of_run.items():
            known = found.setdefault(key, called)
            if known.unit != called.unit:
                found[key] = known.model_copy(update={"unit": ""})
    return found
