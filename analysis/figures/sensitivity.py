"""How much the values of a method matter: every run of it as a point over each value that varies (Figure 5).

One row of panels per metric, setting and method. Within a panel the other values vary from point to point; a median is
drawn along each sweep, the fixed rows that are equal in everything else (searched values meet by chance). The student
without distillation is a line with its 95 % interval, the teacher a dashed line where it is near, else a number.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import level_lines, style
from analysis.intervals import spread
from analysis.results import Results
from analysis.sweeps import sweeps_of
from analysis.teachers import teachers_above
from analysis.wording import missing_sentence, with_unit
from study.nouns.config import UNDISTILLED

TITLE = "Sensitivity to the method's values"
EMPTY = "No two finished runs of a method differ in one of its values and hold the study's metric."

COLUMNS = [
    "panels", "name", "metric", "axis", "value_key", "value_axis", "kind", "sweep", "value", "score", "low", "high",
    "n", "row", "seed", "key", "missing",
]  # fmt: skip
POINTS = ("fixed", "off sweep", "search")


def summarize(results: Results) -> pd.DataFrame:
    """Tidy rows of kind fixed, off sweep, search (one run each), median (of a sweep), student, teacher."""
    rows = [row for part in results.by_metric for row in _of_metric(part)]
    return pd.DataFrame(rows, columns=COLUMNS)


def caption(summary: pd.DataFrame) -> str:
    """What is drawn, and how many runs are missing."""
    points = summary[summary["kind"].isin(POINTS)]
    runs, missing = points["key"].nunique(), int(summary.drop_duplicates("panels")["missing"].sum())
    return (
        "Every finished run of the method is a point; within a panel its other values differ from point to point, and "
        "a run that does not read a value stands in no panel of it. Black lines join the medians over the seeds along "
        "a sweep: rows that are equal in everything else. The gray band, the student's 95 % interval, may go beyond "
        f"the frame. {missing_sentence(missing, runs + missing)}"
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """One panel per value that has points, for each metric, setting and method."""
    panels = summary.dropna(subset=["value_key"]).drop_duplicates(["panels", "value_key"])
    several = panels["panels"].nunique() > 1
    with style.applied():
        figure = Figure(figsize=(width, 1), layout="constrained")
        for panel, axes in zip(panels.itertuples(), style.panels(figure, [2.2] * len(panels), 2.0), strict=True):
            axes.set_xlabel(panel.value_axis)
            _draw_panel(axes, summary[summary["panels"] == panel.panels], str(panel.value_key))
            axes.set_ylabel(panel.axis)
            if several:
                axes.set_title(panel.name, loc="left")
        style.legend_below(figure, 3)
    return figure


def _of_metric(results: Results) -> Iterator[dict[str, Any]]:
    score = f"metrics.{results.metric.name}"
    whole = results.runs[results.runs["status"] != "pruned"]
    tried = whole[(whole["role"] != "tuning") & ~whole["method"].isin(UNDISTILLED)]
    for (setting, method), group in tried.groupby(["setting", "method"], sort=True):
        scored = group[(group["status"] == "finished") & group[score].notna()] if score in group else group.iloc[:0]
        first = group.iloc[0]
        common = {
            "panels": f"{results.metric.name} {setting} {method}",
            "name": f"{method}, {first['detector']} {first['compression']:g}x, {first['dataset']}",
            "metric": results.metric.name,
            "axis": with_unit(results.metric.title, results.metric.unit),
            "missing": len(group) - len(scored),
        }
        panels = [panel for key in results.names(scored) for panel in _panel(results, scored, key, score)]
        if panels:
            yield from (common | panel for panel in [*panels, *_levels(results, group, score)])


def _panel(results: Results, scored: pd.DataFrame, key: str, score: str) -> Iterator[dict[str, Any]]:
    if key not in scored or results.names(scored)[key].switch:
        return
    values = pd.to_numeric(scored[key], errors="coerce")
    known = scored[values.notna()].assign(value=values[values.notna()])
    if known["value"].nunique() < 2:
        return
    called = results.names(known)[key]
    title = f"{called.symbol}: {called.title}" if called.title else called.symbol
    common = {"value_key": key, "value_axis": with_unit(title, called.unit)}
    found = list(sweeps_of(known, key))
    of_sweep = {run: number for number, sweep in enumerate(found) for run in sweep.runs["key"]}
    for run in known.sort_values(["value", "key"]).to_dict("records"):
        kind = "search" if run["role"] == "search" else "fixed" if run["key"] in of_sweep or not found else "off sweep"
        own = {name: run[name] for name in ("value", "row", "seed", "key")}
        yield common | own | {"kind": kind, "sweep": of_sweep.get(run["key"]), "score": run[score], "n": 1}
    for number, sweep in enumerate(found):
        for median in sweep.medians(score).to_dict("records"):
            yield common | median | {"kind": "median", "sweep": number}


def _levels(results: Results, group: pd.DataFrame, score: str) -> Iterator[dict[str, Any]]:
    done = results.finished
    students = done[(done["method"] == "student") & (done["setting"] == group["setting"].iloc[0])]
    above = teachers_above(results.runs, group)
    for kind, runs in (("student", students), ("teacher", above)):
        level = spread(runs[score]) if score in runs else spread(pd.Series(dtype=float))
        if level.n:
            yield {"kind": kind, "score": level.mean, "low": level.low, "high": level.high, "n": level.n}


def _draw_panel(axes: Axes, of_line: pd.DataFrame, key: str) -> None:
    level_lines.draw(axes, of_line)
    panel = of_line[of_line["value_key"] == key]
    crowded = len(panel) > style.MANY_POINTS
    size: dict[str, Any] = {"s": 5, "alpha": 0.4} if crowded else {"s": 20}
    search: dict[str, Any] = {"marker": "o", "facecolors": "none", "edgecolors": style.VERMILION, "zorder": 4}
    fixed: dict[str, Any] = {"marker": "D", "color": style.BLUE, "edgecolors": "white", "zorder": 3}
    looks = {
        "off sweep": (fixed | {"color": style.SKY, "zorder": 2}, "fixed row that differs in more"),
        "search": (search, "run of the search"),
        "fixed": (fixed, "run of a fixed row"),
    }
    for kind, (look, label) in looks.items():
        points = panel[panel["kind"] == kind]
        if len(points):
            axes.scatter(
                points["value"], points["score"], label=label, rasterized=crowded, linewidths=0.9, **look, **size
            )
    for _, sweep in panel[panel["kind"] == "median"].groupby("sweep"):
        axes.plot(
            sweep["value"], sweep["score"], color=style.BLACK, linewidth=0.8, marker="_", markersize=11,
            markeredgewidth=1.6, zorder=5, label="median along a sweep",
        )  # fmt: skip
    if len(panel):
        style.value_axis(axes, panel["value"].min(), panel["value"].max())
