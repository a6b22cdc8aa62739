"""Batch norm over the frames of all processes of a run, on the CPU.

`torch.nn.SyncBatchNorm` (PyTorch 2.13) refuses tensors on the CPU; it serves on GPUs. Same result but for rounding:
mean and biased variance of all rows normalize, the unbiased variance goes into the running average (Ioffe and Szegedy,
ICML 2015, algorithm 1, over all processes). Processes may hold different numbers of rows, also none. Where no process
has a row, averages stay as they are; a single row in all has no variance and is refused, as torch's batch norm does.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import Function
from torch.nn.modules.batchnorm import _BatchNorm


class CpuSyncBatchNorm(_BatchNorm):
    """`nn.SyncBatchNorm` for tensors on the CPU. No subclass of it: DistributedDataParallel refuses those there."""

    @classmethod
    def convert_sync_batchnorm(cls, module: nn.Module) -> None:
        """Exchange every batch norm inside `module`; weights, averages and names stay."""
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                one = cls(child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats)
                one.load_state_dict(child.state_dict())
                module.add_module(name, one.train(child.training))
            cls.convert_sync_batchnorm(child)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions from two on."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize.

        Args:
            input: R x C, or R x C x ... .

        Returns:
            Of the same shape.

        Raises:
            ValueError: in training, one row in all processes together.
        """
        if not self.training or not dist.is_initialized():
            return super().forward(input)
        others = [axis for axis in range(input.dim()) if axis != 1]
        shape = [1, -1] + [1] * (input.dim() - 2)
        totals = _Sum.apply(torch.cat([input.sum(others), input.new_tensor([input.numel() // input.shape[1]])]))
        rows = int(totals[-1])
        if rows == 1:
            raise ValueError(
                f"batch norm needs more than 1 value per channel in training; {list(input.shape)} here is all that the "
                "processes of this run hold together"
            )
        mean = totals[:-1] / max(rows, 1)
        deviation = input - mean.view(shape)
        variance = _Sum.apply(deviation.square().sum(others)) / max(rows, 1)
        if rows and self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            self._follow(mean.detach(), variance.detach() * (rows / (rows - 1)))
        scale = torch.rsqrt(variance + self.eps) * (1 if self.weight is None else self.weight)
        shift = 0 if self.bias is None else self.bias.view(shape)
        return deviation * scale.view(shape) + shift

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


class _Sum(Function):
    """The sum over all processes, which each of them gets; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _summed(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _summed(gradient)


def _summed(values: Tensor) -> Tensor:
    total = values.detach().clone()
    dist.all_reduce(total)
    return total
