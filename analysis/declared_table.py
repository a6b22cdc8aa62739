"""A table as the columns that it declares: each a heading and what it says of a row of the frame of variants.

A cell without a number says why: runs failed, were not run, or hold no such metric. The texts' `attrs` say how LaTeX
parts them: `part`, the column that becomes one table for each of its values, and `groups`, the headings that share one.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from analysis import cells
from analysis.cells import COST_METRICS, Row
from analysis.headings import arrow, metric_headings
from analysis.variants import COSTS, switches_in
from analysis.wording import DASH, listed, mark, missing_sentence, number
from study.nouns.config import UNDISTILLED
from study.nouns.metrics import Metric


class Column(NamedTuple):
    """A heading, the text of a row below it, and what the heading shares with those beside it."""

    heading: str
    text: Callable[[Row], str]
    group: str = ""


def presented(summary: pd.DataFrame, columns: Iterable[Column], part: str = "") -> pd.DataFrame:
    """The rows as texts.

    Args:
        summary: rows as numbers.
        columns: in order.
        part: heading of the column that parts the table, if one does.
    """
    rows = summary.to_dict("records")
    named = {f"{column.group} {column.heading}".strip(): column for column in columns}
    texts = {name: pd.Series([column.text(row) for row in rows], dtype=object) for name, column in named.items()}
    table = pd.DataFrame(texts)
    groups = {name: (column.group, column.heading) for name, column in named.items() if column.group}
    table.attrs = {"part": part, "groups": groups}
    return table


def of_variants(
    summary: pd.DataFrame,
    head: Iterable[Column],
    gained: Iterable[Column] = (),
    tail: Iterable[Column] = (),
) -> pd.DataFrame:
    """The rows of a table of results: what they are, every metric, the gain, runs, costs, the paper's other settings.

    Args:
        summary: rows of the frame of variants.
        head: what a row is called, behind its block.
        gained: columns beside the gain.
        tail: columns before the paper's.
    """
    block = Column("Metrics", lambda row: str(row["block"]))
    columns = [block, *head, *switch_columns(summary), *cost_columns(summary), *metric_columns(summary)]
    columns += [gain_column(), *gained, count_column(), *tail, *elsewhere_columns(summary)]
    return presented(summary, columns, block.heading)


def row_column() -> Column:
    """What the study calls the row."""
    return Column("Row", lambda row: row["row"])


def setting_columns(summary: pd.DataFrame) -> list[Column]:
    """Detector, size and data, where the table holds several settings."""
    several = summary["setting"].nunique() > 1
    return [Column("Detector", lambda row: f"{setting_name(row)}")] if several else []


def switch_columns(summary: pd.DataFrame) -> list[Column]:
    """A mark for each switch of the methods."""

    def column(symbol: str) -> Column:
        return Column(symbol, lambda row: mark(row[f"switch.{symbol}"]) if distilled(row) else DASH)

    return [column(symbol) for symbol in switches_in(summary)]


def metric_columns(summary: pd.DataFrame) -> list[Column]:
    """Every metric of the blocks, with an arrow to where its better values are."""

    def column(name: str) -> Column:
        found = [metric for (_, heading), metric in summary.attrs["metrics"].items() if heading == name]
        directions = {metric.direction for metric in found}
        at = f" {arrow(directions.pop())}" if len(directions) == 1 else ""
        group, heading = (found[0].group, found[0].column) if found else ("", name)
        return Column(f"{heading}{at}", lambda row: metric_text(row, name, _metric(summary, row, name)), group)

    return [column(name) for name in metric_headings(summary)]


def gain_column() -> Column:
    """The paired gain in the headline."""

    return Column("Gain (same seeds)", lambda row: cells.gain(row).lines(row, sign=True) if distilled(row) else DASH)


def count_column() -> Column:
    """`3 of 3`; `1 of 3, 2 failed`."""

    def text(row: Row) -> str:
        failed = [f"{row['failed']} failed"] if row["failed"] else []
        return ", ".join([f"{row['n']} of {row['n'] + row['missing']}", *failed])

    return Column("Runs", text)


def cost_columns(summary: pd.DataFrame) -> list[Column]:
    """Facts of the detector, where any record holds them, beside the paper's of a detector of the same size."""

    def column(name: str, heading: str) -> Column:
        def text(row: Row) -> str:
            return "\n".join([number(row[name], 2), *cells.cost(row, name).beside(2)])

        return Column(f"{heading} {arrow(COST_METRICS[name].direction)}", text)

    return [column(name, heading) for name, heading in COSTS.items() if summary[name].notna().any()]


