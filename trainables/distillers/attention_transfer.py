"""Attention transfer: where a map is large, whatever its channels (Zagoruyko and Komodakis, ICLR 2017).

"Paying More Attention to Attention: Improving the Performance of Convolutional Neural Networks via Attention Transfer".
Codes: github.com/szagoruyko/attention-transfer at 893df5488f93 (utils.py), github.com/HobbitLong/RepDistiller at
b84f547c5db6 (distiller_zoo/AT.py, helper/loops.py). A stage's attention is the mean over channels of F^2 at each place,
per scan scaled to length 1: Q. No adapter, as the widths do not matter. Summed over the backbone's stages:

- `form=code`, both codes: 1000 times the mean over scans and places of (Q_s - Q_t)^2;
- `form=paper`, equation 2 without its weight: the mean over scans of ||Q_s - Q_t||;
- `form=per_sample_sum`, ours: the mean over scans of ||Q_s - Q_t||^2, which the size of the map does not dilute. The
  code's mean divides it by the number of places: 64 to 1,024 on CIFAR, 3,348 to 53,568 on full-size PointPillars.

Differs from RepDistiller: it pools maps of different size to a square; here both networks see the same places.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from study.nouns.frozen import Frozen
from trainables.distillers import Distiller
from trainables.features import Batch, Features

Form = Literal["code", "paper", "per_sample_sum"]
CONSTANTS: dict[Form, float] = {"code": 1000.0, "paper": 1.0, "per_sample_sum": 1.0}
"""Weight of each form: both codes' beta; the other forms have none."""


class AttentionTransfer(Distiller):
    """Distance of normalized attention maps, summed over the backbone's stages."""

    reads = ("stages",)
    # 0.1 to 100 on ||Q_s - Q_t||^2 for maps of some hundred places (small detectors) up to 13,392 (full size).
    weight_range = (0.1, 1000.0)

    class Parameters(Frozen):
        """The form of the distance."""

        weight: float = Field(1.0, ge=0, description="multiple of the form's constant: code 1000, others 1")
        form: Form = Field("code", description="mean square, mean length, or mean squared length of Q_s - Q_t")

    def __init__(self, parameters: Parameters, student: Features, teacher: Features) -> None:
        super().__init__(parameters, student, teacher)
        self.constant = CONSTANTS[parameters.form]

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """`kd_loss`."""
        targets = teacher.once("attention", lambda: [attention(stage.values.detach()) for stage in teacher.stages])
        losses = [
            attention_loss(ours.values, target, self.options.form)
            for ours, target in zip(student.stages, targets, strict=True)
        ]
        return {"kd_loss": torch.stack(losses).sum()}


def attention(values: Tensor) -> Tensor:
    """Mean over channels of the square, scaled to length 1 per scan.

    Args:
        values: B x C x H x W or B x C x P.

    Returns:
        B x P.
    """
    return F.normalize(values.square().mean(1).flatten(1), eps=1e-12)


def attention_loss(student: Tensor, target: Tensor, form: Form = "code") -> Tensor:
    """Distance of two attention maps, without its weight.

    Args:
        student: B x C_s x H x W or B x C_s x P.
        target: B x P, the teacher's attention.
        form: see the module's docstring.
    """
    difference = attention(student) - target
    if form == "code":
        return difference.square().mean()
    if form == "paper":
        return torch.linalg.vector_norm(difference, dim=1).mean()  # subgradient 0 at 0
    return difference.square().sum(1).mean()
