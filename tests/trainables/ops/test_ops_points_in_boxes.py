"""Points in boxes against a loop over points and boxes."""

import math

import numpy as np
import pytest
import torch

from trainables.ops.points_in_boxes import first_boxes, points_in_boxes, points_in_boxes_all, points_in_boxes_part


def inside_by_loop(point, box):
    x, y, z, dx, dy, dz, yaw = (float(value) for value in box)
    along = (point[0] - x) * math.cos(yaw) + (point[1] - y) * math.sin(yaw)
    across = (point[1] - y) * math.cos(yaw) - (point[0] - x) * math.sin(yaw)
    return abs(point[2] - z - dz / 2) <= dz / 2 and abs(along) < dx / 2 and abs(across) < dy / 2


def scene(points=400, boxes=12, seed=0):
    generator = np.random.default_rng(seed)
    low, high = [-5, -5, -2, 0.5, 0.5, 0.5, -8], [5, 5, 0, 5, 3, 3, 8]
    cloud = generator.uniform([-6, -6, -2], [6, 6, 3], (points, 3)).astype(np.float32)
    return cloud, generator.uniform(low, high, (boxes, 7)).astype(np.float32)


def test_membership_in_random_boxes_is_that_of_the_loop():
    points, boxes = scene()
    expected = [[inside_by_loop(point, box) for point in points] for box in boxes]
    assert points_in_boxes(points, boxes).tolist() == expected


def test_bottom_and_top_belong_to_the_box_and_sides_do_not():
    box = np.array([[1.0, 2.0, -1.0, 4.0, 2.0, 1.5, 0.0]])
    bottom, top, front, left = [1, 2, -1], [1, 2, 0.5], [3, 2, 0], [1, 3, 0]
    assert points_in_boxes(np.array([bottom, top, front, left]), box).tolist() == [[True, True, False, False]]


def test_a_quarter_turn_lays_the_length_along_y():
    box = np.array([[0.0, 0.0, 0.0, 4.0, 1.0, 1.0, math.pi / 2]])
    assert points_in_boxes(np.array([[0.0, 1.9, 0.5], [1.9, 0.0, 0.5]]), box).tolist() == [[True, False]]


def test_a_box_of_no_size_holds_nothing():
    assert not points_in_boxes(np.zeros((3, 3)), np.zeros((1, 7))).any()


def test_nan_points_are_in_no_box():
    assert not points_in_boxes(np.full((3, 3), np.nan), np.array([[0, 0, -1, 9, 9, 9, 0.0]])).any()


def test_all_boxes_of_a_point_are_marked():
    points, boxes = scene()
    batched = points_in_boxes_all(torch.from_numpy(points)[None], torch.from_numpy(boxes)[None])
    np.testing.assert_array_equal(batched[0].numpy(), points_in_boxes(points, boxes).T)


def test_part_names_the_first_box_of_a_point_and_minus_one_for_none():
    points, boxes = scene()
    first = points_in_boxes_part(torch.from_numpy(points)[None], torch.from_numpy(boxes)[None])[0]
    expected = [next((m for m, box in enumerate(boxes) if inside_by_loop(point, box)), -1) for point in points]
    assert first.tolist() == expected


def test_without_boxes_every_point_is_background():
    assert points_in_boxes_part(torch.zeros(1, 4, 3), torch.zeros(1, 0, 7)).tolist() == [[-1, -1, -1, -1]]


def test_points_with_four_columns_are_refused():
    with pytest.raises(ValueError, match=r"\(P, 3\)"):
        points_in_boxes(np.zeros((2, 4)), np.zeros((1, 7)))


@pytest.mark.parametrize("spread", [6.0, 0.0])
def test_first_boxes_are_the_first_of_all_memberships_wherever_points_and_boxes_lie(spread):
    points, boxes = scene(points=600, boxes=300, seed=3)
    points = np.vstack([points * [spread, spread, 1], [[np.nan, 0, 0], [1e6, -1e6, 0]]])
    boxes[::3, :2] *= 8
    boxes[:4, 0], boxes[4:8, 3], boxes[8, 3:5] = np.nan, np.inf, 1e4
    inside = points_in_boxes(points, boxes)
    np.testing.assert_array_equal(first_boxes(points, boxes), np.where(inside.any(0), inside.argmax(0), -1))
    assert inside.any()
