"""Voxelization of point clouds on the CPU: points into the cells of a grid, at most so many to a cell.

CPU twins of mmcv 2.1's `hard_voxelize_forward` and `dynamic_voxelize_forward` (mmcv/ops/csrc/pytorch/cpu/
voxelization.cpp), the first step of PointPillars (Lang et al., CVPR 2019) and SECOND (Yan et al., Sensors 2018). Voxels
stand in the order in which their first point comes; when `max_voxels` exist, points of new voxels are dropped while
points of existing ones still enter, up to `max_points` each. Cells are found in the precision of the points, as in
mmcv, because a point near a border would otherwise land in another cell.

Where mmcv fills a dense table of the whole grid (360 MB for SECOND's 40 x 1600 x 1408 cells), voxels are found through
a hash table with room for the points of one scan. NaN and infinite points belong to no cell.

Measured on one core of a shared two-core machine (`python tests/benchmarks/bench_operators.py`):
a 120,000-point scan takes 4 ms in PointPillars' grid and 3 ms in SECOND's (numpy and a dictionary: 150 to 300 ms).
"""

from collections.abc import Callable

import numpy as np
import torch
from numba import njit
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Points = NDArray[np.floating]
Integers = NDArray[np.int32]

_EMPTY = -1
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads neighboring cells (Knuth, TAOCP 3, 6.4)


@njit(nogil=True, cache=True)
def _cells(points: Points, size: Points, low: Points, grid: NDArray[np.int64], coors: Integers) -> None:
    """Fill coors (P, 3) with z, y, x of each point's cell, or -1, -1, -1 outside of the grid."""
    for i in range(len(points)):
        inside = True
        for j in range(3):
            cell = np.floor((points[i, j] - low[j]) / size[j])
            if not (cell >= 0 and cell < grid[j]):  # `not` so that NaN is outside
                inside = False
                break
            coors[i, 2 - j] = np.int32(cell)
        if not inside:
            coors[i, 0] = coors[i, 1] = coors[i, 2] = _EMPTY


@njit(nogil=True, cache=True)
def _fill(
    points: Points,
    cells: Integers,
    grid: NDArray[np.int64],
    voxels: Points,
    coors: Integers,
    counts: Integers,
    max_points: int,
    max_voxels: int,
) -> int:
    """Distribute points over voxels; returns the number of voxels made."""
    bits = 4
    while (1 << bits) < 2 * min(len(points), max_voxels):
        bits += 1
    keys = np.full(1 << bits, _EMPTY, dtype=np.int64)
    numbers = np.empty(1 << bits, dtype=np.int32)
    made = 0
    for i in range(len(points)):
        if cells[i, 0] == _EMPTY:
            continue
        key = (np.int64(cells[i, 0]) * grid[1] + cells[i, 1]) * grid[0] + cells[i, 2]
        slot = np.int64((np.uint64(key) * _GOLDEN) >> np.uint64(64 - bits))
        while keys[slot] != key and keys[slot] != _EMPTY:
            slot = (slot + 1) & ((1 << bits) - 1)
        if keys[slot] == _EMPTY:
            if made >= max_voxels:
                continue
            keys[slot] = key
            numbers[slot] = made
            for k in range(3):
                coors[made, k] = cells[i, k]
            made += 1
        voxel = numbers[slot]
        if counts[voxel] < max_points:
            for k in range(points.shape[1]):
                voxels[voxel, counts[voxel], k] = points[i, k]
            counts[voxel] += 1
    return made


