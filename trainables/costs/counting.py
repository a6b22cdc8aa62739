"""Counting the arithmetic of a detector while it predicts.

PyTorch's FlopCounterMode sees every convolution, linear layer and matrix product, whoever calls it: set abstraction,
feature propagation and second stages are in the count. Sparse convolutions run in libraries of their own; counted are
the pairs of an input and an output site that a kernel position joins, times input and output channels. One
multiply-add is one operation. Counting costs about as much as predicting.

Counted is what runs on this device: the CPU's pillar layer leaves out the padding, 0.3 % of PointPillars.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Count:
    """What one forward pass computes.

    Attributes:
        products: multiply-adds of convolutions, linear layers and matrix products.
        sparse: multiply-adds of sparse convolutions.
        elementwise: what mmcv 1.x's counter adds: 2 per batch-normalized value, 1 per value of a ReLU or a bias.
    """

    products: int
    sparse: int
    elementwise: int

    @property
    def multiply_adds(self) -> int:
        """All of them."""
        return self.products + self.sparse


@torch.no_grad()
def count(network: Any, frame: dict[str, Any]) -> Count:
    """Count what a detector computes to predict one collated frame."""
    counter = FlopCounterMode(display=False)
    sparse = elementwise = seen_inside = before = 0

    def enter(module: Any, inputs: Any) -> None:
        nonlocal before
        before = counter.get_total_flops()

    def leave(module: Any, inputs: Any, output: Any) -> None:
        nonlocal sparse, seen_inside
        sparse += site_pairs(module, inputs[0], output) * module.in_channels * module.out_channels
        # On the CPU spconv calls torch's matrix product, which is counted; elsewhere its own kernels, which are not.
        seen_inside += counter.get_total_flops() - before

    def touch(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal elementwise
        elementwise += _touched(module) * output.numel()

    with counter, _hooked(network, enter, leave, touch):
        network.test_step(frame)
    return Count((counter.get_total_flops() - seen_inside) // 2, sparse, elementwise)


def site_pairs(module: Any, inputs: Any, output: Any) -> int:
    """Pairs of an input and an output site that a position of a sparse convolution's kernel joins.

    Args:
        module: a sparse convolution of spconv or mmcv, not a transposed one.
        inputs: its SparseConvTensor, sites (V, 4) batch and cell along each axis.
        output: what it returned.

    Raises:
        RuntimeError: a transposed or inverse convolution.
    """
    if module.transposed or module.inverse:
        raise RuntimeError(f"{type(module).__name__} is not counted: transposed sparse convolutions are in no detector")
    there, shape = inputs.indices.long(), torch.tensor(inputs.spatial_shape, device=inputs.indices.device)
    kernel, stride, padding, dilation = (
        shape.new_tensor(list(value)) for value in (module.kernel_size, module.stride, module.padding, module.dilation)
    )
    if module.subm:  # output sites are the input sites, whatever stride and padding say
        stride, padding = torch.ones_like(stride), kernel // 2 * dilation
    positions = torch.cartesian_prod(*(torch.arange(k, device=shape.device) for k in kernel.tolist()))
    sites = output.indices.long()
    cells = sites[:, 1:] * stride - padding + (positions * dilation).unsqueeze(1)  # positions x sites x axes
    inside = ((cells >= 0) & (cells < shape)).all(-1)
    wanted = _numbered(sites[:, :1].expand(len(positions), -1, 1), cells, shape)[inside]
    known = _numbered(there[:, :1], there[:, 1:], shape).sort().values
    nearest = torch.searchsorted(known, wanted).clamp(max=len(known) - 1)
    return int((known[nearest] == wanted).sum())


def _numbered(scan: Tensor, cells: Tensor, shape: Tensor) -> Tensor:
    """One number per cell, the same for the same cell of the same scan."""
    number = scan[..., 0]
    for axis, size in enumerate(shape.tolist()):
        number = number * size + cells[..., axis]
    return number


def _touched(module: nn.Module) -> int:
    """Operations per value of a module's output that are no multiply-adds of a product."""
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return 2
    if isinstance(module, nn.modules.conv._ConvNd):
        return int(module.bias is not None)
    return int(isinstance(module, nn.ReLU))


@contextmanager
def _hooked(network: nn.Module, enter: Callable, leave: Callable, touch: Callable) -> Iterator[None]:
    handles = []
    for module in network.modules():
        if hasattr(module, "subm"):  # spconv's and mmcv's sparse convolutions
            handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        elif _touched(module):
            handles.append(module.register_forward_hook(touch))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
