"""Boxes that distillation compares: found by a dense head, seen from above, and how much of two of them is shared.

Boxes are center x, y, z, length, width, height in m and yaw in rad, as `Predictions.decode` gives them: M x 7, or M x 9
with the velocity along x and y in m/s behind.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.features import Predictions

BETA = 1 / 9
"""Where smooth-L1 turns linear."""
FARTHEST = 200.0
"""No box of a sound prediction has a coordinate or size beyond this, in m."""


@dataclass(frozen=True)
class Detections:
    """What a dense head finds in one scan, best first; without gradient."""

    anchors: Tensor
    """M, int64: the anchors or points that found the boxes."""
    boxes: Tensor
    """M x 7 or M x 9."""
    scores: Tensor
    """M: of the likeliest class."""
    labels: Tensor
    """M, int64: the likeliest class."""

    def at(self, chosen: Tensor | slice) -> "Detections":
        """Those of an index, mask or slice."""
        return Detections(self.anchors[chosen], self.boxes[chosen], self.scores[chosen], self.labels[chosen])


@torch.no_grad()
def confident(predictions: Predictions, score: float, most: int) -> list[Detections]:
    """Of each scan the boxes whose likeliest class has at least a score; no more than `most`.

    Boxes that are not finite or beyond 200 m, as heads decode them early in training, are left out. Of equal scores the
    first anchor's counts as the better one. Waits for the device twice, however many scans there are.
    """
    scores, labels = predictions.logits.sigmoid().max(2)
    found = []
    for scan, above in enumerate((scores >= score).cpu()):
        anchors = above.nonzero().squeeze(1).to(scores.device, non_blocking=True)
        anchors = anchors[scores[scan, anchors].argsort(descending=True, stable=True)][:most]
        boxes = predictions.decode(scan, anchors)
        found.append(Detections(anchors, boxes, scores[scan, anchors], labels[scan, anchors]))
    sound = torch.cat([_are_sound(each.boxes) for each in found]).cpu().split([len(each.boxes) for each in found])
    return [
        each.at(kept.nonzero().squeeze(1).to(scores.device, non_blocking=True))
        for each, kept in zip(found, sound, strict=True)
    ]


def _are_sound(boxes: Tensor) -> Tensor:
    """M, bool: finite, near, and of some size."""
    return boxes.isfinite().all(1) & (boxes.abs() <= FARTHEST).all(1) & (boxes[:, 3:6] > 0).all(1)


@torch.no_grad()
def headed(found: Detections, predictions: Predictions, scan: int) -> Tensor:
    """The boxes, facing where the head says; the codes of an anchor leave half a turn open."""
    if predictions.directions is None:
        return found.boxes
    boxes, half = found.boxes.clone(), predictions.directions[scan, found.anchors].argmax(1)
    boxes[:, 6] -= ((boxes[:, 6] - predictions.half_circle) / math.pi).floor() * math.pi - half * math.pi
    return boxes


def joined(found: Sequence[Detections]) -> Detections:
    """Several of one scan, one after the other."""
    return Detections(*(torch.cat([getattr(each, name) for each in found]) for name in vars(found[0])))


def overlaps(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """N x M intersection over union seen from above, without gradient."""
    return _operators().box_iou_rotated(from_above(boxes1).detach(), from_above(boxes2).detach())


def from_above(boxes: Tensor) -> Tensor:
    """M x 5 rectangles x, y, length, width, yaw of M boxes."""
    return torch.cat([boxes[:, :2], boxes[:, 3:5], boxes[:, 6:7]], dim=1)


def suppressed(scans: list[Detections], threshold: float) -> list[Detections]:
    """Of each scan, per class, the boxes that no better one overlaps by more than `threshold` seen from above; best
    first. Waits for the device once for all labels, and wherever mmcv's operator does."""
    labels = torch.cat([found.labels for found in scans]).cpu().split([len(found.labels) for found in scans])
    return [_best(*each, threshold) for each in zip(scans, labels, strict=True)]


def _best(found: Detections, labels: Tensor, threshold: float) -> Detections:
    kept = [torch.zeros(0, dtype=torch.long, device=found.boxes.device)]
    for label in labels.unique():
        own = (labels == label).nonzero().squeeze(1).to(found.boxes.device, non_blocking=True)
        kept.append(own[_operators().nms_rotated(from_above(found.boxes[own]), found.scores[own], threshold)[1]])
    return found.at(torch.cat(kept).sort().values)


