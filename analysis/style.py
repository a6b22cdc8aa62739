"""How figures look and how they are saved: one style, held only while a figure is drawn or written.

Colors: Okabe and Ito, "Color Universal Design" (2008), told apart by people with any color vision; in gray, markers,
fillings and hatches tell apart what colors do. PDF fonts are embedded as TrueType (type 42), as conferences ask. Equal
data give equal bytes: no dates, fixed identifiers.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GRAY = "#CC79A7", "#56B4E9", "#000000", "#6B6B6B"
BROWN = "#5B3A00"
PALETTE = (BLUE, GREEN, ORANGE, BROWN, PURPLE, GRAY, SKY, VERMILION)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
CYCLE = tuple(zip(PALETTE, MARKERS, strict=True))
"""Color and marker of one thing among up to eight; colors that are near in gray are the markers' to tell apart."""
SCORES = "cividis"
"""Color map of scores: its lightness rises all the way, and it looks the same to eyes that see no red or no green."""

PAGE_WIDTH, COLUMN_WIDTH = 7.0, 3.3
"""Widths of a figure across a page and in one of its two columns, in inches."""

SMALLEST = 7.0
"""Size of the smallest letters, in points, at these widths."""

MANY_POINTS = 500
"""From here on points are drawn as an image inside the vector file, which stays small."""

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "figure",
}


def applied() -> AbstractContextManager[None]:
    """The style, for the length of a with-block; nothing global stays changed."""
    return matplotlib.rc_context(_STYLE)


def value_axis(axes: Axes, low: float, high: float, along: Literal["x", "y"] = "x") -> None:
    """An axis over [low, high] with plain numbers, few enough not to touch; logarithmic where all are positive."""
    axis, limits = (axes.xaxis, axes.set_xlim) if along == "x" else (axes.yaxis, axes.set_ylim)
    if low <= 0:
        margin = 0.08 * (high - low) or 1.0
        limits(low - margin, high + margin)
        axis.set_major_locator(MaxNLocator(5))
        return
    axes.set(**{f"{along}scale": "log"})
    low, high = (low / 1.3, high * 1.3) if high > low else (low / 2.5, high * 2.5)
    limits(low, high)
    decades = high / low
    steps: tuple[float, ...] = (1.0, 2.0, 5.0) if decades < 60 else (1.0, 3.0) if decades < 5000 else (1.0,)
    steps = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0) if decades < 5 else steps
    axis.set_major_locator(LogLocator(base=10, subs=steps, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}".replace(",", "\u2009")))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def frame(axes: Axes, values: Iterable[float], ends: Iterable[float]) -> None:
    """A y axis over all values, and a quarter as much for the ends of intervals, which are wide with few seeds."""
    known = pd.Series([*values], dtype=float).dropna()
    low, high = known.min(), known.max()
    beyond = 0.25 * (high - low)
    reach = pd.Series([*known, *ends], dtype=float).dropna().clip(low - beyond, high + beyond)
    margin = 0.06 * (reach.max() - reach.min()) or 1.0
    axes.set_ylim(reach.min() - margin, reach.max() + margin)


def panels(figure: Figure, heights: Sequence[float], each: float) -> list[Axes]:
    """One axes per height, as many side by side as have so many inches; the figure becomes high enough for all lines.

    Args:
        figure: without axes; only its width counts.
        heights: of the panels, in inches; those side by side are as high as the highest of them.
        each: least width of one, in inches.
    """
    count = len(heights)
    across = max(1, min(count, int(figure.get_figwidth() / each)))
    lines = [max(heights[start : start + across]) for start in range(0, count, across)]
    figure.set_figheight(sum(lines))
    grid = list(figure.subplots(len(lines), across, squeeze=False, height_ratios=lines).flat)
    for axes in grid[count:]:
        axes.remove()
    return grid[:count]


def by_study(
    summary: pd.DataFrame, width: float, each: float, height: Callable[[pd.DataFrame], float]
) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """A figure with a panel for each study, named where there are several.

    Args:
        summary: rows with a column `study`.
        width: of the figure, in inches.
        each: least width of a panel, in inches.
        height: of the panel of a study's rows, in inches.
    """
    studies = [study for _, study in summary.groupby("study", sort=False)]
    figure = Figure(figsize=(width, 1), layout="constrained")
    drawn_on = panels(figure, list(map(height, studies)), each)
    for axes, study in zip(drawn_on, studies, strict=True):
        if len(studies) > 1:
            axes.set_title(study["study"].iloc[0], loc="left")
    return figure, list(zip(drawn_on, studies, strict=True))


def legend_below(figure: Figure, columns: int, order: list[str] | None = None) -> None:
    """One legend for all panels, each label once; the figure grows by its height.

    From then on all places are fixed: laying out would be done again for each format, and takes longer than drawing.

    Args:
        figure: with everything drawn.
        columns: of the legend, at most; fewer where they are wider than the figure.
        order: of the labels; None is that of drawing.
    """
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = [label for label in order or handles if label in handles]
    for number in range(min(len(labels), columns), 0, -1):
        legend = figure.legend(
            [handles[label] for label in labels], labels, loc="outside lower center", ncols=number, columnspacing=1.4
        )
        box = legend.get_window_extent()
        if box.width <= 0.97 * figure.bbox.width or number == 1:
            break
        legend.remove()
    figure.set_figheight(figure.get_figheight() + box.height / figure.dpi)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def save(figure: Figure, stem: Path) -> None:
    """Write `stem.pdf` (vector) and `stem.png` (300 dpi)."""
    save_pdf(figure, stem)
    with applied():
        figure.savefig(stem.with_suffix(".png"), dpi=300, metadata={"Software": None})


def save_pdf(figure: Figure, stem: Path) -> None:
    """Write `stem.pdf` alone."""
    with applied():
        figure.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None})


def svg(figure: Figure) -> bytes:
    """The figure as one SVG file, letters as outlines."""
    buffer = io.BytesIO()
    with applied():
        figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def screen(figure: Figure) -> bytes:
    """The figure as a PNG image for a page, where it has too many parts for a drawing."""
    buffer = io.BytesIO()
    with applied():
        figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
    return buffer.getvalue()
