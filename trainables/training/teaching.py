"""The pass of a frozen teacher over a batch: what it says depends on the batch and on nothing else.

Neither students nor methods take part in it, and it leaves batch and teacher as they were. So one pass serves every
student that learns from the same batch; those whose methods want another batch norm of their teacher share another.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from mmengine.model import BaseModel
from torch import nn

from trainables.detectors import DetectorSpec
from trainables.features import Batch, Features
from trainables.training.machine import wait
from trainables.training.reader import Reader

Lesson = tuple[str, Iterable[str]]
"""How a method wants its teacher to run (`Distiller.teacher_mode`), and the fields of `Features` that it reads."""


class Teaching:
    """A teacher, frozen, and what is read from it."""

    def __init__(self, network: BaseModel, spec: DetectorSpec) -> None:
        """Freeze `network`, a trained detector of the family `spec`."""
        self.network = network.requires_grad_(False)
        self.spec = spec
        self.readers: dict[str, Reader] = {}

    def attended_by(self, lessons: Iterable[Lesson]) -> None:
        """Read for these methods from now on, and no further than one of them needs."""
        names: dict[str, dict[str, None]] = {}
        for mode, read in lessons:
            names.setdefault(mode, {}).update(dict.fromkeys(read))
        self.readers = {mode: Reader(self.network, self.spec, read) for mode, read in names.items()}

    def attended_by_too(self, lesson: Lesson) -> None:
        """Read for one method more."""
        self.attended_by([*((mode, reader.readings) for mode, reader in self.readers.items()), lesson])

    def features(self, batch: Batch, mode: str) -> Features:
        """What the teacher says of a batch, without gradient; of a batch that it has seen, what it said then."""
        return batch.once((self, mode), lambda: self._pass(batch, mode))

    def _pass(self, batch: Batch, mode: str) -> Features:
        self.network.train(mode == "average")
        with batch_statistics(self.network) if mode == "train" else nullcontext():
            features = self.readers[mode].features(batch)
        wait()  # for the clock
        return features


@contextmanager
def batch_statistics(network: nn.Module) -> Iterator[None]:
    """Batch norm as in training, as the released code runs its teacher; the running averages stay as they are."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [(norm.training, norm.track_running_stats) for norm in norms]
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    try:
        yield
    finally:
        for norm, (training, tracked) in zip(norms, before, strict=True):
            norm.training, norm.track_running_stats = training, tracked


def probe(network: BaseModel, columns: int) -> Batch:
    """A small scan of points with so many values, inside a detector's range, on its device, for shapes of features."""
    layer = getattr(network.data_preprocessor, "voxel_layer", None)  # what reads raw points has no range
    limits = torch.tensor([0, -10, -3, 20, 10, 1.0] if layer is None else [float(v) for v in layer.point_cloud_range])
    points = torch.rand(64, columns, generator=torch.Generator().manual_seed(0))
    points[:, :3] = limits[:3] + points[:, :3] * (limits[3:] - limits[:3])
    batch = network.data_preprocessor({"inputs": {"points": [points]}, "data_samples": None}, False)
    return Batch(batch["inputs"])