def inside(places: Tensor, boxes: Tensor) -> Tensor:
    """Which places lie in which box, its sides aside: P x 3 places in space, P x 2 seen from above; P x M, bool."""
    solid = boxes[:, :7].clone()
    if places.shape[1] == 2:
        places = F.pad(places, (0, 1))
        solid[:, 2], solid[:, 5] = 0, 1
    solid[:, 2] -= solid[:, 5] / 2  # the operator counts height from the bottom
    return _operators().points_in_boxes_all(places[None].contiguous(), solid[None])[0].bool()


def code_difference(student: Tensor, teacher: Tensor, angle: int | None) -> Tensor:
    """Difference of codes or boxes, of an angle its sine: half a turn is no difference (mmdet3d's and SECOND's loss).

    Args:
        student, teacher: ... x code size.
        angle: column of an angle in rad, or None.
    """
    difference = student - teacher
    if angle is None:
        return difference
    return torch.cat([difference[..., :angle], difference[..., angle, None].sin(), difference[..., angle + 1 :]], -1)


def code_distance(student: Tensor, teacher: Tensor, angle: int | None) -> Tensor:
    """Smooth-L1 loss added over the codes, as in the detectors' own box loss; of an angle its sine's difference counts.

    Args:
        student, teacher: ... x code size; the teacher's without gradient.
        angle: column of an angle in rad, or None.

    Returns:
        ....
    """
    difference = code_difference(student, teacher.detach(), angle)
    return F.smooth_l1_loss(difference, torch.zeros_like(difference), beta=BETA, reduction="none").sum(-1)


def shared_area(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """M areas that M boxes share with M others seen from above, m2; with gradient.

    Each side of the first box cuts the second: every edge that crosses the side's line gets a corner there, and corners
    beyond the line are moved straight onto it, where they enclose no area.
    """
    offset = boxes2[:, :2] - boxes1[:, :2]
    cosine, sine = boxes1[:, 6].cos(), boxes1[:, 6].sin()
    center = torch.stack([offset[:, 0] * cosine + offset[:, 1] * sine, offset[:, 1] * cosine - offset[:, 0] * sine], 1)
    polygon = corners(torch.cat([center, boxes2[:, 3:5], (boxes2[:, 6] - boxes1[:, 6])[:, None]], dim=1))
    for axis in (0, 1):
        for sign in (1, -1):
            polygon = _cut(polygon, axis, sign, boxes1[:, 3 + axis] / 2)
    x, y = polygon.unbind(-1)
    return (x * y.roll(-1, 1) - y * x.roll(-1, 1)).sum(1).abs() / 2


def corners(rectangles: Tensor) -> Tensor:
    """M x 4 x 2 corners, in order, of M x 5 rectangles x, y, length, width, yaw."""
    half = rectangles[:, None, 2:4] / 2 * rectangles.new_tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    cosine, sine = rectangles[:, 4:5].cos(), rectangles[:, 4:5].sin()
    along, across = half.unbind(-1)
    return rectangles[:, None, :2] + torch.stack([along * cosine - across * sine, along * sine + across * cosine], -1)


def _cut(polygon: Tensor, axis: int, sign: int, limit: Tensor) -> Tensor:
    """M x V x 2 polygons to M x 2V x 2 ones without the area where sign * coordinate exceeds M limits."""
    following = polygon.roll(-1, 1)
    here, there = (limit[:, None] - sign * p[..., axis] for p in (polygon, following))
    crosses = here * there < 0
    part = torch.where(crosses, here, 0) / torch.where(crosses, here - there, 1)
    both = torch.stack([polygon, polygon + part[..., None] * (following - polygon)], dim=2).flatten(1, 2)
    moved = sign * torch.minimum(sign * both[..., axis], limit[:, None])
    return torch.stack([moved, both[..., 1]] if axis == 0 else [both[..., 0], moved], dim=-1)


@functools.cache
def _operators() -> Any:
    """mmcv's operators, on the CPU where it has none compiled."""
    from trainables.ops.setup.bridge import install

    install()
    import mmcv.ops

    return mmcv.ops
