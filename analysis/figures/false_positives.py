"""How many false positives a frame of the validation split has, with and without distillation: the paper's Figure 7.

Against the score from which detections count, as the paper's pictures have it; and against the share of objects that
are found, since a detector whose scores are lower has fewer false positives at a score without being better.
"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.declared_table import setting_name
from analysis.inspected import HOW, Look, looks, missing_sentence, not_inspected, seen
from analysis.results import Results
from study.nouns.inspections import NEITHER, RIGHT, WRONG, Inspected

TITLE = "False positives"
EMPTY = HOW

WHOLE = "all classes"
COLUMNS = ["setting", "name", "variant", "row", "class", "kind", "seed", "least", "per_frame", "recall", "n", "missing",
           "rule"]  # fmt: skip
VIEWS = {"least": "least score", "recall": "objects found (%)"}


def summarize(results: Results) -> pd.DataFrame:
    """Per row, class and least score: false positives per frame and objects found in %, of kind run and mean."""
    absent = not_inspected(results)
    parts = []
    for run, found in seen(results):
        if run["method"] == "teacher":
            continue
        same = {name: run[name] for name in ("setting", "variant", "row", "seed")}
        same |= {"name": setting_name(run), "kind": "run", "n": 1, "missing": int(absent[run["variant"]])}
        parts.append(_counts(found).assign(**same, rule=found.facts.rule))
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    runs = pd.concat(parts, ignore_index=True)
    by = ["setting", "name", "variant", "row", "class", "least", "missing", "rule"]
    means = runs.groupby(by, sort=False)[["per_frame", "recall"]].mean().reset_index()
    counts = runs.groupby(by, sort=False).size().reset_index(name="n")
    whole = pd.concat([runs, means.merge(counts, on=by).assign(kind="mean")], ignore_index=True)
    return whole.reindex(columns=COLUMNS)


def caption(summary: pd.DataFrame) -> str:
    """What is counted, by which rule, and how many runs are missing."""
    means = summary[summary["kind"] == "mean"]
    return (
        "False positives per frame of the whole validation split: above against the score from which detections count, "
        "below against the share of objects found as that score falls (at equal recall, lower is better). Thin lines "
        f"are seeds, thick lines their mean. {summary['rule'].iloc[0]} {missing_sentence(means, ['variant'])}"
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """Per setting a panel for each class and view."""
    settings, classes = list(dict.fromkeys(summary["setting"])), list(dict.fromkeys(summary["class"]))
    across = len(classes) if width > 5 else min(2, len(classes))
    down = -(-len(classes) // across)
    lines = len(settings) * len(VIEWS) * down
    with style.applied():
        figure = Figure(figsize=(width, 0.5 + 1.75 * lines), layout="constrained")
        grid = figure.subplots(lines, across, squeeze=False)
        for number, setting in enumerate(settings):
            of_setting = summary[summary["setting"] == setting]
            for view_number, (view, label) in enumerate(VIEWS.items()):
                first = (number * len(VIEWS) + view_number) * down
                panels = list(grid[first : first + down].flat)
                for place, (name, axes) in enumerate(zip(classes, panels, strict=False)):
                    _draw_panel(axes, of_setting[of_setting["class"] == name], view, looks(summary))
                    axes.set_title(name)
                    axes.set_xlabel(label)
                    if place % across == 0:
                        axes.set_ylabel("false positives\nper frame")
                for axes in panels[len(classes) :]:
                    axes.remove()
        style.legend_below(figure, 4)
    return figure


def _counts(found: Inspected) -> pd.DataFrame:
    """Of one run: false positives per frame and recall, by class and least score."""
    facts, arrays = found.facts, found.arrays
    rows: list[dict[str, Any]] = []
    for label, name in [(None, WHOLE), *enumerate(facts.classes)]:
        mine = slice(None) if label is None else arrays["detection_label"] == label
        its = slice(None) if label is None else arrays["object_label"] == label
        wrong = (arrays["detection_fate"][:, mine] == WRONG).sum(axis=1)
        right = (arrays["object_fate"][:, its] == RIGHT).sum(axis=1)
        asked = (arrays["object_fate"][:, its] != NEITHER).sum(axis=1)
        for number, least in enumerate(facts.least):
            per_frame = wrong[number] / max(len(facts.frames), 1)
            recall = 100 * right[number] / asked[number] if asked[number] else float("nan")
            rows.append({"class": name, "least": least, "per_frame": per_frame, "recall": recall})
    return pd.DataFrame(rows)


def _draw_panel(axes: Axes, panel: pd.DataFrame, view: str, looks: dict[str, Look]) -> None:
    for row, look in looks.items():
        its = panel[panel["row"] == row]
        if its.empty:
            continue
        runs, mean = its[its["kind"] == "run"], its[its["kind"] == "mean"]
        for _, run in runs.groupby("seed"):
            axes.plot(run[view], run["per_frame"], color=look["color"], linewidth=0.5, alpha=0.5)
        axes.plot(mean[view], mean["per_frame"], linewidth=1.5, markersize=3, markevery=3, label=row, **look)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.locator_params(nbins=4)
