"""Overhaul of feature distillation: maps before their ReLU, as far as the ReLU lets through (Heo et al., ICCV 2019).

Heo, Kim, Yun, Park, Kwak and Choi, "A Comprehensive Overhaul of Feature Distillation"; code:
github.com/clovaai/overhaul-distillation at 76344a84a7ce (CIFAR-100/distiller.py, Segmentation/). At the end of each
stage, before its ReLU:

- T' = max(T, M) with a margin M <= 0 per channel, the mean of what the ReLU will cut off: E[x | x < 0] for x of the
  normal distribution that the teacher's batch norm in front of the ReLU gives out (its bias the mean, its weight the
  deviation). Where x is almost never negative (probability up to 0.001), M is -3 deviations.
- S' = r(S): a 1x1 convolution without bias and batch norm, without ReLU.
- The sum of (S' - T')^2 over all elements but those with S' <= T' <= 0, which the ReLU cuts off in both.

The loss is the sum over stages, halved with every stage before the last, per scan, times 1e-5: the weight of the
authors' dense task, segmentation (ImageNet 1e-4, CIFAR-100 1e-3). A sum over elements grows with the map. As in all the
authors' trainers the teacher's batch norm uses batch statistics (`teacher_mode`); the margins hold just then.

Differs from the code: a weight of 0 in the teacher's batch norm counts as 1e-6 (the code divides by zero), and the
segmentation trainer's first epoch, which trains r alone, is left out, as on CIFAR-100 and ImageNet.
"""

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from study.nouns.frozen import Frozen
from trainables.distillers import Distiller
from trainables.features import Batch, Features

RARE = 1e-3
"""Probability of a negative value up to which the margin is -3 deviations."""
SMALLEST_DEVIATION = 1e-6


class OverhaulDistiller(Distiller):
    """Partial squared distance to the teacher's margin ReLU, summed over the backbone's stages."""

    reads = ("before_relu",)
    constant = 1e-5  # the authors' weight for segmentation
    weight_range = (1e-7 / constant, 1e-4 / constant)

    class Parameters(Frozen):
        """The weight, and how the teacher normalizes."""

        weight: float = Field(
            1.0, ge=0, description="multiple of the authors' segmentation weight 1e-5 (ImageNet: 10, CIFAR-100: 100)"
        )
        teacher_mode: Literal["train", "eval"] = Field(
            "train", description="the teacher's batch norm: batch statistics, as the authors, or running averages"
        )

    def __init__(self, parameters: Parameters, student: Features, teacher: Features) -> None:
        super().__init__(parameters, student, teacher)
        self.connectors = nn.ModuleList()
        for stage, (narrow, wide) in enumerate(zip(student.before_relu, teacher.before_relu, strict=True)):
            if wide.scale is None or wide.shift is None:
                raise ValueError("maps before their ReLU must come with their batch norm's weight and bias")
            self.connectors.append(connector(narrow.values.shape[1], wide.values.shape[1]))
            self.register_buffer(f"margin{stage}", margins(wide.scale, wide.shift).to(wide.values.dtype))

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """`kd_loss`."""
        losses = []
        for stage, (ours, theirs) in enumerate(zip(student.before_relu, teacher.before_relu, strict=True)):
            connected = self.connectors[stage](ours.values.flatten(2))
            loss = partial_distance(connected, theirs.values.flatten(2), self.get_buffer(f"margin{stage}"))
            losses.append(loss / 2 ** (len(self.connectors) - 1 - stage))
        scans = len(teacher.before_relu[-1].values)
        return {"kd_loss": torch.stack(losses).sum() / max(1, scans)}


def margins(scale: Tensor, shift: Tensor) -> Tensor:
    """Mean of the negative part of a batch norm's output, per channel: E[x | x < 0], x of N(shift, scale^2).

    Args:
        scale: C weights of the batch norm, of either sign.
        shift: C biases.

    Returns:
        C, at most 0, float64.
    """
    deviation = scale.double().abs().clamp(min=SMALLEST_DEVIATION)
    mean = shift.double()
    ratio = mean / deviation
    negative = torch.special.ndtr(-ratio)
    expected = mean - deviation * torch.exp(-ratio.square() / 2) / (math.sqrt(2 * math.pi) * negative)
    return torch.where(negative > RARE, expected, -3 * deviation)


def partial_distance(connected: Tensor, teacher: Tensor, margin: Tensor) -> Tensor:
    """Sum of (S' - T')^2 over the elements that a ReLU would not cut off in both.

    Args:
        connected: B x C x P student's map S', of the teacher's width.
        teacher: B x C x P teacher's map before its ReLU.
        margin: C, at most 0.
    """
    target = torch.maximum(teacher.detach(), margin[:, None])
    counts = (connected > target) | (target > 0)
    return ((connected - target).square() * counts).sum()


def connector(narrow: int, wide: int) -> nn.Sequential:
    """1x1 convolution without bias and batch norm, initialized as the authors do."""
    convolution, norm = nn.Conv1d(narrow, wide, 1, bias=False), nn.BatchNorm1d(wide)
    nn.init.normal_(convolution.weight, 0, math.sqrt(2 / wide))
    return nn.Sequential(convolution, norm)
