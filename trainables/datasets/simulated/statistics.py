"""How alike are simulated and real frames: counts of points, pillars and points per object against distance.

Everything is counted in the camera's field of view, where KITTI has labels. Pillars are the squares of 0.16 m in which
PointPillars gathers points.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from trainables.datasets.kitti.infos import level_of
from trainables.datasets.simulated.frames import Frame

PILLAR_M = 0.16
DISTANCES_M = (0, 10, 20, 30, 40, 60)
CLASSES = ("Car", "Pedestrian", "Cyclist")
DIFFICULTIES = ("easy", "moderate", "hard")


@dataclass(frozen=True)
class Statistics:
    """Means over frames, and medians over objects.

    Attributes:
        frames: number of frames.
        points, points_in_view: per frame, of the whole turn and of the camera's field of view.
        pillars: per frame, in the camera's field of view.
        single_point_share: share of these pillars that hold one point.
        within: share of the points in view nearer than 10, 20, 30 and 50 m.
        intensity: mean intensity of the points in view.
        objects: mean number per frame of each class and difficulty (each difficulty includes the easier ones).
        object_points: class, then distance bin ("10-20 m"), to (number of objects, median points of one); of objects
            that are at most partly occluded and not much truncated.
    """

    frames: int
    points: float
    points_in_view: float
    pillars: float
    single_point_share: float
    within: tuple[float, ...]
    intensity: float
    objects: dict[str, dict[str, float]] = field(default_factory=dict)
    object_points: dict[str, dict[str, tuple[int, float]]] = field(default_factory=dict)

    def rows(self) -> list[tuple[str, str]]:
        """(what, value) of everything, for a table."""
        rows = [
            ("frames", f"{self.frames}"),
            ("points of the whole turn", f"{self.points:.0f}"),
            ("points in the camera's view", f"{self.points_in_view:.0f}"),
            (f"pillars of {PILLAR_M} m", f"{self.pillars:.0f}"),
            ("pillars with a single point", f"{self.single_point_share:.1%}"),
            ("points within 10, 20, 30, 50 m", ", ".join(f"{v:.0%}" for v in self.within)),
            ("mean intensity", f"{self.intensity:.2f}"),
        ]
        for name in CLASSES:
            counts = self.objects[name]
            rows.append(
                (f"{name} a frame, {'/'.join(DIFFICULTIES)}", "/".join(f"{counts[d]:.2f}" for d in DIFFICULTIES))
            )
        for name in CLASSES:
            for span, (count, median) in self.object_points[name].items():
                rows.append((f"{name} points, {span}", f"{median:.0f} ({count})" if count else "-"))
        return rows


def pillar_counts(points: np.ndarray) -> np.ndarray:
    """Points in each occupied pillar: (V,), of points (P, 3 or more) [m]."""
    cells = np.floor(points[:, :2].astype(np.float64) / PILLAR_M).astype(np.int64)
    return np.unique(cells[:, 0] * 1_000_003 + cells[:, 1], return_counts=True)[1]


def statistics(frames: Sequence[Frame]) -> Statistics:
    """Statistics of frames, simulated or real. Raises ValueError where there is no frame."""
    if not frames:
        raise ValueError("statistics need at least one frame, got none")
    rows: list[tuple[float, ...]] = []
    counted: dict[tuple[str, int], int] = defaultdict(int)
    per_object: dict[tuple[str, int], list[int]] = defaultdict(list)
    for frame in frames:
        view = frame.points[frame.camera.sees(frame.points)]
        counts = pillar_counts(view)
        far = np.hypot(view[:, 0], view[:, 1])
        near = [float(np.mean(far < limit)) for limit in (10, 20, 30, 50)]
        rows.append((len(frame.points), len(view), len(counts), np.mean(counts == 1), *near, view[:, 3].mean()))
        distance = np.hypot(frame.boxes[:, 0], frame.boxes[:, 1])
        levels = level_of(frame.boxes_2d[:, 3] - frame.boxes_2d[:, 1], frame.occlusion, frame.truncation)
        for i, inside in enumerate(frame.points_in_boxes()):
            name = frame.names[i]
            if levels[i] >= 0:
                counted[name, int(levels[i])] += 1
            if frame.occlusion[i] <= 1 and frame.truncation[i] <= 0.3:
                per_object[name, int(np.searchsorted(DISTANCES_M, distance[i], side="right"))].append(inside)
    mean = np.mean(rows, axis=0)
    objects = {
        name: {d: sum(counted[name, k] for k in range(j + 1)) / len(frames) for j, d in enumerate(DIFFICULTIES)}
        for name in CLASSES
    }
    object_points: dict[str, dict[str, tuple[int, float]]] = {}
    for name in CLASSES:
        bins = {f"{a}-{b} m": per_object[name, j + 1] for j, (a, b) in enumerate(pairwise(DISTANCES_M))}
        object_points[name] = {span: (len(v), float(np.median(v)) if v else 0.0) for span, v in bins.items()}
    turn, in_view, pillars, single, *within, intensity = mean.tolist()
    return Statistics(len(frames), turn, in_view, pillars, single, tuple(within), intensity, objects, object_points)


def compare(simulated: Statistics, real: Statistics | None = None) -> str:
    """A table of simulated beside real statistics (or alone), one line each."""
    left = simulated.rows()
    right = [value for _, value in real.rows()] if real else []
    wide, column = max(len(what) for what, _ in left), max(len(value) for _, value in left)
    title = f"{'':{wide}}  {'simulated':>{column}}" + (f"  {'real':>{column}}" if real else "")
    lines = [
        f"{what:{wide}}  {value:>{column}}" + (f"  {right[i]:>{column}}" if real else "")
        for i, (what, value) in enumerate(left)
    ]
    return "\n".join([title, *lines])
