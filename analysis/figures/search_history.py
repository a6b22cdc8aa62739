"""How a search went: every run by its status in the order in which they started, and the best result so far."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import headings, style
from analysis.fronts import column_of, judged
from analysis.results import Results
from analysis.wording import missing_sentence

TITLE = "History of the search"
EMPTY = "No search has a finished run with all that it is judged by (or the study did not search)."

COLUMNS = ["study", "key", "at", "kind", "score", "best", "axis", "started", "missing"]
LOOKS: dict[str, dict[str, Any]] = {
    "finished": {"marker": "o", "color": style.BLUE, "edgecolors": "white", "zorder": 3},
    "beyond a bound": {"marker": "s", "facecolors": "none", "edgecolors": style.GRAY, "zorder": 2},
    "failed": {"marker": "x", "color": style.VERMILION, "zorder": 4},
}
"""The kinds of runs; one that failed has no result and stands at the lower edge."""


def summarize(results: Results) -> pd.DataFrame:
    """One row per run of each search that ended: its first objective, and the best of that within all bounds so far."""
    rows: list[dict[str, Any]] = []
    for study in results.studies:
        found = judged(study)
        if found.runs.empty:
            continue
        first, scored = found.objectives[0], found.runs.set_index("key")
        ended = study.runs[(study.runs["role"] == "search") & (study.runs["status"] != "not_run")]
        best = float("nan")
        for at, run in enumerate(ended.sort_values(["started", "key"]).to_dict("records"), 1):
            done = run["key"] in scored.index
            score = float(scored.at[run["key"], column_of(first)]) if done else float("nan")
            within = done and bool(scored.at[run["key"], "within"])
            if within and (pd.isna(best) or first.better(score, best)):
                best = score
            kind = "finished" if within else "beyond a bound" if done else "failed"
            row = {"study": study.specs[0].name, "key": run["key"], "at": at, "kind": kind, "score": score}
            row |= {"best": best, "axis": headings.of_metric(first), "started": run["started"]}
            rows.append(row | {"missing": found.missing})
    return pd.DataFrame(rows, columns=COLUMNS)


def caption(summary: pd.DataFrame) -> str:
    """What is drawn, and how many runs are missing."""
    once = summary.drop_duplicates("study")
    scored, missing = int((summary["kind"] != "failed").sum()), int(once["missing"].sum())
    failed = "Crosses at the lower edge are runs without a result. " if (summary["kind"] == "failed").any() else ""
    return (
        "Every run of the search in the order in which they started, several at a time. The line is the best so far "
        f"in the first objective, of runs that keep to all bounds; it is flattered, as it is the best of many. {failed}"
        f"{missing_sentence(missing, scored + missing)}"
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """One panel per study."""
    with style.applied():
        figure, panels = style.by_study(summary, width, 3.2, lambda study: 2.3)
        for axes, study in panels:
            _draw_panel(axes, study)
        style.legend_below(figure, 4)
    return figure


def _draw_panel(axes: Axes, panel: pd.DataFrame) -> None:
    axes.plot(panel["at"], panel["best"], drawstyle="steps-post", color=style.BLACK, linewidth=1.1, label="best so far")
    style.frame(axes, [*panel["score"]], [])
    for kind, look in LOOKS.items():
        points = panel[panel["kind"] == kind]
        lost = kind == "failed"
        heights = points["score"].fillna(0.03) if lost else points["score"]
        across = axes.get_xaxis_transform() if lost else axes.transData
        shared: dict[str, Any] = {"s": 24, "linewidths": 0.9, "rasterized": len(panel) > style.MANY_POINTS}
        if len(points):
            axes.scatter(points["at"], heights, label=kind, transform=across, **shared, **look)
    axes.set_xlim(0.4, panel["at"].max() + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.set_xlabel("run of the search")
    axes.set_ylabel(panel["axis"].iloc[0])
