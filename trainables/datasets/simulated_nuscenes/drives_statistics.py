"""Numbers that say how much simulated keyframes are like real ones: of a prepared root, or of two side by side."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainables.datasets.nuscenes.detection_score import CLASSES
from trainables.datasets.nuscenes.prepared_files import infos
from trainables.datasets.nuscenes.scans import read_scan, scans_of

NEAR_M, LOWEST_M, HIGHEST_M = 50.0, -5.0, 3.0  # what PointPillars looks at on nuScenes
PILLAR_M = 0.25
MOVING_FROM = 0.2  # [m/s]
MOST = 60  # keyframes that are counted


def in_range(points: np.ndarray) -> np.ndarray:
    """Which points (P, 3 or more) lie within the range of PointPillars on nuScenes: (P,) of bool."""
    return (np.abs(points[:, :2]) < NEAR_M).all(axis=1) & (points[:, 2] > LOWEST_M) & (points[:, 2] < HIGHEST_M)


def pillars(points: np.ndarray) -> int:
    """How many pillars of 0.25 m hold points (P, 2 or more) [m]."""
    return len(np.unique(np.floor(points[:, :2].astype(np.float64) / PILLAR_M), axis=0))


def statistics(root: Path) -> list[tuple[str, str]]:
    """What is counted and its mean over the first validation keyframes of a prepared root.

    Raises:
        InputError: a file cannot be read.
    """
    listed = infos(root, "val")["data_list"][:MOST]
    scans = [read_scan(scans_of(root, info)[0]) for info in listed]
    near = [points[in_range(points)] for points in scans]
    rows = [
        ("keyframes", str(len(listed))),
        ("points", f"{np.mean([len(points) for points in scans]):.0f}"),
        (f"points within {NEAR_M:.0f} m", f"{np.mean([len(points) for points in near]):.0f}"),
        (f"pillars of {PILLAR_M} m", f"{np.mean([pillars(points) for points in near]):.0f}"),
        ("mean intensity", f"{np.mean([points[:, 3].mean() for points in scans]):.1f}"),
        ("sweeps before a keyframe", f"{np.mean([len(info.get('lidar_sweeps', ())) for info in listed]):.1f}"),
    ]
    return rows + _of_objects(listed)


def _of_objects(listed: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
    count: Counter[str] = Counter()
    moving: Counter[str] = Counter()
    points: dict[str, list[int]] = defaultdict(list)
    for instance in (one for info in listed for one in info["instances"] if one["bbox_label_3d"] >= 0):
        name = CLASSES[instance["bbox_label_3d"]]
        count[name] += 1
        moving[name] += bool(np.hypot(*instance["velocity"]) > MOVING_FROM)
        points[name].append(instance["num_lidar_pts"])
    return [
        (
            f"{name}: objects, moving, points",
            f"{count[name] / len(listed):.1f}, {moving[name] / len(listed):.1f}, {np.median(points[name] or [0]):.0f}",
        )
        for name in CLASSES
    ]


def compared(root: Path, beside: Path | None = None) -> str:
    """A table of the statistics of a prepared root, beside those of another where one is given."""
    left, right = statistics(root), statistics(beside) if beside else []
    wide, column = max(len(what) for what, _ in left), max(len(value) for _, value in left)
    lines = [f"{'':{wide}}  {'simulated':>{column}}" + (f"  {'beside':>{column}}" if right else "")]
    for row, (what, value) in enumerate(left):
        lines.append(f"{what:{wide}}  {value:>{column}}" + (f"  {right[row][1]:>{column}}" if right else ""))
    return "\n".join(lines)
