"""What each method gains over the student without distillation: every seed a point, and the mean with its interval.

One panel per block of metrics, one row of panels per setting in which at least two methods were run. Gains are of the
block's headline, paired on the seed, positive where the method is better.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.declarations import blocks_of
from analysis.declared_table import counted, distilled, setting_name
from analysis.intervals import paired_differences
from analysis.results import Results
from analysis.tables import comparison
from analysis.wording import with_unit

TITLE = "Gain of each method"
EMPTY = "No setting holds fixed rows of two distillation methods that can be compared with a student of the same seed."

COLUMNS = [
    "setting", "name", "block", "axis", "variant", "row", "kind", "seed", "gain", "low", "high", "n", "missing",
]  # fmt: skip
PAPER, ELSEWHERE = "paper", "paper, other setting"


def summarize(results: Results) -> pd.DataFrame:
    """Tidy rows of kind run (one seed), mean (with its 95 % interval), and the paper's in its setting or another."""
    table = comparison.summarize(results)
    rows: list[dict[str, Any]] = []
    for line in table.to_dict("records"):
        if not distilled(line) or not line["headline"]:
            continue
        axis, gains = _gains(results, line)
        common = {name: line[name] for name in ("setting", "block", "variant", "row", "missing")}
        common |= {"name": setting_name(line), "axis": axis}
        rows += [common | {"kind": "run", "seed": seed, "gain": gain, "n": 1} for seed, gain in gains.items()]
        mean = {"gain": line["gain_mean"], "low": line["gain_low"], "high": line["gain_high"], "n": line["gain_n"]}
        rows.append(common | {"kind": "mean"} | mean)
        if not pd.isna(line["paper_gain"]):
            rows.append(common | {"kind": ELSEWHERE if line["paper_differs"] else PAPER, "gain": line["paper_gain"]})
    found = pd.DataFrame(rows, columns=COLUMNS)
    return found if (found["kind"] == "run").any() else found.iloc[:0]


def caption(summary: pd.DataFrame) -> str:
    """What is drawn, and how many runs are missing."""
    crosses = summary["kind"].isin((PAPER, ELSEWHERE)).any()
    return (
        "Small points are single seeds, large ones their mean with its 95 % interval, which may go beyond the frame; "
        "with one seed there is no interval. To the right is better. "
        f"{'Crosses are the gains that the paper prints, over its own student. ' if crosses else ''}"
        f"{counted(summary[summary['kind'] == 'mean'], ['setting', 'variant'])}"
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """One panel per setting and block; the methods from above in the order of the study."""
    panels = [panel for _, panel in summary.groupby(["setting", "block"], sort=False)]
    several = summary["setting"].nunique() > 1
    methods = {setting: list(dict.fromkeys(rows["row"])) for setting, rows in summary.groupby("setting")}
    heights = [0.75 + 0.19 * len(methods[panel["setting"].iloc[0]]) for panel in panels]
    with style.applied():
        figure = Figure(figsize=(width, 1), layout="constrained")
        for panel, axes in zip(panels, style.panels(figure, heights, 3.3), strict=True):
            _draw_panel(axes, panel, methods[panel["setting"].iloc[0]])
            axes.set_xlabel(panel["axis"].iloc[0])
            axes.set_ylabel("method")
            if several:
                axes.set_title(panel["name"].iloc[0], loc="left")
        style.legend_below(figure, 3)
    return figure


def _gains(results: Results, line: dict[str, Any]) -> tuple[str, pd.Series]:
    """The axis of a row's block, and the row's gain by seed."""
    rows = results.rows
    runs = rows[(rows["setting"] == line["setting"]) & (rows["status"] == "finished")]
    block = next(block for block in blocks_of(results.metrics(runs)) if block.title == line["block"])
    headline = block.headline
    if headline is None:
        return "gain", pd.Series(dtype=float)
    student = runs[runs["method"] == "student"]
    raw = paired_differences(runs[runs["variant"] == line["variant"]], student, f"metrics.{headline.name}")
    return with_unit(f"gain in {headline.title}", headline.unit), headline.sign * raw


def _draw_panel(axes: Axes, panel: pd.DataFrame, rows: list[str]) -> None:
    place = {row: index for index, row in enumerate(rows)}
    known = panel[panel["gain"].notna()]
    runs, means = known[known["kind"] == "run"], known[known["kind"] == "mean"]
    axes.axvline(0, color=style.GRAY, linewidth=1.0, label="student without distillation")
    axes.scatter(runs["gain"], runs["row"].map(place) + 0.22, s=9, color=style.SKY, linewidths=0, label="one seed")
    for kind, color, marker in ((PAPER, style.VERMILION, "x"), (ELSEWHERE, style.ORANGE, "+")):
        printed = known[known["kind"] == kind]
        if len(printed):
            look: dict[str, Any] = {"s": 26, "marker": marker, "color": color, "linewidths": 1.1, "label": kind}
            axes.scatter(printed["gain"], printed["row"].map(place), **look)
    low, high = min([0.0, *known["gain"]]), max([0.0, *known["gain"]])
    margin = 0.25 * (high - low) or 1.0
    axes.set_xlim(low - margin, high + margin)
    for mean in means.dropna(subset=["low"]).itertuples():
        axes.plot([mean.low, mean.high], [place[mean.row]] * 2, color=style.BLUE, linewidth=1.3)
    axes.scatter(
        means["gain"], means["row"].map(place), s=26, marker="D", color=style.BLUE, zorder=3, label="mean and interval"
    )
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), rows)
