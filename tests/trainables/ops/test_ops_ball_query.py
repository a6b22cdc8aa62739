"""Ball query against a loop over centers and points."""

import numpy as np
import pytest
import torch

from trainables.ops.ball_query import balls


def ball_by_loop(points, center, radius, count, inner=0.0):
    """The CUDA kernel, one center: fills the ball with the first point that is found."""
    found, low, high = [0] * count, np.float32(inner) ** 2, np.float32(radius) ** 2
    number = 0
    for k, point in enumerate(points):
        shift = [np.float32(a) - np.float32(b) for a, b in zip(center, point, strict=True)]
        square = (shift[0] * shift[0] + shift[1] * shift[1]) + shift[2] * shift[2]
        if square == 0 or low <= square < high:
            if number == 0:
                found = [k] * count
            found[number] = k
            number += 1
            if number == count:
                break
    return found


def cloud(number, seed=0):
    return np.random.default_rng(seed).uniform(-3, 3, (number, 3)).astype(np.float32)


@pytest.mark.parametrize("inner", [0.0, 0.8])
@pytest.mark.parametrize(("radius", "count"), [(1.0, 4), (1.5, 32), (0.05, 3), (100.0, 7)])
def test_balls_in_a_random_cloud_are_those_of_the_loop(radius, count, inner):
    points = cloud(1500)
    centers = np.vstack([points[:10], cloud(10, 1)])
    inner = min(inner, radius / 2)
    expected = [ball_by_loop(points, center, radius, count, inner) for center in centers]
    assert balls(points, centers, radius, count, inner).tolist() == expected


def test_an_empty_ball_holds_the_first_point_of_the_cloud():
    assert balls(cloud(50), np.full((1, 3), 99.0), 1.0, 3).tolist() == [[0, 0, 0]]
    assert balls(np.zeros((0, 3)), np.zeros((1, 3)), 1.0, 3).tolist() == [[0, 0, 0]]


def test_a_ball_with_few_points_is_filled_up_with_its_first():
    points = np.array([[9, 0, 0], [0.1, 0, 0], [9, 0, 0], [0.2, 0, 0]], np.float32)
    assert balls(points, np.zeros((1, 3)), 1.0, 5).tolist() == [[1, 3, 1, 1, 1]]


def test_points_on_the_sphere_are_outside_and_points_on_the_inner_one_inside():
    points = np.array([[2, 0, 0], [1, 0, 0], [0.5, 0, 0]], np.float32)
    assert balls(points, np.zeros((1, 3)), 2.0, 2, 1.0).tolist() == [[1, 1]]


def test_a_point_on_the_center_counts_in_a_shell_too():
    points = np.array([[0.1, 0, 0], [0, 0, 0], [1.5, 0, 0]], np.float32)
    assert balls(points, np.zeros((1, 3)), 2.0, 3, 1.0).tolist() == [[1, 2, 1]]


def test_balls_among_points_on_a_grid_hold_the_first_of_many_equal_ones():
    points = np.random.default_rng(4).integers(-3, 4, (2000, 3)).astype(np.float32)
    expected = [ball_by_loop(points, center, 2.0, 9, 1.0) for center in points[:12]]
    assert balls(points, points[:12], 2.0, 9, 1.0).tolist() == expected


def test_equal_points_are_all_found():
    assert balls(np.zeros((4, 3)), np.zeros((1, 3)), 0.1, 3).tolist() == [[0, 1, 2]]


def test_broken_points_are_in_no_ball_and_broken_centers_have_none():
    points = cloud(30)
    points[0, 0], points[1, 1] = np.nan, np.inf
    assert balls(points, np.zeros((1, 3)), 50.0, 3).tolist() == [[2, 3, 4]]
    assert balls(points, np.full((1, 3), np.nan), 50.0, 3).tolist() == [[0, 0, 0]]


def test_an_inner_radius_beyond_the_outer_one_is_refused():
    with pytest.raises(ValueError, match="inner < radius"):
        balls(cloud(3), cloud(3), 1.0, 2, 1.0)


def test_mmcvs_ball_query_runs_on_the_cpu_for_each_scene(lite):
    from mmcv.ops import ball_query

    points = torch.from_numpy(np.stack([cloud(80, 2), cloud(80, 3)])).requires_grad_()
    centers = points[:, :9].detach().clone()
    found = ball_query(0.5, 2.0, 6, points, centers)
    assert found.dtype == torch.int32
    assert not found.requires_grad
    for scene in range(2):
        expected = balls(points[scene].detach().numpy(), centers[scene].numpy(), 2.0, 6, 0.5)
        assert found[scene].tolist() == expected.tolist()
