"""What students with and without distillation find in one scan, from above, beside what is there: the paper's Figure 7.

Every panel is one row of the same setting, with the same seed and the same frame.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.inspected import DRAWN_FROM, HOW, Seen, at, corners, inside, seen
from analysis.results import Results
from study.nouns.inspections import NEITHER, RIGHT, WRONG

TITLE = "Detections on a scene"
EMPTY = HOW

MOST = 4
"""Panels."""
BEYOND = 4.0
"""What is drawn around the outermost box, m."""
FATES = {RIGHT: "right", WRONG: "false positive", NEITHER: "neither"}
COLUMNS = ["row", "seed", "scene", "kind", "class", "fate", "score", "inside", "x", "y", "length", "width", "yaw",
           "missing"]  # fmt: skip
_BOX = {"x": 0, "y": 1, "length": 3, "width": 4, "yaw": 6}
_LOOKS: dict[str, dict[str, Any]] = {
    "object": {"color": style.BLUE, "linewidth": 1.0, "linestyle": "-", "label": "ground truth"},
    "right": {"color": style.GREEN, "linewidth": 1.2, "linestyle": "--", "label": "detection"},
    "false positive": {"color": style.VERMILION, "linewidth": 1.2, "linestyle": ":", "label": "false positive"},
    "neither": {"color": style.GRAY, "linewidth": 0.8, "linestyle": "-.", "label": "counts for nothing"},
}


def summarize(results: Results) -> pd.DataFrame:
    """Per row of a setting, in m: points (inside of a detection or not), objects, and detections with their fate."""
    parts = [_scene(one) for one in _panels(seen(results))]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def caption(summary: pd.DataFrame) -> str:
    """Which scene and seed, and what the boxes are."""
    first = summary.iloc[0]
    wrong = summary[(summary["kind"] == "detection") & (summary["fate"] == "false positive")].groupby("row").size()
    said = "; ".join(f"{row}: {wrong.get(row, 0)}" for row in dict.fromkeys(summary["row"]))
    return (
        f"Frame {first['scene']}, seed {first['seed']}: detections with a score of at least {DRAWN_FROM:g}; dark dots "
        f"are the points inside of them. False positives in this frame: {said}. One frame shows what such errors look "
        "like; the counts over the whole validation split are in “False positives”."
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """Two panels side by side, or one where there is no room."""
    rows = list(dict.fromkeys(summary["row"]))
    across = min(len(rows), 2 if width > 5 else 1)
    down = -(-len(rows) // across)
    boxes = summary[summary["kind"] != "point"]
    boxes = boxes if len(boxes) else summary
    limits = [(boxes[name].min() - BEYOND, boxes[name].max() + BEYOND) for name in ("x", "y")]
    shape = (limits[1][1] - limits[1][0]) / (limits[0][1] - limits[0][0])
    height = down * (min(max(shape, 0.4), 1.6) * (width / across - 0.6) + 0.5)
    with style.applied():
        figure = Figure(figsize=(width, height + 0.4), layout="constrained")
        grid = list(figure.subplots(down, across, squeeze=False).flat)
        for row, axes in zip(rows, grid, strict=False):
            _draw_panel(axes, summary[summary["row"] == row])
            axes.set(xlim=limits[0], ylim=limits[1], aspect="equal", xlabel="ahead (m)", ylabel="to the left (m)")
            axes.set_title(row, loc="left")
        for axes in grid[len(rows) :]:
            axes.remove()
        style.legend_below(figure, 4, [look["label"] for look in _LOOKS.values()])
    return figure


def _panels(found: list[Seen]) -> list[Seen]:
    """One inspected run of several rows: of the setting and the seed that have most of them, and of one frame."""
    groups: dict[tuple[Any, ...], dict[str, Seen]] = {}
    for one in found:
        where = (one.run["setting"], one.run["seed"], one.inspected.facts.scene)
        groups.setdefault(where, {}).setdefault(one.run["row"], one)
    best: dict[str, Seen] = max(groups.values(), key=len, default={})
    return list(best.values())[:MOST]


def _scene(one: Seen) -> pd.DataFrame:
    facts, arrays = one.inspected.facts, one.inspected.arrays
    number = facts.frames.index(facts.scene)
    shown = (arrays["detection_frame"] == number) & (arrays["detection_score"] >= DRAWN_FROM)
    fates = arrays["detection_fate"][at(facts.least, DRAWN_FROM)]
    there = arrays["object_frame"] == number
    points = arrays["scene_points"]
    found = arrays["detection_box"][shown]

    def boxes(kind: str, of: Any, labels: Any) -> dict[str, Any]:
        names = [facts.classes[label] for label in labels]
        return {"kind": kind, "class": names, **{name: of[:, column] for name, column in _BOX.items()}}

    parts = [
        pd.DataFrame({"kind": "point", "x": points[:, 0], "y": points[:, 1], "inside": inside(points, found)}),
        pd.DataFrame(boxes("object", arrays["object_box"][there], arrays["object_label"][there])),
        pd.DataFrame(boxes("detection", found, arrays["detection_label"][shown])).assign(
            fate=[FATES[fate] for fate in fates[shown]], score=arrays["detection_score"][shown]
        ),
    ]
    whole = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    same = {"row": one.run["row"], "seed": one.run["seed"], "scene": facts.scene, "missing": 0}
    return whole.assign(**same).reindex(columns=COLUMNS).astype(dict.fromkeys(["score", *_BOX], float))


def _draw_panel(axes: Axes, panel: pd.DataFrame) -> None:
    points = panel[panel["kind"] == "point"]
    for is_inside, color, size in ((False, "#B8B8B8", 0.6), (True, style.BLACK, 1.6)):
        some = points[points["inside"] == is_inside]
        many = len(points) > style.MANY_POINTS
        axes.scatter(some["x"], some["y"], s=size, color=color, linewidths=0, rasterized=many)
    for box in panel[panel["kind"] != "point"].to_dict("records"):
        look = _LOOKS[box["fate"] if box["kind"] == "detection" else "object"]
        outline = corners(np.array([box["x"], box["y"], 0, box["length"], box["width"], 0, box["yaw"]], dtype=float))
        axes.plot(*outline.T, **look)
