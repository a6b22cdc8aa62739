"""Gradients clipped as mmdet3d's configs say, with a count of how often that took something away.

Student and adapters are clipped by one norm, as in the released codes; a method whose terms are sums rather than means
(OFD, CRD) can then slow its student down through its adapters' gradients. `training.clip_adapters_apart` gives each
a norm of its own. The count stays on the device until an epoch ends, so that no step waits for it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor, nn

from study.nouns.frozen import Frozen


class GradientTally(Frozen):
    """What became of the gradients of some steps; norms are those of the student's gradient before clipping, with the
    adapters' where they are not apart. Steps that mixed precision skips have no norm and are left out."""

    steps: float = 0.0
    norms: float = 0.0
    clipped: float = 0.0

    def __add__(self, other: "GradientTally") -> "GradientTally":
        """Both together."""
        return GradientTally(
            steps=self.steps + other.steps, norms=self.norms + other.norms, clipped=self.clipped + other.clipped
        )

    @property
    def facts(self) -> dict[str, float]:
        """Mean norm and share of clipped steps; nothing where nothing was counted."""
        if not self.steps:
            return {}
        return {"gradient_norm": self.norms / self.steps, "clipped_share": self.clipped / self.steps}


class _Counted(OptimWrapper):
    apart: Sequence[nn.Parameter] = ()
    """Parameters that are clipped by a norm of their own."""
    _counts: Tensor | None = None

    def _clip_grad(self) -> None:
        own = {id(parameter) for parameter in self.apart}
        groups = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        trained = [parameter for parameter in groups if parameter.requires_grad and parameter.grad is not None]
        together = [parameter for parameter in trained if id(parameter) not in own]
        adapters = [parameter for parameter in trained if id(parameter) in own]
        if adapters:
            self.clip_func(adapters, **self.clip_grad_kwargs)
        if together:
            norm = self.clip_func(together, **self.clip_grad_kwargs).detach().double()
            finite = norm.isfinite()
            clipped = norm.gt(self.clip_grad_kwargs["max_norm"]) & finite
            counts = torch.stack([finite.double(), norm.where(finite, 0.0), clipped.double()])
            self._counts = counts if self._counts is None else self._counts + counts

    def tally(self) -> GradientTally:
        """What was counted since the last call; waits for the device."""
        if self._counts is None:
            return GradientTally()
        steps, norms, clipped = self._counts.tolist()
        self._counts = None
        return GradientTally(steps=steps, norms=norms, clipped=clipped)


@OPTIM_WRAPPERS.register_module(force=True)
class CountedOptimWrapper(_Counted):
    """mmengine's `OptimWrapper`, counted."""


@OPTIM_WRAPPERS.register_module(force=True)
class CountedAmpOptimWrapper(_Counted, AmpOptimWrapper):
    """mmengine's `AmpOptimWrapper` for mixed precision, counted."""


def tally_of(wrapper: Any) -> GradientTally:
    """What an optimizer's wrapper counted, if it counts."""
    return wrapper.tally() if isinstance(wrapper, _Counted) else GradientTally()


def counts_of(wrapper: Any) -> Tensor | None:
    """What it has counted since the last tally, for a checkpoint between two steps."""
    counts = wrapper._counts if isinstance(wrapper, _Counted) else None
    return None if counts is None else counts.cpu()


def count_on(wrapper: Any, counts: Tensor | None) -> None:
    """Go on counting from there."""
    if isinstance(wrapper, _Counted):
        wrapper._counts = None if counts is None else counts.to(wrapper.optimizer.param_groups[0]["params"][0].device)
