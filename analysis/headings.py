"""The headings of columns that records declare: kept in a summary's `attrs`, as its column names are paths."""

from typing import Any

import pandas as pd

from analysis.results import Results
from analysis.wording import capital, mark, short, with_unit
from study.nouns.metrics import Metric


def of_values(results: Results, runs: pd.DataFrame) -> dict[str, str]:
    """Dotted key -> symbol, of every value of runs that has a name for people and a column."""
    return {key: called.symbol for key, called in results.names(runs).items() if key in runs}


def of_searched(results: Results) -> dict[str, str]:
    """Dotted key -> its last name, of every value that a search varied, has a column, and no name for people."""
    keys = [key for spec in results.specs if spec.search is not None for key in spec.search.space or ()]
    return {key: key.rpartition(".")[2] for key in keys if key in results.runs and key not in results.names()}


def of_metric(metric: Metric) -> str:
    """A metric as a heading, with its unit."""
    return with_unit(capital(metric.title), metric.unit)


def metric_headings(summary: pd.DataFrame) -> list[str]:
    """The headings of the metrics in a frame of variants, in the order of declaration."""
    names = [name for name in summary.columns if name.startswith("metrics.") and name.endswith("_mean")]
    return [name.removeprefix("metrics.").removesuffix("_mean") for name in names]


def arrow(direction: str) -> str:
    """Where a metric's better values are."""
    return "↑" if direction == "max" else "↓"


def value_text(value: Any) -> str:
    """A value of a run: a mark for a switch, else as few digits as tell it apart."""
    return mark(value) if isinstance(value, bool) else short(value)
