"""How figures look and how they are saved: one style, held only while a figure is drawn or written.

Colors: Okabe and Ito, "Color Universal Design" (2008), told apart by people with any color vision. PDF fonts are
embedded as TrueType (type 42), as conferences ask. Equal data give equal bytes: no dates, fixed identifiers.
"""

import io
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK, GRAY = "#CC79A7", "#56B4E9", "#000000", "#6B6B6B"
CYCLE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, GRAY, "#8C510A")

PAGE_WIDTH = 7.0
"""Width of a figure across two columns, in inches."""

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


def value_axis(axes: Axes, low: float, high: float) -> None:
    """An x axis over [low, high] with plain numbers, few enough not to touch; logarithmic where all are positive."""
    if low <= 0:
        margin = 0.08 * (high - low) or 1.0
        axes.set_xlim(low - margin, high + margin)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        return
    axes.set_xscale("log")
    low, high = (low / 1.3, high * 1.3) if high > low else (low / 2.5, high * 2.5)
    axes.set_xlim(low, high)
    decades = high / low
    steps = (1.0, 2.0, 5.0) if decades < 60 else (1.0, 3.0) if decades < 5000 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=steps, numticks=20))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}".replace(",", "\u2009")))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def legend_below(figure: Figure, columns: int, order: list[str] | None = None) -> None:
    """One legend for all panels, each label once.

    Args:
        figure: with everything drawn.
        columns: of the legend, at most.
        order: of the labels; None is that of drawing.
    """
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = [label for label in order or handles if label in handles]
    figure.legend(
        [handles[label] for label in labels], labels, loc="outside lower center", ncols=min(len(labels), columns)
    )


def save(figure: Figure, stem: Path) -> None:
    """Write `stem.pdf` (vector) and `stem.png` (300 dpi)."""
    with applied():
        figure.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None})
        figure.savefig(stem.with_suffix(".png"), dpi=300, metadata={"Software": None})


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
