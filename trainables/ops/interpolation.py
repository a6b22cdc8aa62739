"""The three nearest points, and features interpolated between them, on the CPU, with gradients.

CPU twins of mmcv 2.1's `three_nn_forward`, `three_interpolate_forward` and `three_interpolate_backward` (CUDA only,
mmcv/ops/csrc/common/cuda/three_nn_cuda_kernel.cuh and three_interpolate_cuda_kernel.cuh), which carry features from
few points to many in PointNet++'s feature propagation (Qi et al., NeurIPS 2017). Of points that are equally near the
first comes first. Where there are fewer than three, or a coordinate of the target is NaN, the distance of the missing
ones is infinite and their index 0, so that their weight, which falls with the distance, is 0 too.

Backwards a feature that served several points gets the sum of the gradients, here always added in the same order.

CPU time of one core of a busy two-core machine (`python tests/benchmarks/bench_operators.py`): three nearest of 4,096
for 16,384 points 11 ms (torch's cdist and topk 160 ms; torch-cluster's `knn`, which knows no order of ties, 8 ms), 256
channels interpolated 10 ms, and 9 ms backwards (torch's gather and scatter_add_ 80 and 45 ms).
"""

from collections.abc import Callable

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from trainables.ops.tiles import find_three, tiled

Floats = NDArray[np.floating]
Integers = NDArray[np.int32]


@njit(nogil=True, cache=True)
def _interpolate(features: Floats, indices: Integers, weights: Floats, interpolated: Floats) -> None:
    for b in range(len(features)):
        for c in range(features.shape[1]):
            row, to = features[b, c], interpolated[b, c]
            for n in range(len(to)):
                i, w = indices[b, n], weights[b, n]
                to[n] = w[0] * row[i[0]] + w[1] * row[i[1]] + w[2] * row[i[2]]


@njit(nogil=True, cache=True)
def _distribute(gradients: Floats, indices: Integers, weights: Floats, features: Floats) -> None:
    for b in range(len(gradients)):
        for c in range(gradients.shape[1]):
            row, to = gradients[b, c], features[b, c]
            for n in range(len(row)):
                for j in range(3):
                    to[indices[b, n, j]] += row[n] * weights[b, n, j]


def three_nearest(targets: Floats, sources: Floats) -> tuple[Floats, Integers]:
    """The three points of a cloud that are nearest to each target.

    Args:
        targets: (N, 3) positions x, y, z (m), float32 or float64.
        sources: (M, 3) points of the cloud (m).

    Returns:
        (N, 3) squared distances (m2) in the precision of the targets, nearest first; (N, 3) int32 indices.

    Raises:
        ValueError: targets are not (N, 3) or sources (M, 3).
    """
    kind = np.float64 if np.asarray(targets).dtype == np.float64 else np.float32
    places: Floats = np.array(targets, dtype=kind, order="C")
    if places.ndim != 2 or places.shape[1] != 3:
        raise ValueError(f"targets must be (N, 3), got {places.shape}")
    distances, indices = np.full(places.shape, np.inf, kind), np.zeros(places.shape, np.int32)
    find_three(*tiled(sources, kind), places, distances, indices)
    return distances, indices


def three_nn_forward(
    unknown_tensor: Tensor, known_tensor: Tensor, dist2_tensor: Tensor, idx_tensor: Tensor, b: int, n: int, m: int
) -> None:
    """`mmcv._ext.three_nn_forward`: fills dist2 and idx (B, n, 3) for targets (B, n, 3) and sources (B, m, 3)."""
    targets, sources = _floats(unknown_tensor), _floats(known_tensor)
    for scene in range(b):
        distances, indices = three_nearest(targets[scene].numpy(), sources[scene].numpy())
        dist2_tensor[scene].copy_(torch.from_numpy(distances))
        idx_tensor[scene].copy_(torch.from_numpy(indices))


def three_interpolate_forward(
    points_tensor: Tensor, idx_tensor: Tensor, weight_tensor: Tensor, out_tensor: Tensor, b: int, c: int, m: int, n: int
) -> None:
    """`mmcv._ext.three_interpolate_forward`: fills out (B, C, n) from features (B, C, m), idx and weight (B, n, 3)."""
    features, indices = _floats(points_tensor), _indices(idx_tensor, m)
    interpolated = torch.empty(out_tensor.shape, dtype=features.dtype)
    _interpolate(features.numpy(), indices, weight_tensor.detach().to(features.dtype).numpy(), interpolated.numpy())
    out_tensor.copy_(interpolated)


def three_interpolate_backward(
    grad_out_tensor: Tensor,
    idx_tensor: Tensor,
    weight_tensor: Tensor,
    grad_points_tensor: Tensor,
    b: int,
    c: int,
    n: int,
    m: int,
) -> None:
    """`mmcv._ext.three_interpolate_backward`: adds grad_out (B, C, n) to grad_points (B, C, m)."""
    gradients, indices = _floats(grad_out_tensor), _indices(idx_tensor, m)
    sums = torch.zeros(grad_points_tensor.shape, dtype=gradients.dtype)
    _distribute(gradients.numpy(), indices, weight_tensor.detach().to(gradients.dtype).numpy(), sums.numpy())
    grad_points_tensor.add_(sums)


def _floats(values: Tensor) -> Tensor:
    """Detached, contiguous and in double or single precision: the two for which the loops are compiled."""
    values = values.detach().contiguous()
    return values if values.dtype == torch.float64 else values.float()


def _indices(values: Tensor, count: int) -> Integers:
    """Checked, because a compiled loop reads and writes wherever an index points."""
    if values.numel() and not 0 <= int(values.min()) <= int(values.max()) < count:
        raise ValueError(f"indices must be from 0 to {count - 1}, got {int(values.min())} to {int(values.max())}")
    return values.int().contiguous().numpy()


EXTENSION: dict[str, Callable] = {
    "three_nn_forward": three_nn_forward,
    "three_interpolate_forward": three_interpolate_forward,
    "three_interpolate_backward": three_interpolate_backward,
}
