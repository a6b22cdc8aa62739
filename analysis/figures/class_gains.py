"""What distillation gains class by class: every column of a block, paired with the student of the same seed."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.declarations import blocks_of
from analysis.declared_table import counted, setting_name
from analysis.intervals import paired_differences, spread
from analysis.results import Results
from analysis.wording import with_unit
from study.nouns.config import UNDISTILLED

TITLE = "Gain class by class"
EMPTY = "No distilled row holds a result in several classes beside a student of the same seed."

ROWS = len(style.CYCLE)
"""Rows drawn at most in a setting: more cannot be told apart. The caption says how many are left out."""

COLUMNS = [
    "setting", "name", "block", "axis", "variant", "row", "column", "kind", "seed", "gain", "low", "high", "n",
    "missing", "rows_left_out",
]  # fmt: skip


def summarize(results: Results) -> pd.DataFrame:
    """Tidy rows of kind run (one seed) and mean (with its 95 % interval), positive where the row is better."""
    rows = [row for _, setting in results.rows.groupby("setting", sort=True) for row in _setting(results, setting)]
    found = pd.DataFrame(rows, columns=COLUMNS)
    return found if (found["kind"] == "run").any() else found.iloc[:0]


def caption(summary: pd.DataFrame) -> str:
    """What is drawn, and how many runs are missing."""
    once = summary[(summary["kind"] == "mean")]
    left = int(once.drop_duplicates("setting")["rows_left_out"].sum())
    omitted = f" {left} more rows are in the tables only." if left else ""
    return (
        "Small points are single seeds, large ones their mean with its 95 % interval, which may go beyond the frame. "
        "To the right is better than the student without distillation of the same seed. "
        f"{counted(once, ['setting', 'variant'])}{omitted}"
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """One panel per setting and block; the classes from above as they are declared, the rows of each below another."""
    panels = [panel for _, panel in summary.groupby(["setting", "block"], sort=False)]
    looks = dict(zip(dict.fromkeys(summary["row"]), style.CYCLE * len(panels), strict=False))
    several = summary["setting"].nunique() > 1
    heights = [0.75 + panel["column"].nunique() * (0.1 + 0.09 * panel["row"].nunique()) for panel in panels]
    with style.applied():
        figure = Figure(figsize=(width, 1), layout="constrained")
        for panel, axes in zip(panels, style.panels(figure, heights, 2.6), strict=True):
            _draw_panel(axes, panel, looks)
            name, block = panel["name"].iloc[0], panel["block"].iloc[0]
            axes.set_title(f"{name}, {block}" if several else block, loc="left")
            axes.set_xlabel(panel["axis"].iloc[0])
            axes.set_ylabel("class")
        style.legend_below(figure, 4)
    return figure


def _setting(results: Results, setting: pd.DataFrame) -> Iterator[dict[str, Any]]:
    student = setting[(setting["method"] == "student") & (setting["status"] == "finished")]
    places = results.places
    others = setting[~setting["method"].isin(UNDISTILLED)]
    others = others.assign(place=others["label"].map(places)).sort_values(["place", "row"], kind="stable")
    variants = list(dict.fromkeys(others["variant"]))
    for variant in variants[:ROWS]:
        runs = others[others["variant"] == variant]
        finished = runs[runs["status"] == "finished"]
        common = {"setting": runs["setting"].iloc[0], "name": setting_name(runs.iloc[0]), "variant": variant}
        common |= {"row": runs["row"].iloc[0], "missing": len(runs) - len(finished)}
        common |= {"rows_left_out": max(len(variants) - ROWS, 0)}
        for block in blocks_of(results.metrics(setting)):
            for metric in block.metrics:
                gains = metric.sign * paired_differences(finished, student, f"metrics.{metric.name}")
                of_class = common | {"block": block.title, "axis": with_unit("gain", metric.unit)}
                of_class |= {"column": metric.column}
                runs_of_class = [{"kind": "run", "seed": seed, "gain": gain, "n": 1} for seed, gain in gains.items()]
                yield from (of_class | row for row in runs_of_class)
                mean = spread(gains)
                bounds = {"gain": mean.mean, "low": mean.low, "high": mean.high, "n": len(finished)}
                yield of_class | {"kind": "mean"} | bounds


def _draw_panel(axes: Axes, panel: pd.DataFrame, looks: dict[str, tuple[str, str]]) -> None:
    columns, rows = list(dict.fromkeys(panel["column"])), list(dict.fromkeys(panel["row"]))
    step = 0.8 / len(rows)
    axes.axvline(0, color=style.GRAY, linewidth=1.0, label="student without distillation")
    for number, row in enumerate(rows):
        color, marker = looks[row]
        place = {column: at - 0.4 + step * (number + 0.5) for at, column in enumerate(columns)}
        own = panel[(panel["row"] == row) & panel["gain"].notna()]
        runs, means = own[own["kind"] == "run"], own[own["kind"] == "mean"]
        if len(runs) > len(means):
            axes.scatter(runs["gain"], runs["column"].map(place), s=8, color=color, alpha=0.6, linewidths=0)
        for mean in means.dropna(subset=["low"]).itertuples():
            axes.plot([mean.low, mean.high], [place[mean.column]] * 2, color=color, linewidth=1.0)
        look: dict[str, Any] = {"s": 20, "color": color, "edgecolors": "white", "linewidths": 0.5, "zorder": 3}
        axes.scatter(means["gain"], means["column"].map(place), marker=marker, label=row, **look)
    for at in range(1, len(columns)):
        axes.axhline(at - 0.5, color="#E3E3E3", linewidth=0.6, zorder=0)
    low, high = min([0.0, *panel["gain"].dropna()]), max([0.0, *panel["gain"].dropna()])
    margin = 0.25 * (high - low) or 1.0
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(len(columns) - 0.5, -0.5)
    axes.set_yticks(range(len(columns)), columns)
    axes.grid(visible=False, axis="y")
