"""How much K, N and tau matter: every PointDistiller run as a point over each of the three (Figure 5, and tau).

One row of panels per setting. Within a panel the other parameters vary from point to point; the median is drawn only
where fixed rows sweep the parameter and several of their runs share a value (searched values meet by chance). The
student without distillation is a line with its standard deviation, the teacher a dashed line where it is near, else a
number in the legend.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.intervals import spread
from analysis.results import Results, teachers
from analysis.wording import metric_axis, missing_sentence

TITLE = "Sensitivity to K, N and τ"
EMPTY = "No finished PointDistiller run has both the study's metric and a value of K, N or τ."

AXES = {
    "neighbors": "K: neighbors per local graph",
    "samples": "N: distilled rows per frame",
    "temperature": "τ: temperature",
}
UNITS = {"points": "points per pillar", "feature": "feature's unit"}
"""Of τ: it divides a row's importance, which is the points in its pillar or its largest feature."""

COLUMNS = [
    "setting",
    "name",
    "metric",
    "parameter",
    "kind",
    "value",
    "score",
    "std",
    "n",
    "row",
    "seed",
    "key",
    "unit",
    "missing",
]
POINTS = ("fixed", "search")


def summarise(results: Results) -> pd.DataFrame:
    """Tidy rows of kind fixed, search (one run each), median, student, teacher; scores in the metric's unit."""
    score = f"metrics.{results.metric}"
    distilled = results.tuned[results.tuned["method"] == "pointdistiller"]
    rows: list[dict[str, Any]] = []
    for setting, group in distilled.groupby("setting", sort=True):
        scored = group[(group["status"] == "finished") & group[score].notna()] if score in group else group.iloc[:0]
        first = group.iloc[0]
        name = f"{first['detector']} {first['compression']:g}x, {first['dataset']}"
        common = {"setting": setting, "name": name, "metric": results.metric, "missing": len(group) - len(scored)}
        panels = [panel for parameter in AXES for panel in _panel(scored, parameter, score)]
        if panels:
            rows += [common | panel for panel in [*panels, *_levels(results, first, score)]]
    return pd.DataFrame(rows, columns=COLUMNS)


def caption(summary: pd.DataFrame) -> str:
    """What is drawn, and how many runs are missing."""
    points = summary[summary["kind"].isin(POINTS)]
    runs, missing = points["key"].nunique(), int(summary.drop_duplicates("setting")["missing"].sum())
    return (
        "Every finished PointDistiller run is a point; within a panel the other parameters differ from point to point. "
        "Runs without LD have no K, runs without RL no τ. Where rows sweep a parameter, black bars mark the "
        f"median of the runs that share a value. {missing_sentence(missing, runs + missing)}"
    )


def draw(summary: pd.DataFrame) -> Figure:
    """One panel per parameter that has points, one row of panels per setting."""
    points = summary[summary["kind"].isin(POINTS)]
    parameters = [parameter for parameter in AXES if (points["parameter"] == parameter).any()]
    settings = list(points["setting"].unique())
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 0.55 + 2.35 * len(settings)), layout="constrained")
        grid = figure.subplots(len(settings), len(parameters), sharey="row", squeeze=False)
        for setting, line in zip(settings, grid, strict=True):
            of_setting = summary[summary["setting"] == setting]
            for parameter, axes in zip(parameters, line, strict=True):
                _draw_panel(axes, of_setting, parameter)
            line[0].set_ylabel(metric_axis(summary["metric"].iloc[0]))
            if len(settings) > 1:
                line[0].set_title(of_setting["name"].iloc[0], loc="left")
        handles: dict[str, Any] = {}
        for axes in grid.flat:
            handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(len(handles), 3))
    return figure


