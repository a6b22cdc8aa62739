"""Milliseconds of every CPU operator beside a plain alternative: `python tests/benchmarks/bench_operators.py`.

One core (numba functions without parallel loops). Sizes are those of training: a 120,000-point scan in PointPillars'
and SECOND's grids, the 1,000 boxes that enter NMS, the boxes of one part of KITTI's evaluation and of one scene, and
PointRCNN's points and proposals (point_operators.py).
The plain alternative is what one would write without a compiler: torch, numpy, or a loop over pairs in Python.
"""

import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import point_operators
from trainables.ops.iou3d import aligned_nms
from trainables.ops.pillar_features import pillar_maximum
from trainables.ops.points_in_boxes import points_in_boxes
from trainables.ops.rotated_boxes import rotated_iou, rotated_nms
from trainables.ops.voxelization import hard_voxelize

PILLARS = ((0.16, 0.16, 4.0), (0.0, -39.68, -3.0, 69.12, 39.68, 1.0), 32)
VOXELS = ((0.05, 0.05, 0.1), (0.0, -40.0, -3.0, 70.4, 40.0, 1.0), 5)


def scan(count: int = 120_000) -> np.ndarray:
    """(count, 4) points whose density falls with the distance, as in a spinning LiDAR's scan of the view ahead."""
    generator = np.random.default_rng(0)
    azimuth = generator.uniform(-1.4, 1.4, count)
    distance = generator.gamma(2.0, 9.0, count)
    height = generator.uniform(-1.8, 0.5, count)
    rows = [distance * np.cos(azimuth), distance * np.sin(azimuth), height, generator.uniform(0, 1, count)]
    return np.stack(rows, axis=1).astype(np.float32)


def boxes(count: int, spread: float = 35.0) -> np.ndarray:
    """(count, 5) car-sized boxes in bird's-eye view."""
    generator = np.random.default_rng(count)
    low, high = [-spread, -spread, 3.5, 1.4, -math.pi], [spread, spread, 4.5, 1.9, math.pi]
    return generator.uniform(low, high, (count, 5))


def crowded(count: int, objects: int) -> np.ndarray:
    """(count, 5) proposals gathered around a few objects, as a detection head gives them."""
    generator = np.random.default_rng(1)
    return boxes(objects)[generator.integers(0, objects, count)] + generator.normal(0, 0.3, (count, 5))


def plain_voxels(points: np.ndarray, size: tuple, limits: tuple, max_points: int, max_voxels: int) -> dict:
    low, grid = np.float32(limits[:3]), np.round((np.array(limits[3:]) - limits[:3]) / size)
    cells = np.floor((points[:, :3] - low) / np.float32(size)).astype(int)
    found: dict[tuple, list] = {}
    inside = ((cells >= 0) & (cells < grid)).all(axis=1)
    for point, cell in zip(points[inside], map(tuple, cells[inside].tolist()), strict=True):
        if cell in found or len(found) < max_voxels:
            members = found.setdefault(cell, [])
            if len(members) < max_points:
                members.append(point)
    return found


def plain_iou(a: np.ndarray, b: np.ndarray) -> float:
    polygon = corners(b)
    middle = a[:2]
    ring = corners(a)
    for k in range(4):
        side = ring[(k + 1) % 4] - ring[k]
        normal = np.array([side[1], -side[0]])
        normal = normal if normal @ (ring[k] - middle) > 0 else -normal
        clipped = []
        for here, there in zip(polygon, polygon[1:] + polygon[:1], strict=True):
            u, v = normal @ (ring[k] - here), normal @ (ring[k] - there)
            if u >= 0:
                clipped.append(here)
            if u * v < 0:
                clipped.append(here + u / (u - v) * (there - here))
        polygon = clipped
        if not polygon:
            return 0.0
    x, y = np.array(polygon).T
    area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    return area / (a[2] * a[3] + b[2] * b[3] - area)


def corners(box: np.ndarray) -> list[np.ndarray]:
    turn = np.array([[math.cos(box[4]), -math.sin(box[4])], [math.sin(box[4]), math.cos(box[4])]])
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return [box[:2] + turn @ (np.array(sign) * box[2:4] / 2) for sign in signs]


def plain_ious(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.array([[plain_iou(a, b) for b in second] for a in first])


def plain_nms(rows: np.ndarray, scores: np.ndarray, threshold: float, iou: Callable = plain_iou) -> list[int]:
    kept: list[int] = []
    for i in np.argsort(-scores):
        if all(iou(rows[k], rows[i]) <= threshold for k in kept):
            kept.append(int(i))
    return kept


def plain_aligned_iou(a: np.ndarray, b: np.ndarray) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    overlap = max(w, 0.0) * max(h, 0.0)
    return overlap / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap)


