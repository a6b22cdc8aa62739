"""A student's network with the method that it learns by: batch and teacher's features in, loss terms out.

The teacher is no part of it: it is in no state dict, no optimizer and no checkpoint, and it never changes. Only where a
method takes the student's own moving average for its teacher does that belong to the student.
"""

import copy
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from trainables.detectors import DetectorSpec
from trainables.distillers import Distiller
from trainables.features import Batch, Features
from trainables.training.reader import Reader, copied
from trainables.training.teaching import Lesson, Teaching, probe


class StudentModel(nn.Module):
    """A detector in training, alone or under a teacher."""

    def __init__(self, student: BaseModel, spec: DetectorSpec) -> None:
        """Take a detector of the family `spec`; without `distill` it learns alone."""
        super().__init__()
        self.student = student
        self.distiller: Distiller | None = None
        self.average: Any = None
        """Exponential moving average of the student, where a method takes that for its teacher."""
        self.steps: Tensor
        # No modules of torch's, so in no state dict.
        self.spec = spec
        self.reader = Reader(student, spec, ())
        self.teaching: Teaching | None = None

    def distill(self, teaching: Teaching, method: type[Distiller], parameters: Any) -> None:
        """Put the student under a teacher, which others may share.

        A probe of both networks shapes the adapters. It runs where training will run: a detector may have no operators
        elsewhere, so both have to be there already.

        Args:
            teaching: of a trained detector of the student's family.
            method: the distillation method.
            parameters: its complete hyper-parameters.
        """
        names = method.reads_with(parameters)
        was_training = self.student.training
        batch = probe(self.student, len(self.spec.columns))
        readers = [Reader(network, self.spec, names) for network in (self.student.eval(), teaching.network.eval())]
        self.distiller = method(parameters, *(reader.features(batch) for reader in readers)).to(self.device)
        self.student.train(was_training)
        self.reader = readers[0]
        if self.distiller.teacher_mode == "average":
            self.average = copy.deepcopy(self.student)
            self.register_buffer("steps", torch.zeros((), dtype=torch.long, device=self.device))
            teaching = Teaching(self.average, self.spec)
        self.teaching = teaching
        self.teaching.attended_by_too((self.distiller.teacher_mode, names))

    @property
    def lesson(self) -> Lesson | None:
        """What it wants from the teacher that it shares with others; None where it needs no such teacher."""
        if self.distiller is None or self.average is not None:
            return None
        return self.distiller.teacher_mode, tuple(self.reader.readings)

    def taught(self, batch: Batch) -> Features:
        """What the student's teacher says of a batch."""
        assert self.distiller is not None, "only a student under a teacher is taught"
        assert self.teaching is not None, "only a student under a teacher is taught"
        return self.teaching.features(batch, self.distiller.teacher_mode)

    @property
    def device(self) -> torch.device:
        """Where the student is."""
        return next(self.student.parameters()).device

    def forward(self, batch: Batch) -> dict[str, Any]:
        """The student's own losses on a batch, and the method's terms where it is under a teacher."""
        if self.distiller is None:
            return self.reader.features_and_losses(batch, batch)[1]
        if self.average is not None:
            self._follow_student()
        theirs = self.taught(batch)
        ours, losses = self.reader.features_and_losses(batch, self.distiller.supervise(theirs, batch))
        return {**losses, **self.distilled(ours, theirs, batch)}

    def distilled(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """The method's terms, in float32 also where the networks run in mixed precision."""
        with torch.autocast(self.device.type, enabled=False):
            return self.distiller(student, teacher, batch)  # type: ignore[misc]

    @torch.no_grad()
    def predict(self, batch: Batch) -> list[Any]:
        """What the detector finds in a batch, as mmdet3d's samples; the batch stays as it is."""
        return self.student(copied(batch.inputs), copy.deepcopy(batch.samples), "predict")

    def _follow_student(self) -> None:
        """Average the parameters, not the buffers, after every step (SE-SSD's trainer; its weight of the past:
        the share of steps before this one, at most 0.999)."""
        weight = (1 / (self.steps + 1)).clamp(min=1e-3)
        means, now = ([value.data for value in net.parameters()] for net in (self.average, self.student))
        changes = torch._foreach_sub(now, means)
        torch._foreach_mul_(changes, weight)
        torch._foreach_add_(means, changes)
        self.steps.add_(1)


def parameter_count(network: nn.Module) -> int:
    """Trainable numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