def hard_voxelize(
    points: Points, voxel_size: ArrayLike, coors_range: ArrayLike, max_points: int, max_voxels: int
) -> tuple[Points, Integers, Integers]:
    """Group points by voxel, with a cap on the points of a voxel and on the voxels.

    Args:
        points: (P, C) points, x, y, z (m) first.
        voxel_size: voxel edges along x, y, z (m).
        coors_range: x, y, z of the lower, then of the upper corner of the grid (m).
        max_points: points kept in a voxel, the first ones to come.
        max_voxels: voxels kept, the first ones to come.

    Returns:
        (V, max_points, C) points by voxel, zeros where there are fewer; (V, 3) int32 cells z, y, x; (V,) int32 number
        of points in each voxel.

    Raises:
        ValueError: points are not (P, >= 3) of a floating type, or a cap is below 1.
    """
    if max_points < 1 or max_voxels < 1:
        raise ValueError(f"max_points and max_voxels must be at least 1, got {max_points} and {max_voxels}")
    cells, grid = _cells_of(points, voxel_size, coors_range)
    rows = np.ascontiguousarray(points)
    voxels = np.zeros((min(max_voxels, len(rows)), max_points, rows.shape[1]), rows.dtype)
    coors = np.zeros((len(voxels), 3), np.int32)
    counts = np.zeros(len(voxels), np.int32)
    made = _fill(rows, cells, grid, voxels, coors, counts, max_points, max_voxels)
    return voxels[:made], coors[:made], counts[:made]


def dynamic_voxelize(points: Points, voxel_size: ArrayLike, coors_range: ArrayLike) -> Integers:
    """Cell of every point.

    Args:
        points: (P, C) points, x, y, z (m) first.
        voxel_size: voxel edges along x, y, z (m).
        coors_range: x, y, z of the lower, then of the upper corner of the grid (m).

    Returns:
        (P, 3) int32 cells z, y, x; -1, -1, -1 for points outside of the grid.

    Raises:
        ValueError: points are not (P, >= 3) of a floating type.
    """
    return _cells_of(points, voxel_size, coors_range)[0]


def _cells_of(points: Points, voxel_size: ArrayLike, coors_range: ArrayLike) -> tuple[Integers, NDArray[np.int64]]:
    if points.ndim != 2 or points.shape[1] < 3 or points.dtype not in (np.float32, np.float64):
        raise ValueError(f"points must be (P, 3 or more) float32 or float64, got {points.shape} {points.dtype}")
    size, limits = np.asarray(voxel_size, np.float32), np.asarray(coors_range, np.float32)
    grid = np.round((limits[3:] - limits[:3]) / size).astype(np.int64)
    cells = np.empty((len(points), 3), np.int32)
    _cells(np.ascontiguousarray(points), size, limits[:3].copy(), grid, cells)
    return cells, grid


def hard_voxelize_forward(
    points: Tensor,
    voxel_size: Tensor,
    coors_range: Tensor,
    voxels: Tensor,
    coors: Tensor,
    num_points_per_voxel: Tensor,
    voxel_num: Tensor,
    max_points: int,
    max_voxels: int,
    NDim: int = 3,  # noqa: N803 mmcv's keyword
    deterministic: bool = True,
) -> None:
    """`mmcv._ext.hard_voxelize_forward`: fills the given voxels, coors, counts and number of voxels in place."""
    rows = np.ascontiguousarray(points.detach().numpy())
    cells, grid = _cells_of(rows, voxel_size.numpy(), coors_range.numpy())
    counts = num_points_per_voxel.numpy()
    voxel_num.fill_(_fill(rows, cells, grid, voxels.numpy(), coors.numpy(), counts, max_points, max_voxels))


def dynamic_voxelize_forward(
    points: Tensor,
    voxel_size: Tensor,
    coors_range: Tensor,
    coors: Tensor,
    NDim: int = 3,  # noqa: N803
) -> None:
    """`mmcv._ext.dynamic_voxelize_forward`: fills coors (P, 3) in place."""
    coors.copy_(torch.from_numpy(dynamic_voxelize(points.detach().numpy(), voxel_size.numpy(), coors_range.numpy())))


EXTENSION: dict[str, Callable] = {
    "hard_voxelize_forward": hard_voxelize_forward,
    "dynamic_voxelize_forward": dynamic_voxelize_forward,
}
