"""Every claim on a line: its estimate and intervals against its thresholds, and the verdict in words beside it."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import style
from analysis.claim_frame import claim_frame, missing_of_studies
from analysis.results import Results
from analysis.verdict_marks import BANDS, LEGEND, MARKS, wrapped
from analysis.wording import count, number

TITLE = "All claims in one picture"
EMPTY = "No two rows of a claim have two seeds in common yet."

LETTERS = 38
"""Of a line of a claim's text, at most."""
NARROW = 5.0
"""Inches below which a claim's words do not fit beside its line."""
BAND, NARROW_BAND = 0.78, 0.3
"""Height of a claim's band; the lines are 1 apart."""
INTERVAL, AT_LEVEL = "95 % interval", "at the claim's level"
PAPER = "the paper's value"


def summarize(results: Results) -> pd.DataFrame:
    """One row per claim, in the order of the study."""
    frame = claim_frame(results)
    return frame if frame["estimate"].notna().any() else frame.iloc[:0]


def caption(summary: pd.DataFrame) -> str:
    """What is drawn, and how many runs are missing."""
    same, others = summary["kind"].eq("same").any(), summary["kind"].ne("same").any()
    gray = (
        "A claim is supported where its interval lies right of the left edge of its gray band (value minus tolerance), "
        "and answered by less where it lies left of the right edge (value); between them both are right. "
    )
    blue = "Rows count as the same where the interval lies inside the blue band. "
    return (
        f"To the right is better. {gray if others else ''}{blue if same else ''}Thick lines are 95 % intervals, thin "
        "ones those at the claim's own level, which decide; both hold at any stop, and may go beyond the frame. "
        f"{missing_of_studies(summary)}"
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """One panel per study, one line per claim from above; in a column its words stand above and below the line."""
    studies = [of_study.reset_index(drop=True) for _, of_study in summary.groupby("study", sort=False)]
    narrow = width < NARROW
    heights = [0.5 + (0.72 if narrow else 0.31) * len(of_study) for of_study in studies]
    with style.applied():
        figure = Figure(figsize=(width, sum(heights)), layout="constrained")
        grid = figure.subplots(len(studies), 1, squeeze=False, height_ratios=heights)
        for of_study, axes in zip(studies, grid[:, 0], strict=True):
            _draw_panel(axes, of_study, narrow)
            if len(studies) > 1:
                axes.set_title(of_study["study"].iloc[0], loc="left")
        style.legend_below(figure, 4, [*LEGEND, INTERVAL, AT_LEVEL, PAPER, *(name for name, _ in BANDS.values())])
    return figure


def _draw_panel(axes: Axes, claims: pd.DataFrame, narrow: bool) -> None:
    axes.set_xlim(*_frame(claims))
    axes.axvline(0, color=style.GRAY, linewidth=0.8)
    for label, width in ((INTERVAL, 2.4), (AT_LEVEL, 0.8)):
        axes.plot([], [], color=style.GRAY, linewidth=width, label=label)
    for y, claim in claims.iterrows():
        _draw_claim(axes, claim, float(str(y)), NARROW_BAND if narrow else BAND)
        (_say_below if narrow else _say_beside)(axes, claim, float(str(y)))
    axes.set_ylim(len(claims) - 0.5, -0.5)
    beside = [] if narrow else list(claims["claim"])
    axes.set_yticks(range(len(beside)), [wrapped(text, LETTERS) for text in beside])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(claims["axis"].iloc[0])
    axes.set_ylabel("claim")
    axes.xaxis.set_major_locator(MaxNLocator(5 if narrow else 7))


def _draw_claim(axes: Axes, claim: pd.Series, y: float, height: float) -> None:
    mark = MARKS[claim["verdict"]]
    name, color = BANDS[claim["kind"] == "same"]
    band: dict[str, Any] = {"height": height, "linewidth": 0, "color": color, "label": name, "zorder": 1}
    axes.barh(y, claim["most"] - claim["least"], left=claim["least"], **band)
    axes.vlines(
        [claim["least"], claim["most"]], y - height / 2, y + height / 2, color=style.GRAY, linewidth=0.7, zorder=2
    )
    if pd.notna(claim["published"]):
        axes.vlines(
            claim["published"],
            y - 0.38 * height,
            y + 0.38 * height,
            color=style.BLACK,
            linewidth=1.8,
            label=PAPER,
            zorder=3,
        )
    if pd.notna(claim["estimate"]):
        line: dict[str, Any] = {"color": mark.color, "zorder": 4, "solid_capstyle": "butt"}
        axes.plot([claim["claim_low"], claim["claim_high"]], [y, y], linewidth=0.8, **line)
        axes.plot([claim["low"], claim["high"]], [y, y], linewidth=2.4, **line)
        mark.draw(axes, claim["estimate"], y, 30)


def _say_beside(axes: Axes, claim: pd.Series, y: float) -> None:
    """The verdict at the right edge, and its numbers below it."""
    right: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "left", "clip_on": False}
    color = MARKS[claim["verdict"]].color
    axes.text(1.02, y - 0.03, claim["words"], va="bottom", fontsize=7.5, color=color, **right)
    axes.text(1.02, y + 0.07, _numbers(claim), va="top", fontsize=style.SMALLEST, color=style.GRAY, **right)


def _say_below(axes: Axes, claim: pd.Series, y: float) -> None:
    """The claim above its line, the verdict and its numbers below."""
    left: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "left", "fontsize": style.SMALLEST}
    left["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    axes.text(0, y - 0.21, claim["claim"], va="bottom", **left)
    said = f"{claim['words']}: {_numbers(claim)}"
    axes.text(0, y + 0.21, said, va="top", color=MARKS[claim["verdict"]].color, **left)


def _numbers(claim: pd.Series) -> str:
    seeds = count(claim["n"], "seed")
    if pd.isna(claim["estimate"]):
        return f"no common look yet, {seeds}"
    low, high = (number(claim[name], sign=True) for name in ("low", "high"))
    return f"{number(claim['estimate'], sign=True)} ({low} to {high}), {seeds}"


def _frame(claims: pd.DataFrame) -> tuple[float, float]:
    """Ends of the axis: all thresholds and estimates, and of the intervals no more than as much again on each side."""
    core = claims[["least", "most", "published", "estimate"]].to_numpy(dtype=float)
    ends = claims[["low", "high", "claim_low", "claim_high"]].to_numpy(dtype=float)
    values = pd.Series([0.0, *core.ravel()]).dropna()
    low, high = values.min(), values.max()
    reach = pd.Series([low, high, *ends.ravel()]).dropna().clip(low - (high - low), high + (high - low))
    margin = 0.04 * (reach.max() - reach.min())
    return float(reach.min() - margin), float(reach.max() + margin)
