"""How much is left at each size, and what distillation adds: results against compression, by detector (Figure 1).

The line is the student without distillation. The hatched box on top of it is the gain of the method with all of its
switches on, paired on the seed; a loss hangs below the line. What the paper printed stands there in its setting only.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.declared_table import counted, distilled
from analysis.results import Results
from analysis.tables import compression
from analysis.wording import with_unit

TITLE = "Results and gain at every size"
EMPTY = "All fixed rows are of one detector at one size, or no row holds a result beside the student's."

COLUMNS = [
    "family", "block", "name", "axis", "size", "kind", "row", "variant", "base", "score", "low", "high", "gain", "n",
    "missing", "left_out",
]  # fmt: skip
GAIN = "gain of distillation"
BOXES: dict[str, dict[str, Any]] = {
    GAIN: {"hatch": "////", "edgecolor": style.BLUE, "facecolor": "white"},
    "loss by distillation": {"hatch": "xxxx", "edgecolor": style.VERMILION, "facecolor": "white"},
}
PAPER = {"student": "paper, student", "distilled": "paper, distilled"}


def summarize(results: Results) -> pd.DataFrame:
    """Tidy rows of kind teacher, student, distilled (its gain above the student's mean), and the paper's of both."""
    table = compression.summarize(results)
    table = table[table["headline"].notna()] if len(table) else table
    rows: list[dict[str, Any]] = []
    for _, panel in table.groupby(["block_at", "detector", "dataset", "family"] if len(table) else [], sort=True):
        teachers, students = panel[panel["method"] == "teacher"], panel[panel["method"] != "teacher"]
        rows += [_row(line, "teacher") for line in teachers.head(1).to_dict("records")]
        for _, of_size in students.groupby("compression", sort=True):
            rows += _of_size(of_size[of_size["setting"] == of_size["setting"].iloc[0]])
    found = pd.DataFrame(rows, columns=COLUMNS)
    return found if found["gain"].notna().any() else found.iloc[:0]


def caption(summary: pd.DataFrame) -> str:
    """What is drawn, and how many runs are missing."""
    left, printed = int(summary["left_out"].sum()), summary["kind"].isin(PAPER.values()).any()
    return (
        "The line joins the means of the student without distillation, with their 95 % intervals; hatched boxes are "
        "the mean gain of distillation over the student of the same seed, with its own interval. Intervals may go "
        f"beyond the frame; one seed has none. {'Crosses are the values that the paper prints. ' if printed else ''}"
        f"{f'{left} more rows are in the table only. ' if left else ''}"
        f"{counted(summary[~summary['kind'].isin(PAPER.values())], ['variant'])}"
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """One panel per block of metrics and detector, the detectors side by side."""
    panels = [panel for _, panel in summary.groupby(["block", "family"], sort=False)]
    each = max(2.1, width / summary["family"].nunique() - 0.01 if summary["family"].nunique() > 1 else 0)
    with style.applied():
        figure = Figure(figsize=(width, 1), layout="constrained")
        for panel, axes in zip(panels, style.panels(figure, [2.3] * len(panels), each), strict=True):
            _draw_panel(axes, panel)
            axes.set_title(panel["name"].iloc[0], loc="left")
            axes.set_xlabel("compression")
            axes.set_ylabel(panel["axis"].iloc[0])
        style.legend_below(figure, 3)
    return figure


def _of_size(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The student of one size, and the first row in the order of the study that was distilled, on top of it."""
    lines = rows.to_dict("records")
    students, others = [line for line in lines if not distilled(line)], [line for line in lines if distilled(line)]
    base = float("nan")
    for line in students:
        yield (student := _row(line, "student"))
        base = student["score"]
    for line in others[:1]:
        top = {"score": base + line["gain_mean"], "low": base + line["gain_low"], "high": base + line["gain_high"]}
        own = {"base": base, "gain": line["gain_mean"], "left_out": len(others) - 1}
        yield _row(line, "distilled") | own | top
    for line in [*students, *others[:1]]:
        printed = line[f"paper.{line['headline']}"]
        if line["paper_differs"] == "" and not pd.isna(printed):
            unknown = {"low": float("nan"), "high": float("nan"), "n": 0, "missing": 0}
            yield _row(line, PAPER["distilled" if distilled(line) else "student"]) | unknown | {"score": printed}


def _row(line: dict[str, Any], kind: str) -> dict[str, Any]:
    row = {name: line[name] for name in ("family", "block", "row", "variant", "n", "missing")}
    row |= {"name": f"{line['detector']}, {line['dataset']}", "size": line["compression"], "kind": kind, "left_out": 0}
    row["axis"] = with_unit(f"{line['block']} {line['headline']}", line["unit"])
    at = f"metrics.{line['headline']}"
    return row | {"score": line[f"{at}_mean"], "low": line[f"{at}_low"], "high": line[f"{at}_high"]}


def _draw_panel(axes: Axes, panel: pd.DataFrame) -> None:
    sizes = sorted(panel.loc[panel["kind"] != "teacher", "size"].unique())
    known = panel[panel["score"].notna()].assign(at=panel["size"].map({size: at for at, size in enumerate(sizes)}))
    of = {kind: known[known["kind"] == kind] for kind in ("teacher", "student", "distilled", *PAPER.values())}
    for level in of["teacher"]["score"]:
        axes.axhline(level, color=style.GREEN, linewidth=1.2, linestyle=(0, (4, 2)), label="teacher", zorder=1)
    for label, look in BOXES.items():
        shown = of["distilled"][(of["distilled"]["gain"] >= 0) == (label == GAIN)]
        if len(shown):
            axes.bar(shown["at"], shown["gain"], 0.42, shown["base"], label=label, linewidth=1.0, zorder=2, **look)
    student, boxes = of["student"], of["distilled"].dropna(subset=["low"])
    axes.vlines(boxes["at"] + 0.12, boxes["low"], boxes["high"], color=style.BLACK, linewidth=0.9, zorder=3)
    axes.vlines(student["at"], student["low"], student["high"], color=style.GRAY, linewidth=0.9, zorder=3)
    line: dict[str, Any] = {"color": style.GRAY, "marker": "o", "markersize": 4, "linewidth": 1.2, "zorder": 4}
    axes.plot(student["at"], student["score"], label="student without distillation", **line)
    for kind, marker, color in ((PAPER["student"], "x", style.GRAY), (PAPER["distilled"], "+", style.BLUE)):
        if len(of[kind]):
            axes.scatter(of[kind]["at"], of[kind]["score"], marker=marker, color=color, label=kind, zorder=5)
    axes.set_xlim(-0.6, len(sizes) - 0.4)
    axes.set_xticks(range(len(sizes)), [f"{size:g}x" for size in sizes])
    axes.grid(visible=False, axis="x")
    style.frame(axes, [*known["score"], *known["base"]], [*known["low"], *known["high"]])