def plain_membership(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    shift = points[None] - places[:, None, :3]
    cos, sin = np.cos(places[:, 6:7]), np.sin(places[:, 6:7])
    along, across = shift[..., 0] * cos + shift[..., 1] * sin, shift[..., 1] * cos - shift[..., 0] * sin
    flat = (np.abs(along) < places[:, 3:4] / 2) & (np.abs(across) < places[:, 4:5] / 2)
    return flat & (np.abs(shift[..., 2] - places[:, 5:6] / 2) <= places[:, 5:6] / 2)


def pillar_layer(counts: np.ndarray, ours: bool) -> Callable[[], None]:
    """Forward and backward pass of PointPillars' pillar layer, ours on real points or mmdet3d's on padded pillars."""
    counts = torch.from_numpy(counts)
    inputs = torch.randn(len(counts), 32, 10) * (torch.arange(32) < counts.unsqueeze(1)).unsqueeze(2)
    linear, norm = torch.nn.Linear(10, 32, bias=False), torch.nn.BatchNorm1d(32)

    def padded() -> None:
        x = norm(linear(inputs).permute(0, 2, 1).contiguous()).permute(0, 2, 1).contiguous()
        torch.relu(x).max(dim=1)[0].sum().backward()

    return (lambda: pillar_maximum(inputs, counts, linear, norm).sum().backward()) if ours else padded


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    """Median over `repeats` calls, after one that compiles."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def main() -> None:
    points, scores = scan(), np.random.default_rng(2).random(1000)
    proposals, spread = crowded(1000, 40), boxes(1000, 400.0)
    aligned = np.hstack([proposals[:, :2] - proposals[:, 2:4] / 2, proposals[:, :2] + proposals[:, 2:4] / 2])
    flat = boxes(30)
    places = np.column_stack([flat[:, :2], np.full(30, -1.7), flat[:, 2:4], np.full(30, 1.5), flat[:, 4]])
    detections, truths = boxes(400), boxes(100)
    counts = hard_voxelize(scan(40_000), *PILLARS, 16000)[2]
    rows: list[tuple[str, str, Callable, Callable, int]] = [
        ("hard_voxelize", "120,000 points, pillars, 16,000", lambda: hard_voxelize(points, *PILLARS, 16000),
         lambda: plain_voxels(points, *PILLARS, 16000), 1),
        ("hard_voxelize", "120,000 points, pillars, 40,000", lambda: hard_voxelize(points, *PILLARS, 40000),
         lambda: plain_voxels(points, *PILLARS, 40000), 1),
        ("hard_voxelize", "120,000 points, SECOND, 16,000", lambda: hard_voxelize(points, *VOXELS, 16000),
         lambda: plain_voxels(points, *VOXELS, 16000), 1),
        ("rotated_nms", "1,000 boxes around 40 objects", lambda: rotated_nms(proposals, scores, 0.01),
         lambda: plain_nms(proposals, scores, 0.01), 1),
        ("rotated_nms", "1,000 boxes, none overlapping much", lambda: rotated_nms(spread, scores, 0.7),
         lambda: plain_nms(spread[:100], scores[:100], 0.7), 100),
        ("rotated_nms", "1,000 boxes on one spot, IoU 1", lambda: rotated_nms(proposals[:1].repeat(1000, 0), scores, 1),
         lambda: plain_nms(proposals[:1].repeat(100, 0), scores[:100], 1.1), 100),
        ("rotated_iou", "400 x 100 boxes", lambda: rotated_iou(detections, truths),
         lambda: plain_ious(detections[:40], truths), 10),
        ("aligned_nms", "1,000 boxes around 40 objects", lambda: aligned_nms(aligned, scores, 0.01),
         lambda: plain_nms(aligned, scores, 0.01, plain_aligned_iou), 1),
        ("points_in_boxes", "120,000 points, 30 boxes", lambda: points_in_boxes(points[:, :3], places),
         lambda: plain_membership(points[:, :3], places), 1),
        ("pillar_maximum", f"{len(counts):,} pillars, {counts.sum():,} points", pillar_layer(counts, ours=True),
         pillar_layer(counts, ours=False), 1),
        *point_operators.rows(points, plain_nms, plain_membership),
    ]  # fmt: skip
    print(f"{'operator':20} {'size':36} {'ms':>9} {'plain ms':>10} {'ratio':>8}")
    for name, size, call, plain, share in rows:  # the plain one did this share of the work
        ours, other = milliseconds(call, 15), milliseconds(plain, 1) * share
        print(f"{name:20} {size:36} {ours:9.2f} {other:10.0f} {other / ours:8.0f}", flush=True)


if __name__ == "__main__":
    main()
