"""How important PointDistiller takes each pillar, cell or point of a scan to be, from above: the paper's Figure 6.

One panel per detector and data set, of a teacher where one was inspected; labeled objects are outlined, so that it
shows whether they are what is important.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.inspected import HOW, Seen, corners, seen
from analysis.results import Results

TITLE = "Importance on a scene"
EMPTY = HOW

COLUMNS = ["name", "rows", "unit", "scene", "kind", "x", "y", "importance", "length", "width", "yaw", "missing"]


def summarize(results: Results) -> pd.DataFrame:
    """Per detector and data set rows of kind row (x, y in m, importance) and object (its box from above)."""
    of_family: dict[str, Seen] = {}
    for one in seen(results):  # teachers come last, and stay
        of_family[one.run["family"]] = one
    parts = [_scene(one) for one in of_family.values()]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def caption(summary: pd.DataFrame) -> str:
    """Which scene, and what importance is."""
    said = []
    for name, panel in summary.groupby("name", sort=False):
        rows = panel[panel["kind"] == "row"]
        first = panel.iloc[0]
        said.append(f"{name}: {len(rows):,} {first['rows']} of frame {first['scene']}, by the {first['unit']}")
    return (
        "Importance as PointDistiller ranks rows, of the teacher's features where the run has one. Outlines are "
        f"labeled objects; the scale ends where the highest 2 % begin. {'; '.join(said)}."
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """One scene per line, with its scale beside it."""
    names = list(dict.fromkeys(summary["name"]))
    with style.applied():
        figure = Figure(figsize=(width, max(0.6 * width, 2.8) * len(names)), layout="constrained")
        grid = figure.subplots(len(names), 2, squeeze=False, width_ratios=[30, 1])
        for name, (axes, scale) in zip(names, grid, strict=True):
            _draw_scene(axes, scale, summary[summary["name"] == name])
            axes.set_title(name, loc="left")
        style.legend_below(figure, 2)
    return figure


def _scene(one: Seen) -> pd.DataFrame:
    facts, arrays = one.inspected.facts, one.inspected.arrays
    position = arrays["scene_position"]
    rows = {"kind": "row", "x": position[:, 0], "y": position[:, 1], "importance": arrays["scene_importance"]}
    here = arrays["object_box"][arrays["object_frame"] == facts.frames.index(facts.scene)]
    boxes = {"kind": "object", **{name: here[:, column] for name, column in _BOX.items()}}
    both = pd.concat([pd.DataFrame(rows), pd.DataFrame(boxes)], ignore_index=True)
    name = f"{one.run['detector']}, {one.run['dataset']}"
    same = {"name": name, "rows": facts.rows, "unit": facts.importance, "scene": facts.scene, "missing": 0}
    return both.assign(**same).reindex(columns=COLUMNS)


_BOX = {"x": 0, "y": 1, "length": 3, "width": 4, "yaw": 6}


def _draw_scene(axes: Axes, scale: Axes, panel: pd.DataFrame) -> None:
    rows = panel[panel["kind"] == "row"].sort_values("importance", kind="stable")
    high = float(np.quantile(rows["importance"], 0.98)) if len(rows) else 1.0
    look: dict[str, Any] = {"cmap": "cividis_r", "vmin": min(0.0, float(rows["importance"].min())), "vmax": high}
    drawn = axes.scatter(
        rows["x"], rows["y"], c=rows["importance"], s=3, linewidths=0, marker="s",
        rasterized=len(rows) > style.MANY_POINTS, **look,
    )  # fmt: skip
    for index, box in enumerate(panel[panel["kind"] == "object"].to_dict("records")):
        outline = corners(np.array([box["x"], box["y"], 0, box["length"], box["width"], 0, box["yaw"]]))
        axes.plot(*outline.T, color=style.VERMILION, linewidth=0.9, label=None if index else "labeled objects")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("ahead (m)")
    axes.set_ylabel("to the left (m)")
    figure = axes.figure
    figure.colorbar(drawn, cax=scale, extend="max").set_label(str(panel["unit"].iloc[0]))
    scale.set_xlabel(" ")
