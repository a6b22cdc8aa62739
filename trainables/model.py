"""Student, frozen teacher and distiller as one mmengine model.

The batch is preprocessed (and voxelized) once and both networks see the same voxels. The teacher is no submodule: it
is in no state dict, no optimizer and no checkpoint, and it never changes.
"""

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from trainables.detector import DetectorSpec
from trainables.distiller import Distiller
from trainables.features import Batch, Features
from trainables.taps import read


class Reader:
    """Reads the features a method asks for out of one detector of a family."""

    def __init__(self, network: BaseModel, spec: DetectorSpec, method: type[Distiller]) -> None:
        self.network = network
        self.spec = spec
        self.names = tuple(dict.fromkeys([*method.taps, *(spec.row_taps if method.reads_rows else ())]))

    def features(self, batch: Batch) -> Features:
        """Features without gradient, of a batch that is left as it was; runs no further than the last tap."""
        # mmdet3d's legacy pillar encoder writes its offsets into the voxels it is given, so they are copied.
        copy = _copied(batch.inputs)
        with torch.no_grad():
            taps, _ = read(
                self.network, self.spec.taps, self.names,
                lambda: self.network(copy, batch.samples, "tensor"), stop_early=True,
            )  # fmt: skip
        return self._named(taps, batch)

    def features_and_losses(self, batch: Batch) -> tuple[Features, dict[str, Any]]:
        """Features with gradient, and the detector's own losses, of one forward pass."""
        taps, losses = read(
            self.network, self.spec.taps, self.names, lambda: self.network(batch.inputs, batch.samples, "loss")
        )
        return self._named(taps, batch), losses

    def _named(self, taps: Mapping[str, Any], batch: Batch) -> Features:
        return Features(taps, self.spec.rows(taps, batch) if set(self.spec.row_taps) <= taps.keys() else ())


class StudentModel(BaseModel):
    """A detector in training, alone or under a teacher. Predicts with the detector alone."""

    def __init__(self, student: BaseModel) -> None:
        super().__init__(data_preprocessor=student.data_preprocessor)
        self.student = student
        self.distiller: Distiller | None = None

    def distill(self, teacher: BaseModel, spec: DetectorSpec, method: type[Distiller], parameters: Any) -> None:
        """Put the student under a teacher, which is frozen. A probe of both networks shapes the adapters.

        Args:
            teacher: a trained detector of the student's family.
            spec: the family.
            method: the distillation method.
            parameters: its complete hyper-parameters.
        """
        teacher.requires_grad_(False).eval()
        # Not an attribute that torch sees: the teacher is in no state dict and in no optimizer.
        self.__dict__["teacher"] = Reader(teacher, spec, method)
        self.__dict__["reader"] = Reader(self.student, spec, method)
        probe = _probe(self.student)
        self.student.eval()
        shapes = self.reader.features(probe), self.teacher.features(probe)
        self.student.train()
        self.distiller = method(parameters, *shapes)
        if self.distiller.teacher_mode == "train":
            _use_batch_statistics(teacher)

    def forward(self, inputs: dict[str, Any], data_samples: list[Any] | None = None, mode: str = "tensor") -> Any:
        """mmengine's three modes; only `loss` knows the teacher."""
        if mode != "loss" or self.distiller is None:
            return self.student(inputs, data_samples, mode)
        batch = Batch(inputs, data_samples or [])
        theirs = self.teacher.features(batch)
        ours, losses = self.reader.features_and_losses(batch)
        return {**losses, **self.distiller(ours, theirs, batch)}

    def init_weights(self) -> None:
        """Nothing: the student was initialized when it was built, from the run's seed alone, for every method alike."""

    def _apply(self, fn: Any, recurse: bool = True) -> "StudentModel":
        """Move the teacher along when the model moves to a device."""
        if self.distiller is not None:
            self.teacher.network._apply(fn)
        return super()._apply(fn, recurse)


def parameter_count(network: nn.Module) -> int:
    """Trainable numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def _use_batch_statistics(teacher: nn.Module) -> None:
    """Batch norm as in training, as the released code runs its teacher, but the running averages stay as they are."""
    for module in teacher.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
            module.track_running_stats = False


def _copied(inputs: Any) -> Any:
    if isinstance(inputs, Tensor):
        return inputs.clone()
    if isinstance(inputs, Mapping):
        return {name: _copied(value) for name, value in inputs.items()}
    if isinstance(inputs, list | tuple):
        return [_copied(value) for value in inputs]
    return inputs


def _probe(student: BaseModel) -> Batch:
    """A small scan inside the detector's range, for the shapes of its features."""
    layer = student.data_preprocessor.voxel_layer
    limits = torch.as_tensor(list(layer.point_cloud_range), dtype=torch.float32)
    points = torch.rand(64, 4, generator=torch.Generator().manual_seed(0))
    points[:, :3] = limits[:3] + points[:, :3] * (limits[3:] - limits[:3])
    batch = student.data_preprocessor({"inputs": {"points": [points]}, "data_samples": None}, False)
    return Batch(batch["inputs"])
