"""Which objects are found: the share of them against their distance and against the points on them.

Recall under the data set's own matching, not AP: a false positive has neither a distance class nor points of an object,
so precision, and with it AP, is not defined within such a bin.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.declared_table import setting_name
from analysis.inspected import DRAWN_FROM, HOW, Look, at, looks, missing_sentence, not_inspected, seen
from analysis.results import Results
from study.nouns.inspections import NEITHER, RIGHT, Inspected

TITLE = "Objects found by distance and points"
EMPTY = HOW

COLUMNS = ["setting", "name", "variant", "row", "quantity", "bin", "place", "recall", "low", "high", "objects", "n",
           "missing"]  # fmt: skip
QUANTITIES: dict[str, tuple[str, tuple[float, ...]]] = {
    "distance": ("distance (m)", (0, 10, 20, 30, 40, 50, 1e9)),
    "points": ("points on the object", (0, 5, 10, 20, 50, 100, 200, 1e9)),
}
"""By quantity: its axis, and the edges of its bins, of which the upper one is not in."""


def summarize(results: Results) -> pd.DataFrame:
    """Per row, quantity and bin: the mean over seeds of objects found in %, the least and the most of a seed."""
    absent = not_inspected(results)
    runs: dict[str, list[pd.DataFrame]] = {}
    first: dict[str, dict[str, Any]] = {}
    for run, found in seen(results):
        if run["method"] != "teacher":
            runs.setdefault(run["variant"], []).append(_recall(found))
            first.setdefault(run["variant"], run)
    parts = []
    for variant, of_seeds in runs.items():
        whole = pd.concat(of_seeds).groupby(["quantity", "bin", "place"], sort=False)
        table = whole["recall"].agg(recall="mean", low="min", high="max").join(whole["objects"].max()).reset_index()
        run = first[variant]
        same = {"setting": run["setting"], "name": setting_name(run), "variant": variant, "row": run["row"]}
        parts.append(table.assign(**same, n=len(of_seeds), missing=int(absent[variant])))
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else pd.DataFrame(columns=COLUMNS)


def caption(summary: pd.DataFrame) -> str:
    """What counts as found, and how many runs are missing."""
    return (
        "Share of the objects that the evaluation asks for that a detection with a score of at least "
        f"{DRAWN_FROM:g} finds, all classes together, under the data set's matching; mean over seeds, bars from the "
        "least to the most of a seed. Recall, because AP is not defined within such bins: a false positive is on no "
        f"object. Bins without objects are left out. {missing_sentence(summary, ['variant'])}"
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """Per setting one panel for each quantity."""
    settings = list(dict.fromkeys(summary["setting"]))
    across = len(QUANTITIES) if width > 5 else 1
    lines = len(settings) * len(QUANTITIES) // across
    with style.applied():
        figure = Figure(figsize=(width, 0.5 + 2.1 * lines), layout="constrained")
        panels = iter(figure.subplots(lines, across, squeeze=False).flat)
        for setting in settings:
            for quantity, (label, _) in QUANTITIES.items():
                axes = next(panels)
                chosen = (summary["setting"] == setting) & (summary["quantity"] == quantity)
                _draw_panel(axes, summary[chosen], looks(summary))
                axes.set_xlabel(label)
                axes.set_ylabel("objects found (%)")
        style.legend_below(figure, 4)
    return figure


def _recall(found: Inspected) -> pd.DataFrame:
    """Of one run: objects asked for and found in % by bin."""
    facts, arrays = found.facts, found.arrays
    fates = arrays["object_fate"][at(facts.least, DRAWN_FROM)]
    values = {"distance": np.hypot(*arrays["object_box"][:, :2].T), "points": arrays["object_points"]}
    rows: list[dict[str, Any]] = []
    for quantity, (_, edges) in QUANTITIES.items():
        for place, (low, high) in enumerate(pairwise(edges)):
            asked = (values[quantity] >= low) & (values[quantity] < high) & (fates != NEITHER)
            if not asked.any():
                continue
            last = high - 1 if quantity == "points" else high
            name = f"≥{low:g}" if high == edges[-1] else f"{low:g}–{last:g}"
            recall = 100 * (fates[asked] == RIGHT).mean()
            row = {"quantity": quantity, "bin": name, "place": place, "recall": recall, "objects": int(asked.sum())}
            rows.append(row)
    return pd.DataFrame(rows, columns=["quantity", "bin", "place", "recall", "objects"])


def _draw_panel(axes: Axes, panel: pd.DataFrame, looks: dict[str, Look]) -> None:
    rows = [row for row in dict.fromkeys(panel["row"]) if row in looks]
    for number, row in enumerate(rows):
        its = panel[panel["row"] == row].sort_values("place")
        look = looks[row]
        place = its["place"] + (number - (len(rows) - 1) / 2) * 0.12
        axes.vlines(place, its["low"], its["high"], color=look["color"], linewidth=0.8)
        axes.plot(place, its["recall"], linewidth=1.3, markersize=3.5, label=row, **look)
    names = panel.drop_duplicates("place").sort_values("place")
    axes.set_xticks(names["place"], names["bin"])
    axes.set_ylim(bottom=0)
