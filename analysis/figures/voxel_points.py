"""How many points lie in the voxels of the data set and voxel size in use: the paper's Figure 2.

Of the whole validation split, and of filled voxels only; counted before a detector leaves out what is too much for it.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis import style
from analysis.inspected import HOW, LOOKS, seen
from analysis.results import Results

TITLE = "Points per voxel"
EMPTY = f"No run of a detector with voxels was inspected. {HOW}"

MOST = 10
"""Voxels with more points share a bar."""
COLUMNS = ["name", "frames", "points", "voxels", "share", "missing"]


def summarize(results: Results) -> pd.DataFrame:
    """Per data set and voxel size, a row for 1, 2, ... points (the last: all above): voxels and their share in %."""
    rows: list[dict[str, object]] = []
    known: set[tuple[object, ...]] = set()
    for run, found in seen(results):
        what = (run["family"], found.facts.voxel)
        if found.facts.voxel is None or what in known:
            continue
        known.add(what)
        name = f"{run['dataset']}, voxels of {' × '.join(f'{edge:g}' for edge in found.facts.voxel)} m"
        whole = np.append(found.arrays["voxels"], np.zeros(MOST + 2, dtype=int))
        counts = [*whole[1 : MOST + 1], whole[MOST + 1 :].sum()]
        rows += [
            {"name": name, "frames": len(found.facts.frames), "points": points, "voxels": count,
             "share": 100 * count / max(sum(counts), 1), "missing": 0}
            for points, count in enumerate(counts, 1)
        ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def caption(summary: pd.DataFrame) -> str:
    """What was counted, and how many voxels hold one point."""
    singles = summary[summary["points"] == 1]
    said = "; ".join(f"{row['share']:.0f} % of {row['name']}" for row in singles.to_dict("records"))
    total = int(summary["voxels"].sum())
    return f"Voxels of the validation split by the points that they hold, {total:,} in all. One point: {said}."


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """Bars, one series per data set and voxel size."""
    names = list(dict.fromkeys(summary["name"]))
    hatches = ("", "///", "...", "xxx", "\\\\\\", "+++")
    with style.applied():
        figure = Figure(figsize=(width, 2.6), layout="constrained")
        axes = figure.subplots()
        thick = 0.8 / len(names)
        for number, name in enumerate(names):
            bars = summary[summary["name"] == name]
            place = bars["points"] + (number - (len(names) - 1) / 2) * thick
            color = LOOKS[(number + 1) % len(LOOKS)]["color"]
            hatch = hatches[number % len(hatches)]
            axes.bar(place, bars["share"], thick, color=color, hatch=hatch, edgecolor="white", label=name)
        axes.set_xticks(range(1, MOST + 2), [*map(str, range(1, MOST + 1)), f">{MOST}"])
        axes.set_xlabel("points in the voxel")
        axes.set_ylabel("share of voxels (%)")
        style.legend_below(figure, 2)
    return figure
