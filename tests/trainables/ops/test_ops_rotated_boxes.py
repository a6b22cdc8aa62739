"""Rotated overlap and NMS against a polygon found by testing all corners and all crossings of edges."""

import math

import numpy as np
import pytest

from trainables.ops.rotated_boxes import intersection_areas, rotated_iou, rotated_nms


def corners_of(box):
    x, y, w, h, angle = (float(value) for value in box)
    cos, sin = math.cos(angle), math.sin(angle)
    signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
    return [(x + cos * a * w / 2 - sin * b * h / 2, y + sin * a * w / 2 + cos * b * h / 2) for a, b in signs]


def holds(box, point, tolerance=1e-12):
    x, y, w, h, angle = (float(value) for value in box)
    dx, dy = point[0] - x, point[1] - y
    u, v = math.cos(angle) * dx + math.sin(angle) * dy, math.cos(angle) * dy - math.sin(angle) * dx
    return abs(u) <= w / 2 + tolerance and abs(v) <= h / 2 + tolerance


def area_by_loop(box1, box2):
    """Area of the polygon whose corners are corners of a box inside of the other, and crossings of edges."""
    corners1, corners2 = corners_of(box1), corners_of(box2)
    found = [p for p in corners1 if holds(box2, p)] + [p for p in corners2 if holds(box1, p)]
    for i in range(4):
        (ax, ay), (bx, by) = corners1[i], corners1[(i + 1) % 4]
        for j in range(4):
            (cx, cy), (dx, dy) = corners2[j], corners2[(j + 1) % 4]
            det = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx)
            if det == 0:
                continue
            t = ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / det
            u = ((cx - ax) * (by - ay) - (cy - ay) * (bx - ax)) / det
            if 0 <= t <= 1 and 0 <= u <= 1:
                found.append((ax + t * (bx - ax), ay + t * (by - ay)))
    if len(found) < 3:
        return 0.0
    mean_x, mean_y = sum(p[0] for p in found) / len(found), sum(p[1] for p in found) / len(found)
    found.sort(key=lambda p: math.atan2(p[1] - mean_y, p[0] - mean_x))
    return abs(sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(found, found[1:] + found[:1], strict=True))) / 2


def iou_by_loop(box1, box2):
    area = area_by_loop(box1, box2)
    return area / (box1[2] * box1[3] + box2[2] * box2[3] - area)


def nms_by_loop(boxes, scores, threshold):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(iou_by_loop(boxes[k], boxes[i]) <= threshold for k in kept):
            kept.append(i)
    return kept


def boxes_of(count, seed=0, spread=4.0):
    generator = np.random.default_rng(seed)
    return generator.uniform([-spread, -spread, 0.3, 0.3, -7], [spread, spread, 5, 3, 7], (count, 5))


def test_areas_of_random_boxes_are_those_of_the_loop():
    boxes1, boxes2 = boxes_of(40, 1), boxes_of(50, 2)
    expected = [[area_by_loop(a, b) for b in boxes2] for a in boxes1]
    np.testing.assert_allclose(intersection_areas(boxes1, boxes2), expected, atol=1e-9)


def test_ious_of_random_boxes_are_those_of_the_loop():
    boxes1, boxes2 = boxes_of(40, 3), boxes_of(50, 4)
    expected = [[iou_by_loop(a, b) for b in boxes2] for a in boxes1]
    np.testing.assert_allclose(rotated_iou(boxes1, boxes2), expected, atol=1e-9)


def test_aligned_ious_are_the_diagonal_of_all_ious():
    boxes1, boxes2 = boxes_of(20, 5), boxes_of(20, 6)
    np.testing.assert_array_equal(rotated_iou(boxes1, boxes2, aligned=True), np.diag(rotated_iou(boxes1, boxes2)))


def test_iof_divides_by_the_area_of_the_first_box():
    assert rotated_iou(np.array([[0, 0, 2, 2, 0.0]]), np.array([[0, 0, 4, 4, 0.0]]), "iof") == pytest.approx(1.0)


def test_a_square_turned_by_45_degrees_overlaps_itself_in_an_octagon():
    square, turned = np.array([[3.0, 4.0, 2.0, 2.0, 0.0]]), np.array([[3.0, 4.0, 2.0, 2.0, math.pi / 4]])
    assert intersection_areas(square, turned)[0, 0] == pytest.approx(8 * (math.sqrt(2) - 1), abs=1e-12)


def test_a_box_has_iou_one_with_itself_wherever_it_is():
    boxes = boxes_of(200, 7, spread=1000.0)
    np.testing.assert_allclose(np.diag(rotated_iou(boxes, boxes)), 1.0, atol=1e-12)


