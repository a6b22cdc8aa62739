"""SE-SSD's consistency: boxes and scores follow those of the teacher that they overlap (Zheng et al., CVPR 2021).

Zheng, Tang, Jiang and Fu, "SE-SSD: Self-Ensembling Single-Stage Object Detector From Point Cloud"; code:
github.com/Vegeta2020/SE-SSD at e4d3a865f81d (mg_head_sessd.py, trainer_sessd.py, odious.py). Per scan: boxes with a
score of at least 0.3 of both networks; each box of the student whose overlap with one of the teacher's, seen from
above, exceeds 0.7 takes the best such box (several may take the same). The loss is the mean over these pairs of

    mean over 7 codes of smooth-L1(x, y, z, length, width, height, sine of the yaw's difference),
    over 9 where boxes have velocities, and of
    smooth-L1(score_s - score_t),   both with sigma = 3,

summed over scans, divided by their number, times a ramp exp(-5 (1 - min(e, E) / E)^2) over the epochs e. E is a share
of the training (`ramp`): the code's 15 of 60 epochs are a quarter, and a short training reaches the full weight too.

`teacher_mode=eval` is the comparison's reading: the trained teacher, frozen. `average` is the original's
self-ensembling: an exponential moving average of the student. Differs from the code: teacher and student see the same
augmented scan, so no box is moved between frames; several classes, so a pair must agree on the likeliest class and the
score is that class's; no IoU head; no limit of the range, which boxes that overlap share; the 2,000 best boxes of each
network (512 of points, before suppression) are compared, as their overlaps are one matrix.

`odiou` adds the code's other loss, between the student's boxes and the ground truth that they overlap (as above).
There it replaces the detector's box loss; here that stays, so it is off unless asked for.
"""

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from study.nouns.frozen import Frozen
from trainables.distillers import Distiller
from trainables.distillers.parts import boxes as boxes_of
from trainables.features import Batch, Features


class SeSsd(Distiller):
    """Smooth-L1 between boxes, and between scores, of the student and the teacher that overlap."""

    reads = ("predictions",)

    class Parameters(Frozen):
        """Which boxes are compared, and from when on."""

        weight: float = Field(1.0, ge=0, description="multiple of the code's weights, which are all 1")
        teacher_mode: Literal["eval", "train", "average"] = Field(
            "eval", description="the teacher frozen, with batch statistics, or an average of the student instead"
        )
        score: float = Field(0.3, ge=0, lt=1, description="boxes of both networks have at least this score")
        overlap: float = Field(0.7, ge=0, lt=1, description="IoU from above that a pair exceeds")
        most: int = Field(2000, ge=1, description="best boxes per scan; of points 512 by default")
        ramp: float = Field(
            0.25, ge=0, le=1, description="share of the training until the full weight; 0 starts with it"
        )
        odiou: float = Field(0.0, ge=0, description="weight of the ODIoU loss against the ground truth; 0 leaves it")
        height: Literal["enclosing", "overlap"] = Field(
            "enclosing", description="in ODIoU's diagonal: of the enclosing box (paper) or of the overlap (code)"
        )

    @classmethod
    def complete(cls, parameters: dict[str, Any], kind: str) -> dict[str, Any]:
        """Fill in how many boxes are compared; drop the height where no ODIoU reads it."""
        whole = super().complete(parameters, kind)
        if kind == "points" and "most" not in parameters:
            whole["most"] = 512
        if not whole["odiou"]:
            whole["height"] = "enclosing"
        return whole

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """`kd_box_loss` and `kd_score_loss`, `kd_odiou_loss` where asked for, and `kd_pairs`, the mean over scans."""
        options, ours, theirs = self.options, student.predictions, teacher.predictions
        zero = 0 * (ours.logits.sum() + ours.codes.sum())  # early in training nothing is compared
        box, score, odiou_sum, pairs = zero, zero, zero, zero.detach()
        scans = len(ours.logits)
        found, targets = (boxes_of.confident(read, options.score, options.most) for read in (ours, theirs))
        for scan, (own, target) in enumerate(zip(found, targets, strict=True)):
            if not len(own.boxes):
                continue
            boxes = ours.decode(scan, own.anchors)
            if len(target.boxes):
                paired, partner = match(own.boxes, own.labels, target.boxes, target.labels, options.overlap)
                pairs = pairs + paired.sum()
                box = box + box_consistency(boxes, target.boxes[partner], paired)
                scores = ours.logits[scan, own.anchors, own.labels].sigmoid()
                losses = F.smooth_l1_loss(scores, target.scores[partner], beta=boxes_of.BETA, reduction="none")
                score = score + mean_of(losses, paired)
            truth, labels = batch.objects(scan) if options.odiou else (boxes[:0], own.labels[:0])
            if len(truth):
                paired, partner = match(own.boxes, own.labels, truth, labels, options.overlap)
                odiou_sum = odiou_sum + 2 * mean_of(odiou(boxes, truth[partner], options.height), paired)
        factor = ramp(self.epoch, options.ramp * self.epochs) / scans
        terms = {"kd_box_loss": factor * box, "kd_score_loss": factor * score, "kd_pairs": pairs / scans}
        if options.odiou:
            terms["kd_odiou_loss"] = options.odiou * odiou_sum / scans
        return terms


