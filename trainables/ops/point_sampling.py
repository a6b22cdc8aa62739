"""Furthest point sampling on the CPU: points spread over a cloud, each as far as can be from all those before it.

CPU twins of mmcv 2.1's `furthest_point_sample` and `furthest_point_sample_with_dist` (CUDA only, mmcv/ops/csrc/common/
cuda/furthest_point_sample_cuda_kernel.cuh; the first one's Python code allocates CUDA tensors, so it is replaced as a
whole). They choose the centers of PointNet++'s set abstraction (Qi et al., NeurIPS 2017), PointRCNN's backbone. As in
the kernel, the first point is the one at index 0, and squared distances count as 1e10 at most. Points that are equally
far are decided as the kernel's threads do: thread `index modulo threads` keeps its first, then pairs of threads are
compared, those half of all apart first and neighbors last, and the lower one keeps a tie. So an even thread comes
before an odd one, among the even ones a multiple of four before the others, and so on.

Differs from the kernel: a point with a NaN or infinite coordinate is chosen only where there is no other (there it
would be chosen for all the rest), and products are rounded before they are added, where CUDA's compiler may fuse both.

CPU time of one core of a busy two-core machine (`python tests/benchmarks/bench_operators.py`):
4,096 of 16,384 points take 7 ms (the same loop of torch calls 540 ms, torch-cluster's `fps` 500 ms).
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.ops.tiles import NEVER, sample, sample_rows, tiled

LARGEST = np.float32(1e10)
"""m2; mmcv fills the distances with it before the first point is chosen."""


def furthest_points(points: NDArray[np.floating], count: int) -> NDArray[np.int32]:
    """Choose points one by one, each the furthest from those chosen before it, starting with the first.

    Args:
        points: (N, 3) points x, y, z (m); their distances are computed in single precision, as in mmcv.
        count: number of points to choose. Beyond N, and where all others lie on chosen ones, index 0 comes again.

    Returns:
        (count,) int32 indices.

    Raises:
        ValueError: points are not (N, 3), or there are none to choose from.
    """
    cloud = np.array(points, dtype=np.float32)
    sound = np.isfinite(cloud)
    tiles = tiled(np.where(sound, cloud, 0))
    chosen = _room_for(count, len(cloud))
    nearest = np.where(np.all(sound[tiles.order], axis=1), LARGEST, NEVER)
    if count > 0:
        sample(*tiles, nearest, _threads(len(cloud)), chosen)
    return chosen


def furthest_rows(distances: NDArray[np.floating], count: int) -> NDArray[np.int32]:
    """`furthest_points` for given distances, such as those between features.

    Args:
        distances: (N, N) squared distances; those that are NaN count as 1e10.
        count: number of points to choose.

    Returns:
        (count,) int32 indices.

    Raises:
        ValueError: distances are not (N, N), or there are no points to choose from.
    """
    rows = np.array(distances, dtype=np.float32, order="C")
    if rows.ndim != 2 or rows.shape[0] != rows.shape[1]:
        raise ValueError(f"distances must be (N, N), got {rows.shape}")
    rows[np.isnan(rows)] = LARGEST
    chosen = _room_for(count, len(rows))
    sample_rows(rows, np.full(len(rows), LARGEST), _threads(len(rows)), chosen)
    return chosen


def _room_for(count: int, available: int) -> NDArray[np.int32]:
    if count > 0 and not available:
        raise ValueError(f"points must be there to choose {count} of them, got none")
    return np.zeros(count, np.int32)


def _threads(points: int) -> int:
    """Threads of the CUDA kernel: the largest power of two up to the number of points and 1,024."""
    return min(1 << max(points, 1).bit_length() - 1, 1024)


def furthest_point_sample(points_xyz: Tensor, num_points: int) -> Tensor:
    """`mmcv.ops.furthest_point_sample`.

    Args:
        points_xyz: (B, N, 3) points x, y, z (m).
        num_points: points to choose in each scene.

    Returns:
        (B, num_points) int32 indices. Differentiable with respect to nothing.

    Raises:
        ValueError: the points of a scene are not (N, 3), or there are none.
    """
    clouds = points_xyz.detach().float().numpy()
    return torch.from_numpy(np.stack([furthest_points(cloud, num_points) for cloud in clouds]))


def furthest_point_sampling_with_dist_forward(
    points_tensor: Tensor, temp_tensor: Tensor, idx_tensor: Tensor, b: int, n: int, m: int
) -> None:
    """`mmcv._ext.furthest_point_sampling_with_dist_forward`: fills idx (B, m) for distances (B, n, n)."""
    for distances, chosen in zip(points_tensor.detach().float().numpy(), idx_tensor, strict=True):
        chosen.copy_(torch.from_numpy(furthest_rows(distances, m)))


EXTENSION: dict[str, Callable] = {
    "furthest_point_sampling_with_dist_forward": furthest_point_sampling_with_dist_forward
}
REPLACES: dict[str, dict[str, Callable]] = {
    "mmcv.ops.furthest_point_sample": {"furthest_point_sample": furthest_point_sample},
    "mmcv.ops.points_sampler": {"furthest_point_sample": furthest_point_sample},
}
