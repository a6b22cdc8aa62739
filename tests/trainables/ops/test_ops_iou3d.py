"""Axis-aligned NMS against a loop over pairs."""

import numpy as np
import pytest
import torch

from trainables.ops.iou3d import (
    aligned_nms,
    iou3d_boxes_overlap_bev_forward,
    iou3d_nms3d_forward,
    iou3d_nms3d_normal_forward,
)
from trainables.ops.rotated_boxes import rotated_nms


def iou_by_loop(a, b, offset):
    w = min(a[2], b[2]) - max(a[0], b[0]) + offset
    h = min(a[3], b[3]) - max(a[1], b[1]) + offset
    overlap = max(w, 0) * max(h, 0)
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    return overlap / (sum(areas) - overlap) if overlap else 0.0


def nms_by_loop(boxes, scores, threshold, offset):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(iou_by_loop(boxes[k], boxes[i], offset) <= threshold for k in kept):
            kept.append(i)
    return kept


def corners_of(count, seed=0):
    generator = np.random.default_rng(seed)
    low = generator.uniform(0, 20, (count, 2))
    return np.hstack([low, low + generator.uniform(0, 8, (count, 2))])


def boxes_3d(count, seed=0):
    generator = np.random.default_rng(seed)
    low, high = [-5, -5, -1, 0.5, 0.5, 1, -4], [5, 5, 1, 4, 3, 2, 4]
    return torch.from_numpy(generator.uniform(low, high, (count, 7)).astype(np.float32))


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.05, 0.5])
def test_aligned_nms_keeps_the_boxes_that_the_loop_keeps(threshold, offset):
    boxes, scores = corners_of(150), np.random.default_rng(1).random(150)
    assert aligned_nms(boxes, scores, threshold, offset).tolist() == nms_by_loop(boxes, scores, threshold, offset)


def test_boxes_of_no_size_are_all_kept():
    assert aligned_nms(np.zeros((3, 4)), np.ones(3), 0.5).tolist() == [0, 1, 2]


def test_bev_overlap_of_a_box_with_itself_is_its_footprint():
    boxes, areas = boxes_3d(30), torch.zeros(30, 30)
    iou3d_boxes_overlap_bev_forward(boxes, boxes, areas)
    torch.testing.assert_close(areas.diag(), boxes[:, 3] * boxes[:, 4])


def test_nms_of_sorted_3d_boxes_ignores_their_heights():
    boxes, keep, count = boxes_3d(60), torch.zeros(60, dtype=torch.long), torch.zeros((), dtype=torch.long)
    iou3d_nms3d_forward(boxes, keep, count, nms_overlap_thresh=0.2)
    expected = rotated_nms(boxes.numpy()[:, [0, 1, 3, 4, 6]], -np.arange(60), 0.2)
    assert keep[:count].tolist() == expected.tolist()


def test_normal_nms_of_3d_boxes_takes_every_yaw_as_zero():
    boxes, keep, count = boxes_3d(60), torch.zeros(60, dtype=torch.long), torch.zeros((), dtype=torch.long)
    iou3d_nms3d_normal_forward(boxes, keep, count, nms_overlap_thresh=0.2)
    bev = boxes.double().numpy()[:, [0, 1, 3, 4]]
    corners = np.hstack([bev[:, :2] - bev[:, 2:] / 2, bev[:, :2] + bev[:, 2:] / 2])
    assert keep[:count].tolist() == nms_by_loop(corners, -np.arange(60), 0.2, 0)


def test_boxes_with_five_columns_are_refused():
    with pytest.raises(ValueError, match=r"\(M, 4\)"):
        aligned_nms(np.zeros((3, 5)), np.ones(3), 0.5)
