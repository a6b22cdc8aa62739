"""Ball query on the CPU: the first points within a distance of each center.

CPU twin of mmcv 2.1's `ball_query_forward` (CUDA only, mmcv/ops/csrc/common/cuda/ball_query_cuda_kernel.cuh), which
gathers the neighborhoods of PointNet++'s set abstraction (Qi et al., NeurIPS 2017). As in the kernel, the points of a
ball are the first ones by index, not the nearest; a ball with fewer points is filled up with its first; an empty one
holds index 0 throughout; a point on the center counts whatever the inner radius is.

CPU time of one core of a busy two-core machine (`python tests/benchmarks/bench_operators.py`):
4,096 balls of 0.1 or 0.5 m among 16,384 points take 4 or 5 ms (torch's cdist and topk 600 ms; torch-cluster's `radius`,
which names neighbors in the order of its search tree, 6 or 7 ms).
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.ops.tiles import fill_balls, tiled


def balls(
    points: NDArray[np.floating], centers: NDArray[np.floating], radius: float, count: int, inner: float = 0.0
) -> NDArray[np.int32]:
    """The first points of the ball, or of the shell, around each center.

    Args:
        points: (N, 3) points x, y, z (m); distances are computed in single precision, as in mmcv.
        centers: (M, 3) centers (m).
        radius: points of a ball are nearer than this (m).
        count: indices in a ball.
        inner: points of a ball are this far at least, or on the center (m).

    Returns:
        (M, count) int32 indices in rising order, then the first again; all 0 where the ball is empty.

    Raises:
        ValueError: points are not (N, 3) or centers (M, 3), or the radii are not inner < radius.
    """
    tiles, places = tiled(points), np.array(centers, dtype=np.float32, order="C")
    if places.ndim != 2 or places.shape[1] != 3:
        raise ValueError(f"centers must be (M, 3), got {places.shape}")
    if not inner < radius:
        raise ValueError(f"radii must be inner < radius, got {inner} and {radius}")
    found = np.zeros((len(places), count), np.int32)
    fill_balls(*tiles, places, np.square(np.float32(inner)), np.square(np.float32(radius)), found)
    return found


def ball_query_forward(
    new_xyz_tensor: Tensor,
    xyz_tensor: Tensor,
    idx_tensor: Tensor,
    b: int,
    n: int,
    m: int,
    min_radius: float,
    max_radius: float,
    nsample: int,
) -> None:
    """`mmcv._ext.ball_query_forward`: fills idx (B, m, nsample) for centers (B, m, 3) and points (B, n, 3)."""
    centers, points = new_xyz_tensor.detach().float().numpy(), xyz_tensor.detach().float().numpy()
    for scene in range(b):
        found = balls(points[scene], centers[scene], max_radius, nsample, min_radius)
        idx_tensor[scene].copy_(torch.from_numpy(found))


EXTENSION: dict[str, Callable] = {"ball_query_forward": ball_query_forward}
