"""A cell of a table of results: our mean with its interval and seeds, beside what the paper printed.

The paper's number stands in a cell only where the row's setting is the paper's (`analysis/published.py`); what it
printed for another setting is kept apart. The same cells make the texts for people and the tidy rows of the CSV file.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from analysis.headings import metric_headings
from analysis.intervals import Spread
from analysis.published import SIZE
from analysis.variants import COSTS, spread_in
from analysis.wording import DASH, Best, number
from study.nouns import metrics
from study.nouns.metrics import Metric

Row = dict[str, Any]
COST_METRICS = {cost.name: cost for cost in metrics.COSTS}


class Cell(NamedTuple):
    """One quantity of one row; `paper` is of the same setting, `elsewhere` of another, both NaN where there is none."""

    of: Spread
    paper: float
    elsewhere: float
    best: bool = False

    @property
    def difference(self) -> float:
        """Our mean minus the paper's."""
        return self.of.mean - self.paper

    def lines(self, row: Row, digits: int = 1, sign: bool = False) -> str:
        """Mean with its seeds, its interval, and the paper's value with our difference, a line each."""
        of = f" of {row['n'] + row['missing']}" if row["missing"] else ""
        ours = [f"{number(self.of.mean, digits, sign)} (n = {self.of.n}{of})"] if self.of.n else [lost(row)]
        ours += [between(self.of.low, self.of.high, digits, sign)] if self.of.n > 1 else []
        text = "\n".join([*ours, *self.beside(digits, sign)])
        return Best(text) if self.best else text

    def beside(self, digits: int = 1, sign: bool = False) -> list[str]:
        """The paper's value, as printed, with our difference; nothing where there is none."""
        if math.isnan(self.paper):
            return []
        apart = "" if math.isnan(self.difference) else f" ({number(self.difference, digits, sign=True)})"
        return [f"paper {number(self.paper, sign=sign)}{apart}"]


def result(row: Row, heading: str) -> Cell | None:
    """A metric of the row; None where its block has no such metric."""
    if pd.isna(row[f"metrics.{heading}_n"]):
        return None
    best = row.get(f"metrics.{heading}_best") is True
    return Cell(spread_in(row, f"metrics.{heading}"), *_printed(row[f"paper.{heading}"], row["paper_differs"]), best)


def gain(row: Row) -> Cell:
    """The paired gain in the headline."""
    return Cell(spread_in(row, "gain"), *_printed(row["paper_gain"], row["paper_differs"]))


def cost(row: Row, name: str) -> Cell:
    """A fact of the detector, which hangs on its size only."""
    value, nan = float(row[name]), math.nan
    of = Spread(0 if math.isnan(value) else 1, value, nan, nan, nan)
    return Cell(of, *_printed(row[f"paper.{name}"], SIZE if SIZE in row["paper_differs"] else ""))


def lost(row: Row) -> str:
    """What became of the runs that a cell without a number should come from."""
    if row["n"]:
        return DASH
    return "failed" if row["failed"] else "not run" if row["missing"] else DASH


def between(low: float, high: float, digits: int = 1, sign: bool = False) -> str:
    """An interval as text; a dash where there is none."""
    return DASH if pd.isna(low) else f"{number(low, digits, sign)} to {number(high, digits, sign)}"


def digits_of(metric: Metric) -> int:
    """Digits behind the point: 1 of a metric up to 100, or without an end, 3 of one up to 1."""
    if metric.low is None or metric.high is None:
        return 1
    return max(1, 3 - round(math.log10(metric.high - metric.low)))


def tidy_cells(summary: pd.DataFrame) -> pd.DataFrame:
    """One row per row of a table and quantity: what its CSV file holds. Tables that have no cells stay as they are.

    What says which row it is comes first; then `quantity` (result, gain, from_teacher, cost), `metric` (the name in
    records), `unit`, `direction`, `seeds_of_cell`, `mean`, `std`, `low`, `high`, `best`, `paper`, `difference`, and
    `paper_other_setting`.
    """
    if "block" not in summary or summary.empty:
        return summary
    apart = tuple(f"{name}_" for name in ("gain", *(f"metrics.{one}" for one in metric_headings(summary))))
    names = [name for name in summary.columns if not name.startswith((*apart, "paper."))]
    names = [name for name in names if name not in (*COSTS, "paper_gain", "from_teacher", "unit", "headline")]
    known = summary.attrs["metrics"]
    rows = [
        {name: row[name] for name in names} | quantity
        for row in summary.to_dict("records")
        for quantity in _quantities(row, {name: known.get((row["block"], name)) for name in metric_headings(summary)})
    ]
    return pd.DataFrame(rows)


def _quantities(row: Row, known: dict[str, Metric | None]) -> Iterator[Row]:
    for heading, metric in known.items():
        cell = result(row, heading)
        if metric is not None and cell is not None:
            yield _numbers("result", metric, cell)
    headline = known.get(row["headline"]) if row["headline"] else None
    if headline is not None:
        yield _numbers("gain", headline, gain(row))
        nan = math.nan
        distance = row["from_teacher"]
        of = Spread(0 if math.isnan(distance) else int(row["n"]), distance, nan, nan, nan)
        yield _numbers("from_teacher", headline, Cell(of, nan, nan))
    for name, metric in COST_METRICS.items():
        if (found := cost(row, name)).of.n:
            yield _numbers("cost", metric, found)


def _numbers(quantity: str, metric: Metric, cell: Cell) -> Row:
    named = {"quantity": quantity, "metric": metric.name, "unit": metric.unit, "direction": metric.direction}
    n, *rest = cell.of
    ours = {"seeds_of_cell": n} | dict(zip(Spread._fields[1:], rest, strict=True)) | {"best": cell.best}
    return named | ours | {"paper": cell.paper, "difference": cell.difference, "paper_other_setting": cell.elsewhere}


def _printed(value: float, differs: str) -> tuple[float, float]:
    return (math.nan, value) if differs else (value, math.nan)