def match(
    student: Tensor, student_labels: Tensor, teacher: Tensor, teacher_labels: Tensor, overlap: float
) -> tuple[Tensor, Tensor]:
    """Pairs of boxes of one class that overlap.

    Args:
        student: N x 7 boxes.
        student_labels: N.
        teacher: M x 7 boxes, M > 0.
        teacher_labels: M.
        overlap: intersection over union, seen from above, that a pair exceeds.

    Returns:
        N, bool: which of the student's boxes have a partner; and N indices of the best partner (some index without).
    """
    ious = boxes_of.overlaps(student, teacher) * (student_labels[:, None] == teacher_labels)
    best, partner = ious.max(1)
    return best > overlap, partner


def mean_of(losses: Tensor, counted: Tensor) -> Tensor:
    """Mean of the N losses that count; 0 where none does."""
    return (losses * counted).sum() / counted.sum().clamp(min=1)


def box_consistency(student: Tensor, teacher: Tensor, paired: Tensor) -> Tensor:
    """Mean over pairs and the numbers of a box of the smooth-L1 loss; of the yaw the sine of the difference counts.

    Args:
        student: N x 7 boxes, or N x 9 with velocities.
        teacher: likewise.
        paired: N, bool: which of them are pairs.
    """
    return mean_of(boxes_of.code_distance(student, teacher, angle=6) / student.shape[1], paired)


def ramp(epoch: int, epochs: float) -> float:
    """Share of the full weight after so many epochs, exp(-5 (1 - e / E)^2) up to E."""
    return math.exp(-5 * (1 - min(epoch, epochs) / epochs) ** 2) if epochs else 1.0


def odiou(boxes: Tensor, targets: Tensor, height: Literal["enclosing", "overlap"] = "enclosing") -> Tensor:
    """Orientation-aware distance-IoU of M pairs: 1 - IoU + c^2 / d^2 + 1.25 (1 - |cos(yaw's difference)|).

    c is the distance of the centers, d the diagonal of the smallest rectangle around both seen from above, together
    with a height. Differs from the code: its smallest rectangle turns some of the sides that it tries the wrong way.

    Args:
        boxes: M x 7.
        targets: M x 7.
        height: of the box that encloses both (paper), or that both share (code, which computes the other, unused).

    Returns:
        M, 0 for boxes without volume.
    """
    limit = boxes_of.FARTHEST
    boxes, targets = boxes.clamp(-limit, limit), targets.detach().clamp(-limit, limit)
    sound = (boxes[:, 3:6] > 0).all(1) & (targets[:, 3:6] > 0).all(1)
    half = [b[:, 5] / 2 for b in (boxes, targets)]
    top, bottom = boxes[:, 2] + half[0], boxes[:, 2] - half[0]
    its_top, its_bottom = targets[:, 2] + half[1], targets[:, 2] - half[1]
    shared_height = (torch.minimum(top, its_top) - torch.maximum(bottom, its_bottom)).clamp(min=0)
    tall = torch.maximum(top, its_top) - torch.minimum(bottom, its_bottom) if height == "enclosing" else shared_height
    shared = boxes_of.shared_area(boxes, targets) * shared_height
    union = boxes[:, 3:6].prod(1) + targets[:, 3:6].prod(1) - shared
    away = (boxes[:, :3] - targets[:, :3]).square().sum(1)
    squared_diagonal = _squared_diagonal(boxes, targets) + tall.square() + 1e-7
    turned = 1.25 * (1 - (boxes[:, 6] - targets[:, 6]).cos().abs())
    return torch.where(sound, 1 - shared / torch.where(sound, union, 1) + away / squared_diagonal + turned, 0)


def _squared_diagonal(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """M squared diagonals, m2, of the rectangles of least area around two boxes seen from above.

    Such a rectangle lies along a side of the convex hull, which joins two of the eight corners.
    """
    both = torch.cat([boxes_of.corners(boxes_of.from_above(b)) for b in (boxes1, boxes2)], dim=1)
    first, second = torch.combinations(torch.arange(8, device=both.device)).unbind(1)
    side = both[:, second] - both[:, first]
    length = torch.linalg.vector_norm(side, dim=-1, keepdim=True)
    along = side / length.clamp(min=1e-6)
    across = torch.stack([-along[..., 1], along[..., 0]], dim=-1)
    extents = [(e.amax(-1) - e.amin(-1)) for e in (axis @ both.transpose(1, 2) for axis in (along, across))]
    areas = (extents[0] * extents[1]).masked_fill(length.squeeze(-1) < 1e-6, float("inf"))
    least = areas.detach().argmin(1, keepdim=True)
    return sum(extent.gather(1, least).squeeze(1).square() for extent in extents)  # type: ignore[return-value]