def _panel(scored: pd.DataFrame, parameter: str, score: str) -> list[dict[str, Any]]:
    column = f"parameters.{parameter}"
    if column not in scored:
        return []
    values = pd.to_numeric(scored[column], errors="coerce")
    known = scored[values > 0].assign(value=values[values > 0])
    rows = [
        {
            "parameter": parameter,
            "kind": "search" if run["role"] == "search" else "fixed",
            "value": run["value"],
            "score": run[score],
            "n": 1,
            "unit": UNITS.get(str(run.get("parameters.importance", "points"))) if parameter == "temperature" else None,
            **{name: run[name] for name in ("row", "seed", "key")},
        }
        for run in known.sort_values(["value", "key"]).to_dict("records")
    ]
    fixed = known[known["role"] != "search"]
    for value, shared in fixed.groupby("value"):
        if len(shared) > 1 and fixed["value"].nunique() > 1:
            median = float(shared[score].median())
            rows.append({"parameter": parameter, "kind": "median", "value": value, "score": median, "n": len(shared)})
    return rows


def _levels(results: Results, first: pd.Series, score: str) -> list[dict[str, Any]]:
    done = results.finished
    students = done[(done["method"] == "student") & (done["setting"] == first["setting"])]
    above = teachers(results.runs)
    rows = []
    for kind, runs in (("student", students), ("teacher", above[above["family"] == first["family"]])):
        level = spread(runs[score]) if score in runs else spread(pd.Series(dtype=float))
        if level.n:
            rows.append({"kind": kind, "score": level.mean, "std": level.std, "n": level.n})
    return rows


def _far(score: float, others: pd.DataFrame) -> bool:
    """Whether a line at `score` would squeeze what is drawn into less than half of the panel."""
    spread_ = others["std"].fillna(0)
    low, high = (others["score"] - spread_).min(), (others["score"] + spread_).max()
    return max(score - high, low - score) > high - low


def _draw_panel(axes: Axes, of_setting: pd.DataFrame, parameter: str) -> None:
    for level in of_setting[of_setting["kind"] == "teacher"].itertuples():
        look: dict[str, Any] = {"color": style.GREEN, "linestyle": (0, (4, 2)), "linewidth": 1.2}
        if _far(level.score, of_setting[of_setting["kind"] != "teacher"]):
            axes.plot([], [], label=f"teacher: {level.score:.1f}, beyond the axis", **look)
        else:
            axes.axhline(level.score, label="teacher", **look)
    for level in of_setting[of_setting["kind"] == "student"].itertuples():
        label = f"student without distillation: mean ± std, n = {level.n}"
        if level.n > 1:
            axes.axhspan(level.score - level.std, level.score + level.std, color=style.GRAY, alpha=0.18, linewidth=0)
        else:
            label = "student without distillation: one run"
        axes.axhline(level.score, color=style.GRAY, linewidth=1.2, label=label)
    panel = of_setting[of_setting["parameter"] == parameter]
    crowded = len(panel) > style.MANY_POINTS
    size: dict[str, Any] = {"s": 5, "alpha": 0.4} if crowded else {"s": 20}
    looks: dict[str, dict[str, Any]] = {
        "search": {
            "marker": "o",
            "facecolors": "none",
            "edgecolors": style.VERMILION,
            "zorder": 4,
            "label": "run of the search",
        },
        "fixed": {
            "marker": "D",
            "color": style.BLUE,
            "edgecolors": "white",
            "zorder": 3,
            "label": "run of a fixed row",
        },
    }
    for kind, look in looks.items():
        points = panel[panel["kind"] == kind]
        if len(points):
            axes.scatter(points["value"], points["score"], linewidths=0.9, rasterized=crowded, **look, **size)
    medians = panel[panel["kind"] == "median"].sort_values("value")
    if len(medians):
        axes.plot(
            medians["value"], medians["score"], color=style.BLACK, linewidth=0.8, marker="_",
            markersize=11, markeredgewidth=1.6, zorder=5, label="median of fixed rows",
        )  # fmt: skip
    if len(panel):
        style.log_axis(axes, panel["value"].min(), panel["value"].max())
    units = panel["unit"].dropna().unique()
    axes.set_xlabel(AXES[parameter] + (f" ({units[0]})" if len(units) == 1 else ""))
