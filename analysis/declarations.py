"""What records declare: what their metrics are and how people call their values, merged over the runs looked at.

Nothing here, or anywhere else in this room, knows a metric or a parameter by its name (the paper's numbers excepted).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from study.nouns.metrics import Metric
from study.nouns.parameters import Called
from study.nouns.records import RunRecord


class Block(NamedTuple):
    """The part of a table that some metrics stand in, one column each."""

    title: str
    metrics: tuple[Metric, ...]

    @property
    def headline(self) -> Metric | None:
        """The metric that gains are taken of."""
        return next((metric for metric in self.metrics if metric.headline), None)


class Shared:
    """Keeps one copy of what many records declare alike: thousands of records say the same of the same metrics."""

    def __init__(self) -> None:
        self._metrics: dict[tuple[Metric, ...], tuple[Metric, ...]] = {}
        self._called: dict[tuple[tuple[str, Called], ...], dict[str, Called]] = {}

    def __call__(self, record: RunRecord) -> RunRecord:
        """The record, with declarations that it shares with others."""
        metrics = self._metrics.setdefault(record.declared, record.declared)
        called = self._called.setdefault(tuple(record.called.items()), record.called)
        return record.model_copy(update={"declared": metrics, "called": called})


def merged_metrics(declarations: Iterable[tuple[Metric, ...]]) -> tuple[Metric, ...]:
    """Every metric once, in the order of declaration; of two declarations of one name the first counts."""
    found: dict[str, Metric] = {}
    for metrics in {id(metrics): metrics for metrics in declarations}.values():
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


def merged_names(names: Iterable[Mapping[str, Called]]) -> dict[str, Called]:
    """Dotted key -> how it is called; without a unit where runs count it in different ones."""
    found: dict[str, Called] = {}
    for of_run in {id(of_run): of_run for of_run in names}.values():
        for key, called in of_run.items():
            known = found.setdefault(key, called)
            if known.unit != called.unit:
                found[key] = known.model_copy(update={"unit": ""})
    return found
