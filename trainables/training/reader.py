"""Reading the features that a method asks for out of a detector, of a batch that is left as it was.

Detectors write into what they are given: mmdet3d's legacy pillar encoder puts offsets in the place of its voxels'
coordinates, its anchor heads replace boxes by their tensor. So every pass gets a copy of the batch, and teacher,
student and distiller all see the batch itself.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor

from trainables.detectors import DetectorSpec
from trainables.detectors.parts.taps import read
from trainables.features import Batch, Features


class Reader:
    """Reads the features a method asks for out of one detector of a family."""

    def __init__(self, network: BaseModel, spec: DetectorSpec, names: Iterable[str]) -> None:
        """Read `names`, fields of `Features`, from `network`, a detector of the family `spec`."""
        self.network = network
        self.spec = spec
        self.readings = {name: spec.readings[name] for name in names}
        self.taps = tuple(dict.fromkeys(tap for reading in self.readings.values() for tap in reading.taps))

    def features(self, batch: Batch) -> Features:
        """Features without gradient; runs no further than the last tap."""
        own = Batch(copied(batch.inputs), batch.samples)
        with torch.no_grad():
            seen, _ = read(
                self.network, self.spec.taps, self.taps,
                lambda: self.spec.forward(self.network, own), stop_early=True,
            )  # fmt: skip
            return self._features(seen, batch)

    def features_and_losses(self, batch: Batch, truth: Batch) -> tuple[Features, dict[str, Any]]:
        """Features with gradient, and the detector's own losses against `truth`, of one forward pass."""
        inputs, samples = copied(batch.inputs), copy.deepcopy(truth.samples)
        with _asked_once(self.network, self.spec.targets, truth):
            seen, losses = read(self.network, self.spec.taps, self.taps, lambda: self.network(inputs, samples, "loss"))
        return self._features(seen, batch), losses

    def _features(self, seen: Mapping[str, Any], batch: Batch) -> Features:
        seen = {name: _in_float32(output) for name, output in seen.items()}
        return Features(**{n: reading.build(seen, batch, self.network) for n, reading in self.readings.items()})


@contextmanager
def _asked_once(network: BaseModel, function: str, batch: Batch) -> Iterator[None]:
    """Inside, a function of the network (its dotted name) answers what it has answered for the batch before."""
    owner = network.get_submodule(function.rpartition(".")[0])
    name = function.rpartition(".")[2]
    ask, own = getattr(owner, name), owner.__dict__.get(name)

    def asked_once(*args: Any, **kwargs: Any) -> Any:
        return batch.once(function, lambda: ask(*args, **kwargs))

    owner.__dict__[name] = asked_once
    try:
        yield
    finally:
        del owner.__dict__[name]
        if own is not None:
            owner.__dict__[name] = own


def copied(inputs: Any) -> Any:
    """A batch's inputs with tensors of their own, for a pass that may write into them."""
    return _each_tensor(inputs, Tensor.clone)


def _in_float32(output: Any) -> Any:
    return _each_tensor(output, lambda t: t.float() if t.dtype in (torch.float16, torch.bfloat16) else t)


def _each_tensor(content: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Nested dicts and lists with every tensor changed."""
    if isinstance(content, Tensor):
        return change(content)
    if isinstance(content, Mapping):
        return {name: _each_tensor(value, change) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_each_tensor(value, change) for value in content]
    return content
