"""What a search with several objectives traded off: its runs over the first two of them, and the front of these."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.fronts import column_of, judged, on_front
from analysis.results import Results
from analysis.wording import capital, missing_sentence, with_unit
from study.nouns.metrics import Metric

TITLE = "The front of the search"
EMPTY = "No search has two objectives and a finished run that holds both: one objective has a best run and no front."

COLUMNS = ["study", "key", "kind", "x", "y", "joined", "x_axis", "y_axis", "steps", "objectives", "missing"]
LOOKS: dict[str, dict[str, Any]] = {
    "beyond a bound": {"marker": "x", "color": style.GRAY, "zorder": 2},
    "beaten by another run": {"marker": "o", "facecolors": "none", "edgecolors": style.BLUE, "zorder": 3},
    "on the front": {"marker": "D", "color": style.VERMILION, "edgecolors": "white", "zorder": 5},
}
"""The kinds of points, the front drawn last."""


def summarize(results: Results) -> pd.DataFrame:
    """One row per finished run of each search with several objectives: the second over the first."""
    rows: list[dict[str, Any]] = []
    for study in results.studies:
        objectives, _, runs, _, missing = judged(study)
        if len(objectives) < 2:
            continue
        y, x = objectives[:2]
        within = runs[runs["within"]]
        joined = set(within["key"][on_front(within, (y, x))])
        # Between two runs of the front the cheaper one is what can be had; where more is better it is the next one.
        steps = "steps-post" if x.direction == "min" else "steps-pre"
        common: dict[str, Any] = {"x_axis": _axis(x), "y_axis": _axis(y), "steps": steps}
        common |= {"objectives": len(objectives), "missing": missing}
        for run in runs.sort_values([column_of(x), column_of(y), "key"]).to_dict("records"):
            kind = "on the front" if run["front"] else "beaten by another run" if run["within"] else "beyond a bound"
            own = {"study": study.specs[0].name, "key": run["key"], "kind": kind, "joined": run["key"] in joined}
            rows.append(own | {"x": float(run[column_of(x)]), "y": float(run[column_of(y)])} | common)
    return pd.DataFrame(rows, columns=COLUMNS)


def caption(summary: pd.DataFrame) -> str:
    """What is drawn, and how many runs are missing."""
    missing = int(summary.drop_duplicates("study")["missing"].sum())
    further = (
        " A run may be on the front for an objective that is not drawn." if summary["objectives"].max() > 2 else ""
    )
    return (
        "Every finished run of the search is a point. On the front are those that no other run beats, being as good in "
        f"every objective and better in one. The line joins those that none beats in the two that are drawn.{further} "
        f"{missing_sentence(missing, len(summary) + missing)}"
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """One panel per study."""
    with style.applied():
        figure, panels = style.by_study(summary, width, width, lambda study: 2.6)
        for axes, study in panels:
            _draw_panel(axes, study)
        style.legend_below(figure, 3)
    return figure


def _draw_panel(axes: Axes, panel: pd.DataFrame) -> None:
    for kind, look in LOOKS.items():
        points = panel[panel["kind"] == kind]
        if len(points):
            axes.scatter(points["x"], points["y"], label=kind, linewidths=0.9, s=22, **look)
    line = panel[panel["joined"]].sort_values(["x", "y"])
    axes.plot(line["x"], line["y"], color=style.VERMILION, linewidth=0.9, drawstyle=panel["steps"].iloc[0], zorder=4)
    axes.set_xlabel(panel["x_axis"].iloc[0])
    axes.set_ylabel(panel["y_axis"].iloc[0])


def _axis(metric: Metric) -> str:
    return with_unit(capital(metric.title), metric.unit)
