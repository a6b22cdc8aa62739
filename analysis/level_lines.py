"""The student without distillation and the teacher as levels behind the points of a panel."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from analysis import style


def draw(axes: Axes, summary: pd.DataFrame) -> None:
    """A band for the student, a dashed line for the teacher; a teacher far from all else is a number in the legend.

    The interval of a few seeds is wide: the axis shows all scores, and may show a part of the band only.

    Args:
        axes: of one panel.
        summary: tidy rows with kind, score, low, high and n: those of kind `student` and `teacher` are drawn, all
            others say what is near.
    """
    for level in summary[summary["kind"] == "teacher"].itertuples():
        look: dict[str, Any] = {"color": style.GREEN, "linestyle": (0, (4, 2)), "linewidth": 1.2}
        if _far(level.score, summary[summary["kind"] != "teacher"]):
            axes.plot([], [], label=f"teacher: {level.score:.1f}, beyond the axis", **look)
        else:
            axes.axhline(level.score, label="teacher", **look)
    for level in summary[summary["kind"] == "student"].itertuples():
        label = f"student without distillation:\nmean and 95 % interval, n = {level.n:.0f}"
        if level.n > 1:
            axes.axhspan(level.low, level.high, color=style.GRAY, alpha=0.18, linewidth=0)
        else:
            label = "student without distillation: one run"
        axes.axhline(level.score, color=style.GRAY, linewidth=1.2, label=label)
    others, teachers = summary[summary["kind"] != "teacher"], summary[summary["kind"] == "teacher"]
    near = [level.score for level in teachers.itertuples() if not _far(level.score, others)]
    style.frame(axes, [*others["score"], *near], [*others["low"], *others["high"]])


def _far(score: float, others: pd.DataFrame) -> bool:
    """Whether a line at `score` would squeeze what is drawn into less than half of the panel."""
    low, high = others["score"].min(), others["score"].max()
    return bool(max(score - high, low - score) > high - low)
