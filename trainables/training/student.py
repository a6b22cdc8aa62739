"""Student, frozen teacher and distiller as one mmengine model.

The batch is preprocessed (and voxelized) once and both networks see the same voxels. The teacher is no submodule: it
is in no state dict, no optimizer and no checkpoint, and it never changes.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from trainables.detectors import DetectorSpec
from trainables.detectors.parts.taps import read
from trainables.distillers import Distiller
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
        """Features without gradient, of a batch that is left as it was; runs no further than the last tap."""
        # mmdet3d's legacy pillar encoder writes its offsets into the voxels it is given, so they are copied.
        copied = Batch(_copied(batch.inputs), batch.samples)
        with torch.no_grad():
            seen, _ = read(
                self.network, self.spec.taps, self.taps,
                lambda: self.spec.forward(self.network, copied), stop_early=True,
            )  # fmt: skip
            return self._features(seen, batch)

    def features_and_losses(self, batch: Batch, truth: Batch) -> tuple[Features, dict[str, Any]]:
        """Features with gradient, and the detector's own losses against `truth`, of one forward pass."""
        # mmdet3d's anchor heads replace the boxes that they are given by their tensor, so the samples are copied.
        own = copy.deepcopy(truth.samples)
        seen, losses = read(self.network, self.spec.taps, self.taps, lambda: self.network(batch.inputs, own, "loss"))
        return self._features(seen, batch), losses

    def _features(self, seen: Mapping[str, Any], batch: Batch) -> Features:
        seen = {name: _in_float32(output) for name, output in seen.items()}
        return Features(**{n: reading.build(seen, batch, self.network) for n, reading in self.readings.items()})


class StudentModel(BaseModel):
    """A detector in training, alone or under a teacher. Predicts with the detector alone."""

    def __init__(self, student: BaseModel) -> None:
        super().__init__(data_preprocessor=student.data_preprocessor)
        self.student = student
        self.distiller: Distiller | None = None
        self.average: Any = None
        """Exponential moving average of the student, where a method takes that for its teacher."""

    def distill(self, teacher: BaseModel, spec: DetectorSpec, method: type[Distiller], parameters: Any) -> None:
        """Put the student under a teacher, which is frozen. A probe of both networks shapes the adapters.

        Args:
            teacher: a trained detector of the student's family.
            spec: the family.
            method: the distillation method.
            parameters: its complete hyper-parameters.
        """
        names = method.reads_with(parameters)
        self.student.eval()
        teacher.requires_grad_(False).eval()
        probe = _probe(self.student)
        shapes = [Reader(network, spec, names).features(probe) for network in (self.student, teacher)]
        self.student.train()
        self.distiller = method(parameters, *shapes)
        if self.distiller.teacher_mode == "average":
            teacher = self.average = copy.deepcopy(self.student).requires_grad_(False).train()
            self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        if self.distiller.teacher_mode == "train":
            _use_batch_statistics(teacher)
        self.__dict__["reader"] = Reader(self.student, spec, names)
        # Not an attribute that torch sees: the teacher is in no state dict and in no optimizer.
        self.__dict__["teacher"] = Reader(teacher, spec, names)

    def forward(self, inputs: dict[str, Any], data_samples: list[Any] | None = None, mode: str = "tensor") -> Any:
        """mmengine's three modes; only `loss` knows the teacher."""
        if mode != "loss" or self.distiller is None:
            return self.student(inputs, data_samples, mode)
        if self.average is not None:
            self._follow_student()
        batch = Batch(inputs, data_samples or [])
        theirs = self.teacher.features(batch)
        ours, losses = self.reader.features_and_losses(batch, self.distiller.supervise(theirs, batch))
        return {**losses, **self.distilled(ours, theirs, batch)}

    def distilled(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """The method's terms, in float32 also where the networks run in mixed precision."""
        with torch.autocast(next(self.student.parameters()).device.type, enabled=False):
            return self.distiller(student, teacher, batch)  # type: ignore[misc]

    def _follow_student(self) -> None:
        """Average the parameters, not the buffers, after every step (SE-SSD's trainer; its weight of the past)."""
        keep = min(1 - 1 / (float(self.steps) + 1), 0.999)
        means, now = ([p.data for p in network.parameters()] for network in (self.average, self.student))
        torch._foreach_lerp_(means, now, 1 - keep)
        self.steps += 1

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


def _probe(student: BaseModel) -> Batch:
    """A small scan inside the detector's range, for the shapes of its features."""
    layer = getattr(student.data_preprocessor, "voxel_layer", None)  # what reads raw points has no range
    limits = torch.tensor([0, -10, -3, 20, 10, 1.0] if layer is None else [float(v) for v in layer.point_cloud_range])
    points = torch.rand(64, 4, generator=torch.Generator().manual_seed(0))
    points[:, :3] = limits[:3] + points[:, :3] * (limits[3:] - limits[:3])
    batch = student.data_preprocessor({"inputs": {"points": [points]}, "data_samples": None}, False)
    return Batch(batch["inputs"])