def elsewhere_columns(summary: pd.DataFrame) -> list[Column]:
    """The paper's headline and gain beside rows of another setting than its own."""

    def value(row: Row) -> str:
        found = cells.result(row, row["headline"]) if row["headline"] else None
        return DASH if found is None else number(found.elsewhere)

    printed = [value(row) for row in summary.to_dict("records")]
    if all(text == DASH for text in printed):
        return []
    gain = Column("Gain (paper, other setting)", lambda row: number(cells.gain(row).elsewhere, sign=True))
    return [Column(f"{headline_heading(summary)} (paper, other setting)", value), gain]


def results_caption(summary: pd.DataFrame, by: list[str], more: str = "") -> str:
    """How to read a table of results, and how many runs are missing.

    Args:
        summary: rows of the frame of variants.
        by: columns of which each combination is counted once.
        more: what this table says besides.
    """
    return (
        f"{unit_sentence(summary)}mean over n seeds and 95 % interval of the mean; an arrow points to better values. "
        "Bold is the best mean of a setting, as printed, among rows that have run all of its seeds (teachers apart). "
        f"{gain_sentence(summary)}{more}{paper_sentence(summary)}{counted(summary, by)}"
    )


def paper_sentence(summary: pd.DataFrame) -> str:
    """What a caption says of the paper's numbers; nothing where there are none."""
    shown = summary[[_printed_headline(row) for row in summary.to_dict("records")]]
    if shown.empty:
        return ""
    said = "The paper's gain is over its own student. "
    if (shown["paper_differs"] == "").any():
        said = f"“paper” is what it printed for this setting, and by how much ours is above. {said}"
    differs = dict.fromkeys(name for text in shown["paper_differs"] for name in text.split(", ") if name)
    return f"{said}Where its setting is another, it differs in {listed(list(differs))}. " if differs else said


def unit_sentence(summary: pd.DataFrame) -> str:
    """In which units the metrics are, block by block where they differ."""
    units = summary.drop_duplicates("block").set_index("block")["unit"]
    units = units[units != ""]
    if units.nunique() == 1:
        return f"Results are {units.iloc[0]}: "
    said = "; ".join(f"{title} is {unit}" for title, unit in units.items())
    return f"{said}: " if said else "Results: "


def gain_sentence(summary: pd.DataFrame) -> str:
    """What a gain is, and of which metric."""
    names = listed([str(name) for name in dict.fromkeys(summary["headline"].dropna())])
    return (
        f"The gain is paired: by how much {names or 'the headline'} is better than that of the student without "
        "distillation of the same seed. "
    )


def counted(summary: pd.DataFrame, by: list[str]) -> str:
    """How many runs are missing, each counted once."""
    once = summary.drop_duplicates(by)
    there, missing = int(once["n"].sum()), int(once["missing"].sum())
    return missing_sentence(missing, there + missing)


def metric_text(row: Row, heading: str, metric: Metric | None) -> str:
    """A metric of the row, or a dash where its block has no such metric."""
    found = cells.result(row, heading)
    return DASH if found is None else found.lines(row, cells.digits_of(metric) if metric else 1)


def headline_heading(summary: pd.DataFrame) -> str:
    """What the headlines of all blocks are called, where they share a name."""
    names = summary["headline"].dropna().unique()
    return str(names[0]) if len(names) == 1 else "Result"


def distilled(row: Mapping[str, Any]) -> bool:
    """Whether the row is of a method that needs a teacher."""
    return row["method"] not in UNDISTILLED


def setting_name(row: Mapping[str, Any]) -> str:
    """Detector, size and data of a row for people."""
    return f"{row['detector']} {row['compression']:g}x, {row['dataset']}"


def _metric(summary: pd.DataFrame, row: Row, heading: str) -> Metric | None:
    return summary.attrs["metrics"].get((row["block"], heading))


def _printed_headline(row: Mapping[str, Any]) -> bool:
    return bool(row["headline"]) and not pd.isna(row[f"paper.{row['headline']}"])
