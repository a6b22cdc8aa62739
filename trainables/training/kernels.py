"""Which kernels torch uses in this process: those that repeat themselves, and of these the fastest.

On a CPU a sum into few places is never split among threads, or `values[indices]` would have gradients that differ from
pass to pass. On a GPU cuDNN tries its kernels once per shape of a batch, and maps lie with their channels last, as its
convolutions read them. That choice follows clocks and changes last digits, so records name it beside cuDNN's version.

torch.compile is not used: whether it pays has not been measured on a GPU.
"""

from typing import Any

import torch
from torch import Tensor, nn


def settle() -> None:
    """Decide for this process, before anything is built in it."""
    torch.backends.cudnn.deterministic = True  # what is left to chance on a GPU is the order of mmcv's atomic sums
    torch.backends.cudnn.benchmark = torch.cuda.is_available()
    if not torch.cuda.is_available():
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs time


def lay_out(network: Any) -> Any:
    """The same network; on a GPU its backbone gets maps with their channels last."""
    if next(network.parameters()).is_cuda:
        backbone = network.backbone if hasattr(network, "backbone") else network.pts_backbone
        backbone.register_forward_pre_hook(channels_last)
    return network


def channels_last(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """A hook: B x C x H x W maps keep their values and change their order in memory; other inputs stay."""
    return tuple(
        value.contiguous(memory_format=torch.channels_last) if isinstance(value, Tensor) and value.dim() == 4 else value
        for value in inputs
    )


def named() -> dict[str, str]:
    """What of it a record names, among its versions."""
    if not torch.cuda.is_available():
        return {}
    return {"cudnn": f"{torch.backends.cudnn.version()} (benchmark, channels last)"}
