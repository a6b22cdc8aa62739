"""RoI point pooling against a loop over boxes and points."""

import math

import numpy as np
import pytest
import torch

from trainables.ops.roi_points import first_points
from trainables.ops.setup.bridge import install

install()

from mmcv.ops import RoIPointPool3d  # noqa: E402

pytestmark = pytest.mark.usefixtures("lite")


def inside_by_loop(point, box):
    x, y, z, dx, dy, dz, yaw = (float(value) for value in box)
    along = (point[0] - x) * math.cos(yaw) + (point[1] - y) * math.sin(yaw)
    across = (point[1] - y) * math.cos(yaw) - (point[0] - x) * math.sin(yaw)
    return abs(point[2] - z - dz / 2) <= dz / 2 and abs(along) < dx / 2 and abs(across) < dy / 2


def pooled_by_loop(points, features, box, count):
    found = [k for k, point in enumerate(points.tolist()) if inside_by_loop(point, box)][:count]
    if not found:
        return torch.zeros(count, 3 + features.shape[1]), 1
    rows = [found[k % len(found)] for k in range(count)]
    return torch.cat([points[rows], features[rows]], dim=1), 0


def scene(seed, points=300, boxes=12):
    generator = np.random.default_rng(seed)
    low, high = [-4, -4, -2, 0.3, 0.3, 0.5, -8], [4, 4, 0, 4, 3, 3, 8]
    cloud = generator.uniform([-5, -5, -2], [5, 5, 2], (points, 3)).astype(np.float32)
    return torch.from_numpy(cloud), torch.from_numpy(generator.uniform(low, high, (boxes, 7)).astype(np.float32))


def test_pooled_features_and_empty_flags_are_those_of_the_loop():
    clouds, boxes = (torch.stack(part) for part in zip(scene(0), scene(1), strict=True))
    boxes[1, 3, 0] = 99.0
    features = torch.randn(2, 300, 5, generator=torch.Generator().manual_seed(0))
    pooled, empty = RoIPointPool3d(num_sampled_points=8)(clouds, features, boxes)
    for b in range(2):
        for m in range(12):
            expected, flag = pooled_by_loop(clouds[b], features[b], boxes[b, m], 8)
            assert torch.equal(pooled[b, m], expected)
            assert int(empty[b, m]) == flag
    assert empty[1, 3] == 1
    assert 0 < int(empty.sum()) < 24


def test_a_box_with_few_points_repeats_them_in_turn():
    points = np.array([[9, 9, 9], [0, 0, 0.5], [9, 9, 9], [0.1, 0, 0.5]])
    indices, empty = first_points(points, np.array([[0, 0, 0, 1, 1, 1, 0.0]]), 5)
    assert indices.tolist() == [[1, 3, 1, 3, 1]]
    assert not empty[0]


def test_of_many_points_the_first_ones_are_taken():
    assert first_points(np.zeros((9, 3)), np.array([[0, 0, -1, 2, 2, 2, 0.0]]), 4)[0].tolist() == [[0, 1, 2, 3]]


def test_broken_points_and_boxes_hold_nothing():
    points = np.zeros((3, 3))
    points[0] = np.nan
    boxes = np.array([[0, 0, -1, 2, 2, 2, 0.0], [np.nan, 0, -1, 2, 2, 2, 0.0]])
    indices, empty = first_points(points, boxes, 2)
    assert indices.tolist() == [[1, 2], [0, 0]]
    assert empty.tolist() == [False, True]


def test_without_points_every_box_is_empty():
    assert first_points(np.zeros((0, 3)), np.ones((2, 7)), 3)[1].tolist() == [True, True]
    pooled, empty = RoIPointPool3d(3)(torch.zeros(1, 0, 3), torch.zeros(1, 0, 5), torch.ones(1, 2, 7))
    assert empty.tolist() == [[1, 1]]
    assert (pooled == 0).all()


def test_features_in_double_precision_stay_so():
    points, boxes = (part[None].double() for part in scene(2))
    features = torch.full((1, 300, 1), 1 / 3, dtype=torch.float64)
    pooled, empty = RoIPointPool3d(4)(points, features, boxes)
    assert (pooled[0, empty[0] == 0][:, :, 3] == 1 / 3).all()
