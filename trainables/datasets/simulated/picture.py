"""Bird's-eye views of frames: points colored by height, labeled boxes by class, the camera's field of view."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trainables.datasets.simulated.frames import Frame

COLORS = {"Car": "#d62728", "Van": "#ff9f1c", "Pedestrian": "#1f77ff", "Cyclist": "#2ca02c"}
OTHER = "#9467bd"
SPAN = (-20.0, 70.0), (-30.0, 30.0)  # x and y shown [m]


def footprints(boxes: np.ndarray) -> np.ndarray:
    """Outlines (M, 6, 2) of boxes (M, 7) from above: the four corners, closed, then the middle of the front."""
    along = np.array([0.5, 0.5, -0.5, -0.5, 0.5, 0.5]) * boxes[:, 3:4]
    across = np.array([0.0, 0.5, 0.5, -0.5, -0.5, 0.0]) * boxes[:, 4:5]
    cos, sin = np.cos(boxes[:, 6:]), np.sin(boxes[:, 6:])
    return np.stack([boxes[:, :1] + cos * along - sin * across, boxes[:, 1:2] + sin * along + cos * across], 2)


def bird_eye_view(frames: Sequence[Frame], path: Path) -> Path:
    """Draw frames two in a row, driving direction to the right. Raises ValueError where there is no frame."""
    if not frames:
        raise ValueError("a picture needs at least one frame, got none")
    columns = min(2, len(frames))
    rows = -(-len(frames) // columns)
    figure = Figure(figsize=(9 * columns, 6.4 * rows + 0.6), layout="constrained")
    for number, frame in enumerate(frames):
        axes = figure.add_subplot(rows, columns, number + 1)
        axes.scatter(
            frame.points[:, 0], frame.points[:, 1], s=0.25, c=frame.points[:, 2], cmap="cividis", vmin=-2, vmax=2, lw=0
        )
        colors = [COLORS.get(name, OTHER) for name in frame.names]
        # Almost hidden objects are drawn thin.
        widths = [1.8 if level <= 1 else 0.8 for level in frame.occlusion]
        axes.add_collection(LineCollection(list(footprints(frame.boxes)), colors=colors, linewidths=widths))
        for line in frame.camera.width, 0.0:
            slope = (frame.camera.projection[0, 2] - line) / frame.camera.projection[0, 0]
            axes.plot([0, SPAN[0][1]], [0, SPAN[0][1] * slope], color="#888888", lw=0.6, ls="--")
        axes.set(xlim=SPAN[0], ylim=SPAN[1], aspect="equal", xlabel="x [m]", ylabel="y [m]")
        axes.set_title(f"{len(frame.points)} points, {len(frame.names)} labeled objects", fontsize=10)
    handles = [Line2D([], [], color=color, label=name) for name, color in COLORS.items()]
    handles.append(Line2D([], [], color="#888888", ls="--", label="edge of the camera's view"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path
