"""Voxelization against a loop over points and a dictionary of voxels."""

import numpy as np
import pytest

from trainables.ops.voxelization import dynamic_voxelize, hard_voxelize

PILLAR = (0.16, 0.16, 4.0)
RANGE = (0.0, -39.68, -3.0, 69.12, 39.68, 1.0)


def cells_by_loop(points, size, limits):
    """mmcv's rule in single precision: floor((point - low) / size), inside 0..grid-1."""
    size, limits = np.float32(size), np.float32(limits)
    grid = [round(float((limits[j + 3] - limits[j]) / size[j])) for j in range(3)]
    cells = []
    for point in points:
        cell = []
        for j in range(3):
            place = (point[j] - limits[j]) / size[j]
            cell.append(int(np.floor(place)) if np.isfinite(place) else -1)
        inside = all(0 <= cell[j] < grid[j] for j in range(3))
        cells.append((cell[2], cell[1], cell[0]) if inside else (-1, -1, -1))
    return cells


def voxels_by_loop(points, size, limits, max_points, max_voxels):
    members = {}
    for point, cell in zip(points, cells_by_loop(points, size, limits), strict=True):
        if cell[0] == -1 or (cell not in members and len(members) >= max_voxels):
            continue
        members.setdefault(cell, []).append(point)
    return {cell: rows[:max_points] for cell, rows in members.items()}


def cloud(count, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform([-5, -45, -4, 0], [75, 45, 2, 1], (count, 4)).astype(np.float32)


def assert_same_voxels(points, size, limits, max_points, max_voxels):
    expected = voxels_by_loop(points, size, limits, max_points, max_voxels)
    voxels, coors, counts = hard_voxelize(points, size, limits, max_points, max_voxels)
    assert [tuple(cell) for cell in coors] == list(expected)
    assert list(counts) == [len(rows) for rows in expected.values()]
    for voxel, rows in zip(voxels, expected.values(), strict=True):
        np.testing.assert_array_equal(voxel[: len(rows)], rows)
        assert not voxel[len(rows) :].any()


def test_pillars_of_a_random_scan_are_those_of_the_loop():
    assert_same_voxels(cloud(5000), PILLAR, RANGE, 32, 16000)


def test_small_voxels_of_a_large_grid_are_those_of_the_loop():
    assert_same_voxels(cloud(5000), (0.05, 0.05, 0.1), (0, -40, -3, 70.4, 40, 1), 5, 16000)


def test_more_points_than_a_voxel_holds_keep_the_first_ones():
    assert_same_voxels(cloud(3000), (20.0, 20.0, 4.0), RANGE, 7, 100)


def test_more_voxels_than_allowed_drop_new_voxels_but_fill_the_old_ones():
    assert_same_voxels(cloud(3000), (4.0, 4.0, 4.0), RANGE, 4, 50)


def test_points_on_the_borders_of_cells_land_where_mmcv_puts_them():
    steps = np.arange(0, 433, dtype=np.float32)
    borders = np.stack([np.float32(0.16) * steps, np.float32(-39.68) + np.float32(0.16) * steps, 0 * steps], axis=1)
    assert [tuple(cell) for cell in dynamic_voxelize(borders, PILLAR, RANGE)] == cells_by_loop(borders, PILLAR, RANGE)


def test_the_upper_border_of_the_range_is_outside():
    point = np.array([[69.12, 0.0, 0.0, 0.5]], np.float32)
    assert dynamic_voxelize(point, PILLAR, RANGE).tolist() == [[-1, -1, -1]]


def test_nan_and_infinite_points_belong_to_no_voxel():
    points = cloud(50)
    points[10, 0], points[11, 1], points[12, 2] = np.nan, np.inf, -np.inf
    assert_same_voxels(points, PILLAR, RANGE, 32, 100)


def test_a_cap_of_no_voxels_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        hard_voxelize(cloud(5), PILLAR, RANGE, 32, 0)


def test_integer_points_are_refused():
    with pytest.raises(ValueError, match="float32 or float64"):
        dynamic_voxelize(np.zeros((3, 4), np.int64), PILLAR, RANGE)
