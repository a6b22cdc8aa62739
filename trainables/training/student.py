"""Student, frozen teacher and distiller as one mmengine model.

The batch is preprocessed (and voxelized) once and both networks see the same voxels. A step of a taught student is
two pieces: the teacher's pass over the batch (`teaching.features`), and the student's own losses together with the
distillation terms (`taught`), which see the teacher's features only. The teacher is no submodule: it is in no state
dict, no optimizer and no checkpoint, and it never changes.
"""

import copy
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from trainables.detectors import DetectorSpec
from trainables.distillers import Distiller
from trainables.features import Batch, Features
from trainables.training.reader import Reader
from trainables.training.teaching import Teaching, probe


class StudentModel(BaseModel):
    """A detector in training, alone or under a teacher. Predicts with the detector alone."""

    def __init__(self, student: BaseModel) -> None:
        super().__init__(data_preprocessor=student.data_preprocessor)
        self.student = student
        self.distiller: Distiller | None = None
        self.average: Any = None
        """Exponential moving average of the student, where a method takes that for its teacher."""

    def distill(self, teacher: BaseModel, spec: DetectorSpec, method: type[Distiller], parameters: Any) -> None:
        """Put the student under a teacher, which is frozen and joins it on its device.

        A probe of both networks shapes the adapters. It runs where training will run: a detector may have no operators
        elsewhere, so the student has to be there already.

        Args:
            teacher: a trained detector of the student's family.
            spec: the family.
            method: the distillation method.
            parameters: its complete hyper-parameters.
        """
        names = method.reads_with(parameters)
        device = self.device
        teacher.to(device).eval()
        self.student.eval()
        batch = probe(self.student, spec.columns)
        shapes = [Reader(network, spec, names).features(batch) for network in (self.student, teacher)]
        self.student.train()
        self.distiller = method(parameters, *shapes).to(device)
        mode = self.distiller.teacher_mode
        if mode == "average":
            teacher = self.average = copy.deepcopy(self.student)
            self.register_buffer("steps", torch.zeros((), dtype=torch.long, device=device))
        self.__dict__["reader"] = Reader(self.student, spec, names)
        # Not an attribute that torch sees: the teacher is in no state dict and in no optimizer.
        self.__dict__["teacher"] = Teaching(teacher, spec, names, mode)

    @property
    def device(self) -> torch.device:
        """Where the student is."""
        return next(self.student.parameters()).device

    def forward(self, inputs: dict[str, Any], data_samples: list[Any] | None = None, mode: str = "tensor") -> Any:
        """mmengine's three modes; only `loss` knows the teacher."""
        if mode != "loss" or self.distiller is None:
            return self.student(inputs, data_samples, mode)
        if self.average is not None:
            self._follow_student()
        batch = Batch(inputs, data_samples or [])
        return self.taught(batch, self.teacher.features(batch))

    def taught(self, batch: Batch, teacher: Features) -> dict[str, Any]:
        """The student's own losses and the method's terms, given what the teacher says of the batch."""
        assert self.distiller is not None, "only a student under a teacher is taught"
        ours, losses = self.reader.features_and_losses(batch, self.distiller.supervise(teacher, batch))
        return {**losses, **self.distilled(ours, teacher, batch)}

    def distilled(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """The method's terms, in float32 also where the networks run in mixed precision."""
        with torch.autocast(self.device.type, enabled=False):
            return self.distiller(student, teacher, batch)  # type: ignore[misc]

    def _follow_student(self) -> None:
        """Average the parameters, not the buffers, after every step (SE-SSD's trainer; its weight of the past:
        the share of steps before this one, at most 0.999)."""
        weight = (1 / (self.steps + 1)).clamp(min=1e-3)
        means, now = ([value.data for value in net.parameters()] for net in (self.average, self.student))
        changes = torch._foreach_sub(now, means)
        torch._foreach_mul_(changes, weight)
        torch._foreach_add_(means, changes)
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
