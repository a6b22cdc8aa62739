"""Axis-aligned NMS, and the bird's-eye-view overlap and NMS of 3-D boxes, on the CPU.

CPU twins of mmcv 2.1's compiled `nms` (mmcv/ops/csrc/pytorch/cpu/nms.cpp; mmdet3d's `nms_normal_bev` calls it) and of
`iou3d_boxes_overlap_bev_forward`, `iou3d_nms3d_forward` and `iou3d_nms3d_normal_forward` (CUDA only, mmcv/ops/csrc/
common/cuda/iou3d_cuda_kernel.cuh; behind `mmcv.ops.nms3d`, `nms3d_normal`, `boxes_overlap_bev` and `boxes_iou3d`).
Heights play no part in any of them. Degenerate boxes overlap nothing, where the compiled `nms` divides 0 by 0.

Differs from the CUDA operators: they count a corner as inside up to 1 cm outside of the other box, so that their
overlap of touching boxes is too large by up to that margin; here it is exact (`rotated_boxes`).

Measured on one core of a shared two-core machine (`python tests/benchmarks/bench_operators.py`):
axis-aligned NMS of 1,000 boxes takes 0.2 ms (Python loop: 35 ms).
"""

from collections.abc import Callable

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from trainables.ops.rotated_boxes import intersection_areas, rotated_nms

_BEV_COLUMNS = [0, 1, 3, 4, 6]  # x, y, dx, dy, yaw of a box x, y, z, dx, dy, dz, yaw


@njit(nogil=True, cache=True)
def _suppress(corners: NDArray[np.float64], threshold: float, offset: float) -> NDArray[np.bool_]:
    areas = (corners[:, 2] - corners[:, 0] + offset) * (corners[:, 3] - corners[:, 1] + offset)
    kept = np.ones(len(corners), dtype=np.bool_)
    for i in range(len(corners)):
        if kept[i]:
            for j in range(i + 1, len(corners)):
                w = min(corners[i, 2], corners[j, 2]) - max(corners[i, 0], corners[j, 0]) + offset
                h = min(corners[i, 3], corners[j, 3]) - max(corners[i, 1], corners[j, 1]) + offset
                if kept[j] and w > 0.0 and h > 0.0:
                    kept[j] = not (w * h > threshold * (areas[i] + areas[j] - w * h))
    return kept


def aligned_nms(
    boxes: NDArray[np.floating], scores: NDArray[np.floating], threshold: float, offset: int = 0
) -> NDArray[np.int64]:
    """Keep the best-scored axis-aligned boxes of which none overlaps a better kept one by more than a threshold.

    Args:
        boxes: (M, 4) boxes x1, y1, x2, y2 (m or pixels).
        scores: (M,) scores; boxes of equal score are taken in their given order.
        threshold: largest IoU that two kept boxes may have.
        offset: added to widths and heights; 1 where x2 and y2 name the last pixel inside.

    Returns:
        (K,) indices of the kept boxes, best score first.

    Raises:
        ValueError: boxes are not (M, 4) or scores are not (M,).
    """
    rows = np.ascontiguousarray(boxes, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 4 or np.shape(scores) != (len(rows),):
        raise ValueError(f"boxes must be (M, 4) and scores (M,), got {rows.shape} and {np.shape(scores)}")
    order = np.argsort(-np.asarray(scores), kind="stable")
    return order[_suppress(rows[order], float(threshold), float(offset))]


def nms(bboxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """`mmcv._ext.nms`: (K,) int64 kept indices of bboxes (M, 4) by scores (M,), best first."""
    return torch.from_numpy(aligned_nms(bboxes.detach().numpy(), scores.detach().numpy(), iou_threshold, offset))


def iou3d_boxes_overlap_bev_forward(boxes_a: Tensor, boxes_b: Tensor, ans_overlap: Tensor) -> None:
    """`mmcv._ext.iou3d_boxes_overlap_bev_forward`: fills ans_overlap (N, M) with areas (m2) of boxes (N, 7), (M, 7)."""
    areas = intersection_areas(_bev(boxes_a), _bev(boxes_b))
    ans_overlap.copy_(torch.from_numpy(areas))


def iou3d_nms3d_forward(boxes: Tensor, keep: Tensor, num_out: Tensor, nms_overlap_thresh: float) -> None:
    """`mmcv._ext.iou3d_nms3d_forward`: rotated NMS of boxes (M, 7) sorted by score; fills keep (M,) and num_out ()."""
    kept = rotated_nms(_bev(boxes), np.arange(len(boxes), 0.0, -1.0), nms_overlap_thresh)
    _report(kept, keep, num_out)


def iou3d_nms3d_normal_forward(boxes: Tensor, keep: Tensor, num_out: Tensor, nms_overlap_thresh: float) -> None:
    """`mmcv._ext.iou3d_nms3d_normal_forward`: the same with every yaw taken as 0."""
    bev = _bev(boxes)
    corners = np.hstack([bev[:, :2] - bev[:, 2:4] / 2, bev[:, :2] + bev[:, 2:4] / 2])
    _report(aligned_nms(corners, np.arange(len(boxes), 0.0, -1.0), nms_overlap_thresh), keep, num_out)


def _bev(boxes: Tensor) -> NDArray[np.float64]:
    return boxes.detach().double().numpy()[:, _BEV_COLUMNS]


def _report(kept: NDArray[np.int64], keep: Tensor, num_out: Tensor) -> None:
    keep[: len(kept)] = torch.from_numpy(kept)
    num_out.fill_(len(kept))


EXTENSION: dict[str, Callable] = {
    "nms": nms,
    "iou3d_boxes_overlap_bev_forward": iou3d_boxes_overlap_bev_forward,
    "iou3d_nms3d_forward": iou3d_nms3d_forward,
    "iou3d_nms3d_normal_forward": iou3d_nms3d_normal_forward,
}
