"""A table as the columns that it declares: each a heading and what it says of a row of the frame of variants.

A cell without a number says why: runs failed, were not run, or hold no such metric.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from analysis.variants import COSTS, spread_in, switches_in
from analysis.wording import DASH, listed, mark, missing_sentence, number
from study.nouns.config import UNDISTILLED

Row = dict[str, Any]


class Column(NamedTuple):
    """A heading, and the text of a row below it."""

    heading: str
    text: Callable[[Row], str]


def presented(summary: pd.DataFrame, columns: list[Column]) -> pd.DataFrame:
    """The rows as texts."""
    rows = summary.to_dict("records")
    return pd.DataFrame({column.heading: [column.text(row) for row in rows] for column in columns})


def block_column() -> Column:
    """The block of metrics that the row is about."""
    return Column("Metrics", lambda row: str(row["block"]))


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
    """Mean and spread of every metric of the blocks."""

    def column(name: str) -> Column:
        return Column(name, lambda row: cell(row, f"metrics.{name}"))

    names = [name for name in summary.columns if name.startswith("metrics.") and name.endswith("_mean")]
    return [column(name.removeprefix("metrics.").removesuffix("_mean")) for name in names]


def headline_column(summary: pd.DataFrame) -> Column:
    """Mean and spread of the block's headline."""
    return Column(
        headline_heading(summary), lambda row: cell(row, f"metrics.{row['headline']}") if row["headline"] else DASH
    )


def gain_column() -> Column:
    """The paired gain in the headline."""
    return Column("Gain (same seeds)", lambda row: cell(row, "gain", sign=True) if distilled(row) else DASH)


def count_column() -> Column:
    """`3 of 3`; `1 of 3, 2 failed`."""

    def text(row: Row) -> str:
        lost = [f"{row['failed']} failed"] if row["failed"] else []
        return ", ".join([f"{row['n']} of {row['n'] + row['missing']}", *lost])

    return Column("Runs", text)


def cost_columns(summary: pd.DataFrame) -> list[Column]:
    """Facts of the detector, where any record holds them."""

    def column(name: str, heading: str) -> Column:
        return Column(heading, lambda row: number(row[name], 2))

    return [column(name, heading) for name, heading in COSTS.items() if summary[name].notna().any()]


def paper_columns(summary: pd.DataFrame) -> list[Column]:
    """The paper's headline and gain: under its own heading in the paper's setting, under another's elsewhere."""
    columns: list[Column] = []
    for ours, name in ((True, "paper"), (False, "paper, other setting")):
        same = (summary["paper_differs"] == "") == ours

        def value(row: Row, ours: bool = ours) -> str:
            here = row["headline"] and (row["paper_differs"] == "") == ours
            return number(row[f"paper.{row['headline']}"]) if here else DASH

        def difference(row: Row, ours: bool = ours) -> str:
            return number(row["paper_gain"], sign=True) if (row["paper_differs"] == "") == ours else DASH

        found = [Column(f"{headline_heading(summary)} ({name})", value), Column(f"Gain ({name})", difference)]
        printed = [_paper_headline(row) for row in summary[same].to_dict("records")]
        columns += found if pd.Series(printed, dtype=float).notna().any() else []
    return columns


def paper_sentence(summary: pd.DataFrame) -> str:
    """What a caption says of the paper's numbers; nothing where there are none."""
    shown = summary[[not pd.isna(_paper_headline(row)) for row in summary.to_dict("records")]]
    if shown.empty:
        return ""
    said = "The paper's gain is over its own student. "
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


def cell(row: Row, name: str, sign: bool = False) -> str:
    """A spread as text, or what became of the runs that it should come from."""
    of = spread_in(row, name) if not pd.isna(row[f"{name}_n"]) else None
    if of is None:
        return DASH
    if of.n or row["n"]:
        return of.text(sign=sign)
    return "failed" if row["failed"] else "not run" if row["missing"] else DASH


def headline_heading(summary: pd.DataFrame) -> str:
    """What the headlines of all blocks are called, where they share a name."""
    names = summary["headline"].dropna().unique()
    return str(names[0]) if len(names) == 1 else "Result"


def interval(row: Row, name: str | None, sign: bool = False) -> str:
    """The 95 % interval of a mean as text; n/a with one seed."""
    of = spread_in(row, name) if name is not None else None
    if of is None or of.n < 2:
        return "n/a" if of is not None and of.n else DASH
    return f"{number(of.low, sign=sign)} to {number(of.high, sign=sign)}"


def distilled(row: Mapping[str, Any]) -> bool:
    """Whether the row is of a method that needs a teacher."""
    return row["method"] not in UNDISTILLED


def setting_name(row: Mapping[str, Any]) -> str:
    """Detector, size and data of a row for people."""
    return f"{row['detector']} {row['compression']:g}x, {row['dataset']}"


def _paper_headline(row: Mapping[str, Any]) -> float:
    return row[f"paper.{row['headline']}"] if row["headline"] else float("nan")
