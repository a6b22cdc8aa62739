"""Which searched values mattered: the importance of each as a point, with the interval that its trials allow."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.results import Results
from analysis.tables import search_values

TITLE = "Importance of the searched values"
EMPTY = "No search has ended with trials enough to rate its values (or the study did not search)."


def summarize(results: Results) -> pd.DataFrame:
    """The rows of the table of importances that hold numbers, the most important first."""
    table = search_values.summarize(results)
    return table[table["median"].notna()].reset_index(drop=True) if len(table) else table


def caption(summary: pd.DataFrame) -> str:
    """How importances are computed, and how many runs are missing."""
    return search_values.caption(summary)


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """One panel per study, the most important value at the top."""
    with style.applied():
        figure, panels = style.by_study(summary, width, 3.2, lambda study: max(1.4, 0.7 + 0.22 * len(study)))
        for axes, study in panels:
            _draw_panel(axes, study.reset_index(drop=True))
        style.legend_below(figure, 2)
    return figure


def _draw_panel(axes: Axes, study: pd.DataFrame) -> None:
    percent = 100 * study[["median", "low", "high"]].astype(float)
    axes.hlines(study.index, percent["low"], percent["high"], color=style.BLUE, linewidth=1.3, label="95 % interval")
    axes.scatter(percent["median"], study.index, s=26, color=style.BLUE, zorder=3, label="median over bootstraps")
    axes.set_xlim(-2, 102)
    axes.set_ylim(len(study) - 0.5, -0.5)
    axes.set_yticks(range(len(study)), study["parameter"])
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("importance (%)")
    axes.set_ylabel("searched value")
