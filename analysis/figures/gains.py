"""What each method gains over the student without distillation: every seed a point, and the mean with its interval.

One panel per task, one row of panels per setting in which at least two methods were run. Gains are paired on the seed.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.intervals import paired_differences
from analysis.results import Results
from analysis.tables import comparison
from analysis.variants import UNDISTILLED
from analysis.wording import TASKS, missing_sentence

TITLE = "Gain of each method"
EMPTY = "No setting holds fixed rows of two distillation methods that can be compared with a student of the same seed."

COLUMNS = ["setting", "name", "task", "row", "kind", "seed", "gain", "low", "high", "n", "missing"]


def summarise(results: Results) -> pd.DataFrame:
    """Tidy rows of kind run (one seed), mean (with its 95 % interval) and paper: gains in mAP, moderate."""
    table = comparison.summarise(results)
    rows: list[dict[str, Any]] = []
    for line in table[~table["method"].isin(UNDISTILLED)].to_dict("records") if len(table) else []:
        name = f"{line['detector']} {line['compression']:g}x, {line['dataset']}"
        common = {"setting": line["setting"], "name": name, "task": line["task"], "row": line["row"]}
        common["missing"] = line["missing"]
        for seed, gain in _gains(results, line).items():
            rows.append(common | {"kind": "run", "seed": seed, "gain": gain, "n": 1})
        mean = {"gain": line["gain_mean"], "low": line["gain_low"], "high": line["gain_high"], "n": line["gain_n"]}
        rows.append(common | {"kind": "mean"} | mean)
        if not pd.isna(line["paper_gain"]):
            rows.append(common | {"kind": "paper", "gain": line["paper_gain"]})
    found = pd.DataFrame(rows, columns=COLUMNS)
    return found if (found["kind"] == "run").any() else found.iloc[:0]


def caption(summary: pd.DataFrame) -> str:
    """What is drawn, and how many runs are missing."""
    rows = summary[summary["kind"] == "mean"].drop_duplicates(["setting", "row"])
    there, missing = int(rows["n"].sum()), int(rows["missing"].sum())
    return (
        "Small points are single seeds, large ones their mean with its 95 % interval, which may go beyond the frame; "
        "with one seed there is no interval. Crosses are the paper's gains, on full KITTI over its own student. "
        f"{missing_sentence(missing, there + missing)}"
    )


def draw(summary: pd.DataFrame) -> Figure:
    """One panel per task, one row of panels per setting; the methods from above in the order of the study."""
    settings, tasks = list(summary["setting"].unique()), list(TASKS)
    methods = [list(dict.fromkeys(summary.loc[summary["setting"] == setting, "row"])) for setting in settings]
    heights = [0.75 + 0.19 * len(rows) for rows in methods]
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 0.5 + sum(heights)), layout="constrained")
        grid = figure.subplots(len(settings), len(tasks), squeeze=False, sharey="row", height_ratios=heights)
        for setting, rows, line in zip(settings, methods, grid, strict=True):
            of_setting = summary[summary["setting"] == setting]
            for task, axes in zip(tasks, line, strict=True):
                _draw_panel(axes, of_setting[of_setting["task"] == task], rows)
                axes.set_xlabel(f"gain in {TASKS[task]} mAP, moderate")
            line[0].set_ylabel("method")
            if len(settings) > 1:
                line[0].set_title(of_setting["name"].iloc[0], loc="left")
        handles: dict[str, Any] = {}
        for axes in grid.flat:
            handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    return figure


def _gains(results: Results, line: dict[str, Any]) -> pd.Series:
    runs = results.rows[(results.rows["setting"] == line["setting"]) & (results.rows["status"] == "finished")]
    student = runs[runs["method"] == "student"]
    return paired_differences(runs[runs["row"] == line["row"]], student, f"metrics.mAP/{line['task']}/moderate")


def _draw_panel(axes: Axes, panel: pd.DataFrame, rows: list[str]) -> None:
    place = {row: index for index, row in enumerate(rows)}
    runs, means, paper = (panel[(panel["kind"] == kind) & panel["gain"].notna()] for kind in ("run", "mean", "paper"))
    axes.axvline(0, color=style.GRAY, linewidth=1.0, label="student without distillation")
    axes.scatter(runs["gain"], runs["row"].map(place) + 0.22, s=9, color=style.SKY, linewidths=0, label="one seed")
    axes.scatter(
        paper["gain"], paper["row"].map(place), s=26, marker="x", color=style.VERMILION, linewidths=1.1,
        label="paper, full KITTI",
    )  # fmt: skip
    shown = panel["gain"].dropna()
    low, high = min(0.0, shown.min()), max(0.0, shown.max())
    margin = 0.25 * (high - low) or 1.0
    axes.set_xlim(low - margin, high + margin)
    for mean in means.dropna(subset=["low"]).itertuples():
        axes.plot([mean.low, mean.high], [place[mean.row]] * 2, color=style.BLUE, linewidth=1.3)
    axes.scatter(means["gain"], means["row"].map(place), s=26, color=style.BLUE, zorder=3, label="mean and interval")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), rows)
