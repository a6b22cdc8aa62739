"""SparseKD: class scores and codes at pivotal positions, and the teacher's boxes as labels (Yang et al., NeurIPS 2022).

Yang, Shi, Ding, Wang and Qi, "Towards Efficient 3D Object Detection with Knowledge Distillation"; code:
github.com/CVMI-Lab/SparseKD at 2e00edef6b94. Of detectors with anchors or points the form followed is that of
anchor_logit_kd_head.py, with the weights of cp-voxel-s_sparsekd.yaml:

- pivotal positions: with h the sigmoid within [1e-4, 1 - 1e-4] and W_p the teacher's largest h at position p where an
  anchor of p is positive, else 0,   10 * sum of W_p (h_s - h_t)^2 over positions and their channels / (sum W + 1e-6);
- 0.2 times the smooth-L1 loss (beta 1/9, sine of the yaw's difference) between the codes of positive anchors, added
  over codes, averaged over the positives of a scan and over scans;
- label distillation: the teacher's boxes with a score above 0.6 stand before the ground truth that the student's own
  losses see.

Of heads that find centers it is that of center_logit_kd_head.py, whose recipes are released: W_p is the largest h_t of
the head times its target heatmap, which falls off around each center, and codes at centers are compared by their
absolute differences, divided by the centers of the batch; both are averaged over the heads.

A position of PointRCNN is a point with its proposal; points on objects are positive. Positive follows the ground truth
alone, as with the code's teacher. Differs from the code: its CenterPoint takes the teacher's peaks without suppression;
here boxes of a class that overlap are suppressed, as anchor-based detectors do it when they are tested.
The teacher is frozen whole unless asked for (`teacher_mode=train` is the code's). Not here: initializing the student
with chosen channels of the teacher (TGI) and the RoI features that the released recipes leave out.
"""

import copy
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from study.nouns.frozen import Frozen
from trainables.distillers import Distiller
from trainables.distillers.parts import boxes as boxes_of
from trainables.features import Batch, Features, Predictions

CLASS_WEIGHT, CODE_WEIGHT = 10.0, 0.2
LEAST = 1e-4
"""Scores are compared within [LEAST, 1 - LEAST]."""
MOST_LABELS = 500
"""Boxes of the teacher per scan that become labels; 4,096 are looked at (NMS_PRE_MAXSIZE, NMS_POST_MAXSIZE)."""


class SparseKD(Distiller):
    """Squared error of scores at pivotal positions, smooth-L1 of codes of positives, and label distillation."""

    reads = ("predictions",)
    weight_range = (1 / CLASS_WEIGHT, 20 / CLASS_WEIGHT)

    class Parameters(Frozen):
        """What is pivotal, and which of the teacher's boxes are labels."""

        weight: float = Field(1.0, ge=0, description="multiple of the code's constants: class scores 10, codes 0.2")
        foreground: Literal["positive", "not_negative", "everywhere"] = Field(
            "positive",
            description="positions with a positive anchor (by how near the center is), with one that is not negative "
            "(with any center near), or all",
        )
        score: float = Field(0.0, ge=0, lt=1, description="pivotal positions have a teacher's score above this")
        codes: bool = Field(True, description="distill the codes of positive anchors, too")
        labels: bool = Field(True, description="the teacher's confident boxes stand before the ground truth")
        label_score: float = Field(0.6, ge=0, lt=1, description="score of a box that becomes a label")
        label_overlap: float = Field(0.01, ge=0, le=1, description="IoU above which the worse box is suppressed")
        teacher_mode: Literal["eval", "train"] = Field("eval", description="the teacher's batch norm")

    def __init__(self, parameters: Parameters, student: Features, teacher: Features) -> None:
        super().__init__(parameters, student, teacher)
        self.labels_per_scan = 0.0

    def supervise(self, teacher: Features, batch: Batch) -> Batch:
        """The batch with the teacher's confident boxes before the ground truth; the given samples stay as they are."""
        options = self.options
        if not options.labels:
            return batch
        name = ("labels", options.label_score, options.label_overlap)
        labeled, self.labels_per_scan = teacher.once(name, lambda: self._labeled(teacher, batch))
        return labeled

    def _labeled(self, teacher: Features, batch: Batch) -> tuple[Batch, float]:
        """The batch with labels from the teacher, and how many a scan got."""
        samples, added = [], 0
        confident = boxes_of.confident(teacher.predictions, self.options.label_score, 4096)
        best = boxes_of.suppressed(confident, self.options.label_overlap)
        for scan, (sample, several) in enumerate(zip(batch.samples, best, strict=True)):
            found = several.at(slice(MOST_LABELS))
            samples.append(with_labels(sample, boxes_of.headed(found, teacher.predictions, scan), found.labels))
            added += len(found.labels)
        return Batch(batch.inputs, samples), added / max(len(samples), 1)

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """`kd_class_loss`, `kd_code_loss`, and how many labels a scan got from the teacher."""
        options, ours, theirs = self.options, student.predictions, teacher.predictions
        learned = ours.assign(batch)
        mine, its = (p.logits.sigmoid().unflatten(1, (-1, p.at_a_place)) for p in (ours, theirs))
        mask = self._foreground(learned, ours, batch).unflatten(1, (-1, ours.at_a_place))
        if ours.foreground is None:
            loss = pivotal_loss(mine.flatten(2), its.flatten(2), mask.any(2), options.score)
        else:
            heads = zip(mine.unbind(2), its.unbind(2), mask.unbind(2), strict=True)
            loss = torch.stack([pivotal_loss(*head, options.score) for head in heads]).mean()
        terms = {"kd_class_loss": CLASS_WEIGHT * loss}
        if options.codes:
            terms["kd_code_loss"] = CODE_WEIGHT * code_loss(ours, theirs, learned >= 0)
        if options.labels:
            terms["kd_labels"] = loss.new_full((), self.labels_per_scan)
        return terms

    def _foreground(self, learned: Tensor, predictions: Predictions, batch: Batch) -> Tensor:
        """B x A, bool or a share, of the class that the head learns at every anchor and of the centers around it."""
        if self.options.foreground == "everywhere":
            return torch.ones_like(learned, dtype=torch.bool)
        if predictions.foreground is not None:
            near = predictions.foreground(batch)
            return near if self.options.foreground == "positive" else near > 0
        return learned >= 0 if self.options.foreground == "positive" else learned != -1


