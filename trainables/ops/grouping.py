"""Features of chosen points on the CPU, with gradients.

CPU twins of mmcv 2.1's `gather_points_forward`, `gather_points_backward`, `group_points_forward` and
`group_points_backward` (CUDA only, mmcv/ops/csrc/common/cuda/gather_points_cuda_kernel.cuh and
group_points_cuda_kernel.cuh), behind `mmcv.ops.gather_points` and `grouping_operation`. Backwards a feature that was
taken several times gets the sum of the gradients, here always added in the same order.

Plain torch: a loop compiled by numba is no faster. CPU time of one core of a busy two-core machine
(`python tests/benchmarks/bench_operators.py`): 96 channels of 1,024 x 32 points take 4 ms, and 6 ms backwards.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def gather_points_forward(
    points_tensor: Tensor, idx_tensor: Tensor, out_tensor: Tensor, b: int, c: int, n: int, npoints: int
) -> None:
    """`mmcv._ext.gather_points_forward`: fills out (B, C, npoints) with features (B, C, n) at idx (B, npoints)."""
    torch.gather(points_tensor.detach(), 2, _for_all_channels(idx_tensor, c), out=out_tensor)


def gather_points_backward(
    grad_out_tensor: Tensor, idx_tensor: Tensor, grad_points_tensor: Tensor, b: int, c: int, n: int, npoints: int
) -> None:
    """`mmcv._ext.gather_points_backward`: adds grad_out (B, C, npoints) to grad_points (B, C, n) at idx."""
    grad_points_tensor.scatter_add_(2, _for_all_channels(idx_tensor, c), grad_out_tensor)


def group_points_forward(
    points_tensor: Tensor, idx_tensor: Tensor, out_tensor: Tensor, b: int, c: int, n: int, npoints: int, nsample: int
) -> None:
    """`mmcv._ext.group_points_forward`: fills out (B, C, npoints, nsample) with features (B, C, n) at idx."""
    torch.gather(points_tensor.detach(), 2, _for_all_channels(idx_tensor, c), out=out_tensor.view(b, c, -1))


def group_points_backward(
    grad_out_tensor: Tensor,
    idx_tensor: Tensor,
    grad_points_tensor: Tensor,
    b: int,
    c: int,
    n: int,
    npoints: int,
    nsample: int,
) -> None:
    """`mmcv._ext.group_points_backward`: adds grad_out (B, C, npoints, nsample) to grad_points (B, C, n) at idx."""
    grad_points_tensor.scatter_add_(2, _for_all_channels(idx_tensor, c), grad_out_tensor.flatten(2))


def _for_all_channels(indices: Tensor, channels: int) -> Tensor:
    """(B, ...) indices as a (B, C, rest) view of int64."""
    return indices.flatten(1).long().unsqueeze(1).expand(-1, channels, -1)


EXTENSION: dict[str, Callable] = {
    "gather_points_forward": gather_points_forward,
    "gather_points_backward": gather_points_backward,
    "group_points_forward": group_points_forward,
    "group_points_backward": group_points_backward,
}
