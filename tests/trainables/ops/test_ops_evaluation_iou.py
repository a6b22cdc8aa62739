"""The evaluation's IoU against areas counted on a fine grid."""

import math

import numpy as np
import pytest

from trainables.ops.evaluation_iou import rotate_iou_gpu_eval


def inside_camera_box(box, x, z):
    """Membership in a box of the camera's ground plane, where mmdet3d turns corners by [[cos, sin], [-sin, cos]]."""
    dx, dz = x - box[0], z - box[1]
    along = math.cos(box[4]) * dx - math.sin(box[4]) * dz
    across = math.sin(box[4]) * dx + math.cos(box[4]) * dz
    return (abs(along) < box[2] / 2) & (abs(across) < box[3] / 2)


def area_by_counting(box1, box2, step=0.01):
    x, z = np.meshgrid(np.arange(-8, 8, step), np.arange(-8, 8, step))
    return np.count_nonzero(inside_camera_box(box1, x, z) & inside_camera_box(box2, x, z)) * step * step


CARS = np.array([[0, 0, 4, 1.6, 0.3], [0.5, 0.4, 3.9, 1.7, -0.6], [1, -1, 4.2, 1.5, 2.0]])
QUERIES = np.array([[0.3, 0.1, 4, 1.6, 0.9], [-1, 0.5, 4, 1.6, -2.5]])


@pytest.mark.parametrize("criterion", [-1, 0, 1, 2])
def test_overlaps_are_those_of_counted_cells(criterion):
    expected = np.zeros((3, 2))
    for n, box in enumerate(CARS):
        for k, query in enumerate(QUERIES):
            area, of_box, of_query = area_by_counting(box, query), box[2] * box[3], query[2] * query[3]
            divisor = {-1: of_box + of_query - area, 0: of_query, 1: of_box, 2: 1.0}[criterion]
            expected[n, k] = area / divisor
    np.testing.assert_allclose(rotate_iou_gpu_eval(CARS, QUERIES, criterion), expected, atol=0.01)


def test_a_perfect_detection_has_iou_one():
    np.testing.assert_array_equal(np.diag(rotate_iou_gpu_eval(CARS, CARS)), 1)


def test_boxes_of_no_size_have_overlap_zero_and_not_nan():
    assert not rotate_iou_gpu_eval(np.zeros((2, 5)), np.zeros((2, 5))).any()


def test_a_pair_just_above_the_threshold_counts_as_above_it():
    """Two equal squares with the side 1, moved by (1 - iou) / (1 + iou) against each other."""
    iou = 0.7 + 5.5e-9
    pair = np.array([[0, 0, 1, 1, 0], [(1 - iou) / (1 + iou), 0, 1, 1, 0]])
    found = rotate_iou_gpu_eval(pair[:1], pair[1:])[0, 0]
    assert found > 0.7
    assert found == pytest.approx(iou, abs=1e-14)
    assert np.float32(found) == np.float32(0.7), "in single precision it would be no more than the threshold"
