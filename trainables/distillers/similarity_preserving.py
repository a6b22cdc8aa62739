"""Similarity preserving: scans that are alike to the teacher shall be alike to the student (Tung and Mori, ICCV 2019).

"Similarity-Preserving Knowledge Distillation"; code: github.com/HobbitLong/RepDistiller at b84f547c5db6
(distiller_zoo/SP.py, "verified by original author"; helper/loops.py). Each scan's map of the backbone's last stage is
one vector f; G = f f^T are the scans' similarities, B x B, each row scaled to length 1 (L2). The loss is
||G_t - G_s||_F^2 / B^2 times 3000. No adapter, as the widths do not matter.

The signal is as large as the batch: B^2 numbers, and none at all from a batch of one scan, whose G is 1 for every
network: the loss is then zero, with a gradient of zero. Under DistributedDataParallel each process compares its own
scans only, as the original does.
"""

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from study.nouns.frozen import Frozen
from trainables.distillers import Distiller
from trainables.features import Batch, Features


class SimilarityPreserving(Distiller):
    """Distance of the scans' normalized similarities. Learns nothing from batches of one scan."""

    reads = ("stages",)
    constant = 3000.0  # RepDistiller's weight (run_cifar_distill.sh)
    weight_range = (1e2 / constant, 1e5 / constant)

    class Parameters(Frozen):
        """The weight alone."""

        weight: float = Field(
            1.0, ge=0, description="multiple of RepDistiller's constant, 3000; batches of one scan give no loss"
        )

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """`kd_loss`, and how alike the teacher finds different scans (0 in a batch of one)."""
        ours, theirs = student.stages[-1].values, teacher.stages[-1].values.detach()
        alike = teacher.once("similarities", lambda: similarities(theirs))
        scans = len(alike)
        off_diagonal = alike.sum() - alike.diagonal().sum()
        return {
            "kd_loss": similarity_loss(ours, alike),
            "scan_similarity": off_diagonal / max(1, scans * (scans - 1)),
        }


def similarities(values: Tensor) -> Tensor:
    """Inner products of all pairs of scans, each row scaled to length 1.

    Args:
        values: B x C x H x W or B x C x P.

    Returns:
        B x B.
    """
    flat = values.flatten(1)
    return F.normalize(flat @ flat.T, eps=1e-12)


def similarity_loss(student: Tensor, target: Tensor) -> Tensor:
    """||G_t - G_s||_F^2 / B^2, without its weight.

    Args:
        student: B x anything.
        target: B x B, the teacher's similarities.
    """
    return (target - similarities(student)).square().mean()
