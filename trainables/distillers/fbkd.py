"""Feature-based distillation for detectors: attention-guided and non-local (Zhang and Ma, ICLR 2021).

"Improve Object Detection with Feature-based Knowledge Distillation: Towards Accurate and Efficient Detectors". The
authors' repository holds no code; followed are open-mmlab/mmrazor at 90c7af1fdf35 (losses/fbkd_loss.py,
connectors/fbkd_connector.py), which ports the paper's supplement, and copies of the supplement's own detectors. On the
neck's map of P places, four Euclidean norms over the whole batch, each with its weight:

- feature: ||(T - a1(S)) sqrt(M)||, M the attention of teacher and student: over places P softmax(mean_c |F| / tau), of
  one-stage detectors times, over channels, C softmax(mean_p |F| / tau); each averaged over both networks, no gradient;
- channel: ||mean_p T - a2(mean_p S)||; spatial: ||mean_c T - a3(mean_c S)||;
- non-local: ||a4(N_s(S)) - N_t(T)||; N(x) = x + norm(W y), y_p = mean_k (theta_p . phi_k) g_k over pooled places k.

a1, a4 are 1x1 convolutions, a2 is linear, a3 3x3 on one channel. All are trained, and so are both non-local blocks; the
norm in each starts at zero, so it starts as the identity. `form` sets weights and temperature: `two_stage` 7e-5, 4e-3,
4e-3, 7e-5 and 0.5; `one_stage` six times as much and 0.1.

Differs from the supplement: adapters lead to the teacher's width (there both networks have 256 channels), so the
student's channel attention is that of a1(S) where widths differ; y is computed as (g phi^T / K) theta, which is the
same without a matrix of P x K. Where places are points without order, a3 is a 1x1 convolution, and pooling takes every
`stride`-th point.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from study.nouns.frozen import Frozen
from trainables.distillers import Distiller
from trainables.features import Batch, Features

CONSTANTS = {"feature": 7e-5, "channel": 4e-3, "spatial": 4e-3, "nonlocal": 7e-5}
"""Weights of the four terms for two-stage detectors."""
FORMS: dict[str, dict[str, Any]] = {
    "one_stage": {"factor": 6.0, "temperature": 0.1, "channel_mask": "both"},
    "two_stage": {"factor": 1.0, "temperature": 0.5, "channel_mask": "none"},
}
STRIDE, CHANNELS = 8, 64
"""The supplement's non-local block for its largest map (stride 4 of the image), which is nearest to a neck's here."""


class FeatureBased(Distiller):
    """Attention-weighted, pooled and non-local distances of the neck's map, each trained on."""

    reads = ("neck",)

    class Parameters(Frozen):
        """Form, attention and non-local blocks."""

        weight: float = Field(1.0, ge=0, description="multiple of the four constants of the form")
        form: Literal["one_stage", "two_stage"] = Field(
            "one_stage", description="the authors' constants, of detectors of points by default those of two_stage"
        )
        temperature: float = Field(0.1, gt=0, description="tau of both attentions; of two_stage 0.5 by default")
        channel_mask: Literal["both", "teacher", "none"] = Field(
            "both", description="whose channel attention weighs the feature term; of two_stage none by default"
        )
        stride: int = Field(STRIDE, ge=1, description="pooling of the places that non-local blocks look at")
        channels: int = Field(CHANNELS, ge=1, description="width inside the non-local blocks")

    @classmethod
    def complete(cls, parameters: dict[str, Any], kind: str) -> dict[str, Any]:
        """Fill in what the form says."""
        form = parameters.get("form", "two_stage" if kind == "points" else "one_stage")
        given = super().complete({**parameters, "form": form}, kind)
        defaults = {name: FORMS[form][name] for name in ("temperature", "channel_mask")}
        return {**given, **{name: value for name, value in defaults.items() if name not in parameters}}

    def __init__(self, parameters: Parameters, student: Features, teacher: Features) -> None:
        super().__init__(parameters, student, teacher)
        narrow, wide = (features.neck.values.shape[1] for features in (student, teacher))
        flat = teacher.neck.values.dim() == 4
        self.constant = FORMS[parameters.form]["factor"]
        self.feature = nn.Conv1d(narrow, wide, 1)
        self.channel = nn.Linear(narrow, wide)
        self.spatial: nn.Module = nn.Conv2d(1, 1, 3, padding=1) if flat else nn.Conv1d(1, 1, 1)
        self.student_relations = NonLocal(narrow, parameters.channels, parameters.stride)
        self.teacher_relations = NonLocal(wide, parameters.channels, parameters.stride)
        self.relations = nn.Conv1d(narrow, wide, 1)

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """The four terms; the largest attention on a place, and how far the teacher's block is from the identity."""
        ours, theirs = student.neck.values, teacher.neck.values.detach()
        adapted = self.feature(ours.flatten(2))
        places, channels = self._attention(ours, adapted, theirs)
        related = self.teacher_relations(theirs).flatten(2)
        losses = {
            "feature": attended_distance(adapted, theirs.flatten(2), places, channels),
            "channel": distance(self.channel(ours.flatten(2).mean(2)), theirs.flatten(2).mean(2)),
            "spatial": distance(self.spatial(ours.mean(1, keepdim=True)), theirs.mean(1, keepdim=True)),
            "nonlocal": distance(self.relations(self.student_relations(ours).flatten(2)), related),
        }
        terms = {f"kd_loss_{name}": CONSTANTS[name] * loss for name, loss in losses.items()}
        with torch.no_grad():
            moved = distance(related, theirs.flatten(2)) / torch.linalg.vector_norm(theirs).clamp(min=1e-12)
        return {**terms, "largest_attention": places.amax(), "teacher_moved": moved}

    @torch.no_grad()
    def _attention(self, ours: Tensor, adapted: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor | None]:
        """B x P over places, and B x C_t over channels or None where that is not asked for."""
        tau, whose = self.options.temperature, self.options.channel_mask
        places = (place_attention(ours, tau) + place_attention(theirs, tau)) / 2
        if whose == "none":
            return places, None
        channels = channel_attention(theirs, tau)
        if whose == "both":
            alike = ours.shape[1] == theirs.shape[1]
            channels = (channel_attention(ours if alike else adapted, tau) + channels) / 2
        return places, channels