def test_a_whole_turn_changes_nothing():
    boxes = boxes_of(30, 8)
    np.testing.assert_allclose(
        rotated_iou(boxes, boxes + np.array([0, 0, 0, 0, 2 * np.pi])), rotated_iou(boxes, boxes), atol=1e-9
    )


def test_a_quarter_turn_with_width_and_height_exchanged_changes_nothing():
    boxes = boxes_of(30, 9)
    turned = boxes[:, [0, 1, 3, 2, 4]] + np.array([0, 0, 0, 0, np.pi / 2])
    np.testing.assert_allclose(rotated_iou(boxes, turned), rotated_iou(boxes, boxes), atol=1e-9)


def test_boxes_that_touch_at_an_edge_have_no_overlap():
    assert intersection_areas(np.array([[0, 0, 2, 2, 0.0]]), np.array([[2, 0, 2, 2, 0.0]]))[0, 0] == 0.0


def test_nearly_parallel_boxes_lose_no_area():
    boxes = np.array([[0.0, 0.0, 4.0, 2.0, 0.3]])
    for turn in (1e-16, 1e-12, 1e-8, 1e-6):
        assert rotated_iou(boxes, boxes + np.array([0, 0, 0, 0, turn]))[0, 0] == pytest.approx(1.0, abs=1e-5)


def test_boxes_of_no_size_have_iou_zero_with_themselves():
    flat = np.array([[0, 0, 0, 0, 0.0], [0, 0, 4, 0, 0.5], [0, 0, 0, 2, 9.0]])
    np.testing.assert_array_equal(rotated_iou(flat, flat), 0.0)


def test_nan_and_infinite_boxes_overlap_nothing():
    broken = np.repeat(np.array([[0.0, 0, 2, 2, 0]]), 10, axis=0)
    broken[np.arange(5), np.arange(5)] = np.nan
    broken[np.arange(5, 10), np.arange(5)] = np.inf
    sound = np.array([[0.0, 0, 2, 2, 0]])
    np.testing.assert_array_equal(rotated_iou(broken, sound), 0.0)


@pytest.mark.parametrize("threshold", [0.01, 0.3, 0.7])
def test_nms_keeps_the_boxes_that_the_loop_keeps(threshold):
    boxes, scores = boxes_of(80, 10), np.random.default_rng(11).random(80)
    assert rotated_nms(boxes, scores, threshold).tolist() == nms_by_loop(boxes, scores, threshold)


def test_nms_takes_equal_scores_in_their_given_order():
    boxes = np.array([[0, 0, 2, 2, 0.0], [0.1, 0, 2, 2, 0.0], [9, 9, 2, 2, 0.0]])
    assert rotated_nms(boxes, np.ones(3), 0.5).tolist() == [0, 2]


def test_nms_with_a_threshold_of_zero_keeps_boxes_that_do_not_overlap():
    boxes = np.array([[0, 0, 2, 2, 0.0], [2, 0, 2, 2, 0.0], [8, 0, 2, 2, 0.0]])
    assert rotated_nms(boxes, np.array([0.5, 0.9, 0.7]), 0.0).tolist() == [1, 2, 0]


def test_boxes_with_four_columns_are_refused():
    with pytest.raises(ValueError, match=r"\(rows, 5\)"):
        rotated_iou(np.zeros((3, 4)), np.zeros((3, 5)))


def test_fewer_scores_than_boxes_are_refused():
    with pytest.raises(ValueError, match="one for each box"):
        rotated_nms(np.ones((3, 5)), np.ones(2), 0.5)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.8, 0.85, 0.99, 1.0])
def test_nms_of_a_crowd_keeps_the_boxes_that_all_ious_say(threshold):
    generator = np.random.default_rng(12)
    boxes = np.repeat(boxes_of(20, 13), 20, axis=0) + generator.normal(0, 0.05, (400, 5))
    scores, kept = generator.random(400), []
    boxes[:, 2:4] = np.abs(boxes[:, 2:4])
    boxes[::9] = boxes[1::9][: len(boxes[::9])]
    ious = rotated_iou(boxes, boxes)
    for i in np.argsort(-scores):
        if (ious[kept, i] <= threshold).all():
            kept.append(int(i))
    assert rotated_nms(boxes, scores, threshold).tolist() == kept


def test_a_pair_just_above_a_threshold_counts_as_above_it():
    """Two equal squares with the side 1, moved by (1 - iou) / (1 + iou) against each other: in single precision, as
    mmdet3d's CUDA kernel has it, KITTI's threshold of 0.7 would not be passed."""
    iou = 0.7 + 5.5e-9
    found = rotated_iou(np.array([[0, 0, 1, 1, 0.0]]), np.array([[(1 - iou) / (1 + iou), 0, 1, 1, 0.0]]))[0, 0]
    assert found > 0.7
    assert found == pytest.approx(iou, abs=1e-14)
    assert np.float32(found) == np.float32(0.7)