def pivotal_loss(student: Tensor, teacher: Tensor, foreground: Tensor, least: float = 0.0) -> Tensor:
    """Squared error of scores, weighted by the teacher's largest score at each position.

    Args:
        student: B x P x channels, scores (of every anchor and class at a position).
        teacher: B x P x channels, scores.
        foreground: B x P, bool: positions that may be pivotal; or how much so.
        least: the teacher's score that a pivotal position exceeds.
    """
    student, teacher = student.clamp(LEAST, 1 - LEAST), teacher.detach().clamp(LEAST, 1 - LEAST)
    best = teacher.amax(2)
    weights = best * (best > least) * foreground
    return (weights * (student - teacher).square().sum(2)).sum() / (weights.sum() + 1e-6)


def code_loss(student: Predictions, teacher: Predictions, positive: Tensor) -> Tensor:
    """Distance of the codes of B x A positive anchors, added over codes.

    Of anchors the smooth-L1 loss, averaged over a scan's and over scans; of centers the absolute difference, averaged
    over the batch's and over heads.
    """
    if student.foreground is None:
        losses = boxes_of.code_distance(student.codes, teacher.codes, student.angle) * positive
        return (losses.sum(1) / positive.sum(1).clamp(min=1)).mean()
    losses = (student.codes - teacher.codes.detach()).abs().sum(2) * positive
    of_heads, centers = (each.unflatten(1, (-1, student.at_a_place)).sum((0, 1)) for each in (losses, positive))
    return (of_heads / centers.clamp(min=1)).mean()


def with_labels(sample: Any, boxes: Tensor, labels: Tensor) -> Any:
    """A copy of mmdet3d's sample with more ground truth, before its own.

    Args:
        sample: a Det3DDataSample.
        boxes: M x 7, center x, y, z, length, width, height in m, yaw in rad; of M x 9 the velocity is kept, too, where
            the ground truth has one.
        labels: M.
    """
    sample = copy.deepcopy(sample)
    truth = sample.gt_instances_3d
    own = truth.bboxes_3d.tensor
    boxes = boxes.to(own)
    bottom = torch.cat([boxes[:, :2], boxes[:, 2:3] - boxes[:, 5:6] / 2, boxes[:, 3:]], dim=1)
    bottom = F.pad(bottom, (0, own.shape[1] - bottom.shape[1]))  # either may have velocities alone
    sample.gt_instances_3d = type(truth)(
        bboxes_3d=truth.bboxes_3d.new_box(torch.cat([bottom, own])),
        labels_3d=torch.cat([labels.to(truth.labels_3d), truth.labels_3d]),
    )
    return sample
