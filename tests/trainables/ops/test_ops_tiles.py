"""Tiles of points: every point in one tile and within its bounds."""

import numpy as np
import pytest

from trainables.ops.tiles import SORTED_FROM, TILE, tiled


def cloud(number):
    return np.random.default_rng(number).uniform(-30, 30, (number, 3)).astype(np.float32)


@pytest.mark.parametrize("number", [1, TILE, TILE + 1, SORTED_FROM, SORTED_FROM + 1, 5000])
def test_every_point_is_in_one_tile_and_within_its_bounds(number):
    points = cloud(number)
    columns, order, low, high = tiled(points)
    assert sorted(order) == list(range(number))
    np.testing.assert_array_equal(columns.T, points[order])
    assert low.shape == high.shape == (3, -(-number // TILE))
    for tile in range(low.shape[1]):
        members = columns[:, tile * TILE : (tile + 1) * TILE]
        np.testing.assert_array_equal(members.min(1), low[:, tile])
        np.testing.assert_array_equal(members.max(1), high[:, tile])


def test_tiles_of_many_points_are_small():
    _, _, low, high = tiled(cloud(20000))
    area = np.prod(high[:2] - low[:2], axis=0)  # on the ground: 3,600 m2 for 313 tiles
    assert np.median(area) < 2 * 3600 / 313


def test_broken_points_leave_the_bounds_as_they_are():
    points = cloud(3000)
    points[::7, 1] = np.nan
    _, _, low, high = tiled(points)
    assert np.isfinite(low).mean() > 0.8
    assert np.nanmax(high) <= 30


def test_no_points_make_no_tiles():
    assert tiled(np.zeros((0, 3))).low.shape == (3, 0)


def test_points_with_four_columns_are_refused():
    with pytest.raises(ValueError, match=r"\(N, 3\)"):
        tiled(np.zeros((5, 4)))
