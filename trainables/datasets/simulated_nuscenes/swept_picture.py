"""Keyframes from above: swept points colored by their age, boxes by class, and where everything will be a second later.

What moves is smeared; the arrows of its velocity point the way that its colors run.
"""

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.nouns.errors import InputError
from trainables.datasets.nuscenes.detection_score import CLASSES
from trainables.datasets.nuscenes.prepared_files import infos
from trainables.datasets.nuscenes.scans import swept
from trainables.datasets.simulated.picture import footprints

SPAN_M = 30.0  # shown to each side of the car
ARROW_S = 1.0  # an arrow ends where its object will be so much later
SLOWEST = 0.2  # that gets an arrow [m/s]
COLORS = {
    "car": "#d62728", "truck": "#8c564b", "trailer": "#bc8f3f", "bus": "#ff7f0e", "construction_vehicle": "#7f7f00",
    "bicycle": "#2ca02c", "motorcycle": "#17becf", "pedestrian": "#1f77ff", "traffic_cone": "#e377c2",
    "barrier": "#9467bd",
}  # fmt: skip


AGES = LinearSegmentedColormap.from_list("ages", colormaps["plasma"](np.linspace(0, 0.8, 64)))  # visible on white


def draw(root: Path, path: Path, most: int) -> Path:
    """Draw the last keyframe of each of the first validation scenes of a prepared root, two in a row.

    Args:
        root: of the data.
        path: of the picture; its suffix chooses PNG, PDF or SVG.
        most: keyframes.

    Raises:
        InputError: a file cannot be read, or the suffix is of no picture.
    """
    last = {info["lidar_points"]["lidar_path"].split("__")[0]: info for info in infos(root, "val")["data_list"]}
    shown = list(last.values())[:most]
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(7.2 * columns, 6.9 * rows + 0.7), layout="constrained")
    if path.suffix.lstrip(".").lower() not in figure.canvas.get_supported_filetypes():
        raise InputError(f"expected a picture like street.png, street.pdf or street.svg; got {path}")
    for number, info in enumerate(shown):
        axes = figure.add_subplot(rows, columns, number + 1)
        points = swept(root, info) if info.get("lidar_sweeps") else swept(root, info, 0)
        # The newest points are drawn last, on top of the others.
        points = points[np.argsort(-points[:, 4], kind="stable")]
        painted = axes.scatter(
            points[:, 0], points[:, 1], s=1.1, c=points[:, 4], cmap=AGES, lw=0, rasterized=True, vmin=0,
            vmax=max(0.05, float(points[:, 4].max())),
        )  # fmt: skip
        known = [one for one in info["instances"] if one["bbox_label_3d"] >= 0]
        boxes = np.array([one["bbox_3d"] for one in known]).reshape(-1, 7)
        colors = [COLORS[CLASSES[one["bbox_label_3d"]]] for one in known]
        axes.add_collection(LineCollection(list(footprints(boxes)), colors=colors, linewidths=1.4))
        for box, one, color in zip(boxes, known, colors, strict=True):
            way = ARROW_S * np.array(one["velocity"])
            if np.hypot(*way) > SLOWEST * ARROW_S:  # not where the velocity is unknown
                arrow = {"arrowstyle": "-|>", "color": color, "lw": 1.2, "mutation_scale": 9}
                ends = tuple(box[:2] + way), tuple(box[:2])
                axes.annotate("", *ends, arrowprops=arrow, annotation_clip=True)
        axes.set(xlim=(-SPAN_M, SPAN_M), ylim=(-SPAN_M, SPAN_M), aspect="equal", xlabel="x [m]", ylabel="y [m]")
        axes.set_title(f"{len(points)} points of {1 + len(info.get('lidar_sweeps', ()))} turns, {len(known)} objects")
    figure.colorbar(painted, ax=figure.axes, label="age of the points [s]", shrink=0.5)
    handles = [Line2D([], [], color=color, label=name.replace("_", " ")) for name, color in COLORS.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=5, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path
