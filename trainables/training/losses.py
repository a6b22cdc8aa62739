"""The loss terms of an epoch: added up step by step, refused once they are no numbers any more."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import all_gather_object
from torch import Tensor

from trainables.training.failing import DivergedError


class EpochLosses:
    """Sums of every term, of this process."""

    def __init__(self) -> None:
        self.steps = 0
        self._sums: dict[str, float] = defaultdict(float)

    def add(self, terms: Mapping[str, Tensor], epoch: int) -> None:
        """Add a step's terms, scalars by name of which `loss` is trained on. Waits for the device, once.

        Args:
            epoch: counted from 1, for the error.

        Raises:
            DivergedError: the loss is not finite.
        """
        found = torch.stack([term.detach().double() for term in terms.values()]).tolist()
        values = dict(zip(terms, found, strict=True))
        self.steps += 1
        if not math.isfinite(values["loss"]):
            said = ", ".join(f"{name}={value:g}" for name, value in values.items())
            raise DivergedError(f"the loss is not finite in epoch {epoch}, step {self.steps}: {said}")
        for name, value in values.items():
            self._sums[name] += value

    def state(self) -> dict[str, Any]:
        """What a checkpoint between two steps keeps of it."""
        return {"steps": self.steps, "sums": dict(self._sums)}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on adding where `state` ended."""
        self.steps = state["steps"]
        self._sums.update(state["sums"])

    def means(self) -> dict[str, float]:
        """Mean of every term over the steps of all processes that train the run."""
        sums, steps = zip(*all_gather_object((dict(self._sums), self.steps)), strict=True)
        return {name: sum(each.get(name, 0.0) for each in sums) / sum(steps) for name in sums[0]}
