"""RoI point pooling on the CPU: the points of each proposal, with their features.

CPU twin of mmcv 2.1's `roipoint_pool3d_forward` (CUDA only, mmcv/ops/csrc/common/cuda/roipoint_pool3d_cuda_kernel.cuh;
behind `mmcv.ops.RoIPointPool3d`), the second stage of PointRCNN (Shi et al., CVPR 2019). As in the kernel, the points
of a box are the first ones by index; a box with fewer points is filled up by repeating them in turn; an empty one holds
zeros and is flagged. Which points a box holds is said by `points_in_boxes`, in double precision where mmcv has single.

CPU time of one core of a busy two-core machine (`python tests/benchmarks/bench_operators.py`):
512 points with 130 features for 128 boxes from 16,384 points take 15 ms (numpy 50 ms).
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.ops.points_in_boxes import points_in_boxes


def first_points(
    points: NDArray[np.floating], boxes: NDArray[np.floating], count: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The first points of each box, repeated in turn where there are fewer than wanted.

    Args:
        points: (N, 3) points x, y, z (m).
        boxes: (M, 7) boxes x, y, z of the bottom's center, dx, dy, dz (m), yaw (rad).
        count: points wanted in a box.

    Returns:
        (M, count) indices, zeros where the box is empty; (M,) True where it is.

    Raises:
        ValueError: points are not (N, 3) or boxes are not (M, 7).
    """
    inside = points_in_boxes(points, boxes)
    indices = np.zeros((len(inside), count), np.int64)
    empty = np.array([not box.any() for box in inside], dtype=np.bool_)
    for box in np.flatnonzero(~empty):
        indices[box] = np.resize(np.flatnonzero(inside[box])[:count], count)
    return indices, empty


def roipoint_pool3d_forward(
    xyz: Tensor, boxes3d: Tensor, pts_feature: Tensor, pooled_features: Tensor, pooled_empty_flag: Tensor
) -> None:
    """`mmcv._ext.roipoint_pool3d_forward`: fills pooled_features (B, M, K, 3 + C) and pooled_empty_flag (B, M).

    Takes points xyz (B, N, 3), boxes3d (B, M, 7) and pts_feature (B, N, C).
    """
    for scene, pooled in enumerate(pooled_features):
        cloud, places = xyz[scene].detach().float(), boxes3d[scene].detach().float()
        indices, empty = first_points(cloud.numpy(), places.numpy(), pooled.shape[1])
        table = torch.cat([xyz[scene].detach().to(pooled.dtype), pts_feature[scene].detach().to(pooled.dtype)], dim=1)
        if not empty.all():
            torch.index_select(table, 0, torch.from_numpy(indices).flatten(), out=pooled.view(-1, table.shape[1]))
            pooled[torch.from_numpy(empty)] = 0
        pooled_empty_flag[scene].copy_(torch.from_numpy(empty))


EXTENSION: dict[str, Callable] = {"roipoint_pool3d_forward": roipoint_pool3d_forward}
