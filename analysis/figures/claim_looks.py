"""How the claims were decided: the estimate with its interval after every seed, and the look that decided.

One panel per claim. The intervals hold 95 % of the time at all looks together; after the look that decided, nothing
changes the verdict any more.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import style
from analysis.claim_frame import claim_rows, missing_of_studies
from analysis.results import Results
from analysis.verdict_marks import BANDS, LEGEND, MARKS, wrapped

TITLE = "How the claims were decided"
EMPTY = "No two rows of a claim have two seeds in common yet."

PANELS = 12
"""Drawn at most."""
LETTERS, FEWER_LETTERS = 27, 21
"""Of a line of a title, on a page and in a column."""
UNTIL, AFTER = "95 % interval", "after the decision"

COLUMNS = [
    "study", "place", "claim", "kind", "verdict", "n", "wave", "estimate", "low", "high", "decided", "least", "most",
    "axis", "missing", "runs_of_study", "missing_of_study",
]  # fmt: skip


def summarize(results: Results) -> pd.DataFrame:
    """Tidy rows: one per claim and look; `decided` is true of the look that did, of an open claim of the last."""
    claims = [row for row in claim_rows(results) if row["looks"]]
    rows = [row for claim in claims[:PANELS] for row in _of_claim(claim)]
    return pd.DataFrame(rows, columns=COLUMNS).assign(claims_left_out=max(len(claims) - PANELS, 0))


def caption(summary: pd.DataFrame) -> str:
    """What is drawn, and how many runs are missing."""
    left = int(summary["claims_left_out"].iloc[0])
    omitted = f" {left} more claims are in the table and the picture above only." if left else ""
    return (
        "The difference on the first seeds, against their number. Lines are 95 % intervals that hold at all looks "
        "together, and may go beyond the frame. The large mark is the look "
        "that decided, at the claim's own level, which is stricter than 95 %; of an open claim it is the last look. "
        f"{missing_of_studies(summary)}{omitted}"
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """Panels in the order of the study."""
    panels = [panel for _, panel in summary.groupby(["study", "place"], sort=False)]
    letters = LETTERS if width >= style.PAGE_WIDTH else FEWER_LETTERS
    with style.applied():
        figure = Figure(figsize=(width, 1), layout="constrained")
        for panel, axes in zip(panels, style.panels(figure, [1.75] * len(panels), 1.65), strict=True):
            _draw_panel(axes, panel, letters)
            axes.set_xlim(1.5, summary["n"].max() + 0.5)
            place = axes.get_subplotspec()
            if place is not None and place.is_first_col():
                axes.set_ylabel(wrapped(panel["axis"].iloc[0], letters), fontsize=7.5)
        style.legend_below(figure, 4, [*LEGEND, UNTIL, AFTER, *(name for name, _ in BANDS.values())])
    return figure


def _of_claim(claim: dict[str, Any]) -> Iterator[dict[str, Any]]:
    last = max(look.n for look in claim["looks"] if claim["wave"] is None or look.wave <= claim["wave"])
    yield from (claim | look.model_dump() | {"decided": look.n == last} for look in claim["looks"])


def _draw_panel(axes: Axes, panel: pd.DataFrame, letters: int) -> None:
    first, (at,) = panel.iloc[0], panel[panel["decided"]].itertuples()
    mark, (name, color) = MARKS[first["verdict"]], BANDS[first["kind"] == "same"]
    axes.axhspan(first["least"], first["most"], color=color, linewidth=0, label=name, zorder=0)
    for edge in (first["least"], first["most"]):
        axes.axhline(edge, color=style.GRAY, linewidth=0.7, zorder=1)
    for looks, alpha, label in ((panel["n"] <= at.n, 1.0, UNTIL), (panel["n"] > at.n, 0.4, AFTER)):
        shown = panel[looks]
        look: dict[str, Any] = {"color": mark.color, "alpha": alpha}
        axes.vlines(shown["n"], shown["low"], shown["high"], linewidth=1.3, zorder=2, **look)
        axes.scatter(shown["n"], shown["estimate"], s=9, linewidths=0, zorder=3, **look)
        axes.plot([], [], color=style.GRAY, alpha=alpha, linewidth=1.3, label=label)
    mark.draw(axes, at.n, at.estimate, 34)
    axes.set_ylim(*_frame(panel))
    axes.set_title(wrapped(first["claim"], letters), loc="left", fontsize=7)
    axes.set_xlabel("seeds")
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _frame(panel: pd.DataFrame) -> tuple[float, float]:
    """Ends of the axis: thresholds, estimates and intervals, but for wide ones of other looks than the marked one."""
    width = panel["high"] - panel["low"]
    near = panel[panel["decided"] | (width <= 2 * width.min())]
    values = pd.Series([*panel["estimate"], *panel["least"], *panel["most"], *near["low"], *near["high"]])
    margin = 0.08 * (values.max() - values.min()) or 1.0
    return values.min() - margin, values.max() + margin
