"""One pass of a frozen teacher: features that depend on the batch and on nothing else.

Neither the student nor the method takes part in it, and it leaves batch and teacher as they were. So one pass can
serve every student that learns from the same batch.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from mmengine.model import BaseModel
from torch import nn

from trainables.detectors import DetectorSpec
from trainables.features import Batch, Features
from trainables.training.reader import Reader


class Teaching:
    """A teacher, frozen, and what is read from it."""

    def __init__(self, network: BaseModel, spec: DetectorSpec, names: Iterable[str], mode: str = "eval") -> None:
        """Freeze `network`.

        Args:
            network: a trained detector.
            spec: its family.
            names: fields of `Features`.
            mode: `Distiller.teacher_mode`.
        """
        self.network = network.requires_grad_(False).train(mode == "average")
        self.reader = Reader(network, spec, names)
        self.mode = mode

    def features(self, batch: Batch) -> Features:
        """What the teacher says of a batch, without gradient."""
        if self.mode != "train":
            return self.reader.features(batch)
        with batch_statistics(self.network):
            return self.reader.features(batch)


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