def place_attention(values: Tensor, temperature: float) -> Tensor:
    """B x P, mean 1 over the places: P softmax_p(mean_c |F| / tau), of a map B x C x H x W or B x C x P."""
    mean = values.abs().mean(1).flatten(1)
    return mean.shape[1] * torch.softmax(mean / temperature, dim=1)


def channel_attention(values: Tensor, temperature: float) -> Tensor:
    """B x C, mean 1 over the channels: C softmax_c(mean_p |F| / tau), of a map B x C x H x W or B x C x P."""
    mean = values.flatten(2).abs().mean(2)
    return mean.shape[1] * torch.softmax(mean / temperature, dim=1)


def attended_distance(adapted: Tensor, teacher: Tensor, places: Tensor, channels: Tensor | None = None) -> Tensor:
    """(sum of (T - a1(S))^2 M)^(1/2), as the norm of the difference times the root of M, whose gradient is 0 at 0.

    Args:
        adapted, teacher: B x C x P.
        places: B x P attention.
        channels: B x C attention; None leaves it out.
    """
    difference = (adapted - teacher) * places.sqrt()[:, None]
    if channels is not None:
        difference = difference * channels.sqrt()[:, :, None]
    return torch.linalg.vector_norm(difference)


def distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Euclidean norm of the difference of two whole tensors."""
    return torch.linalg.vector_norm(student - teacher)


def non_local(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """Dot-product attention without softmax: y_p = (1/K) sum_k (theta_p . phi_k) g_k.

    Args:
        theta: B x C x P.
        phi, g: B x C x K.

    Returns:
        B x C x P.
    """
    # Associative, as there is no softmax: C x C numbers per scan instead of P x K.
    return (g @ phi.transpose(1, 2) / phi.shape[2]) @ theta


class NonLocal(nn.Module):
    """Non-local block that starts as the identity."""

    def __init__(self, channels: int, inside: int, stride: int) -> None:
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv1d(channels, inside, 1) for _ in range(3))
        self.out = nn.Conv1d(inside, channels, 1, bias=False)  # the norm would take a bias out again
        self.norm = nn.BatchNorm1d(channels)
        nn.init.zeros_(self.norm.weight)  # its bias is zero already
        self.stride = stride

    def forward(self, values: Tensor) -> Tensor:
        """The same shape: B x C x H x W, whose looked-at places are max-pooled, or B x C x P."""
        flat = values.flatten(2)
        phi, g = (self._pooled(convolution(flat), values.shape[2:]) for convolution in (self.phi, self.g))
        return values + self.norm(self.out(non_local(self.theta(flat), phi, g))).view_as(values)

    def _pooled(self, projected: Tensor, places: torch.Size) -> Tensor:
        if len(places) == 1:
            return projected[..., :: self.stride]
        window = [min(self.stride, size) for size in places]  # a map below the stride is one place
        return F.max_pool2d(projected.unflatten(2, places), window).flatten(2)
