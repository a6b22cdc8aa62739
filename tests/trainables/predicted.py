"""Small predictions and objects that tests of distillation share, and boxes computed with Python floats."""

import math
from typing import Any

import torch

from trainables.features import Batch, Features, Predictions

BETA = 1 / 9


def predictions(logits, boxes, **more: Any) -> Predictions:
    """A head whose codes are its boxes: B x A x classes logits, B x A x 7 boxes."""
    return Predictions(logits, boxes, lambda scan, anchors: boxes[scan, anchors], **more)


def features(logits, boxes, neck=None, **more: Any) -> Features:
    return Features(predictions=predictions(logits, boxes, **more), neck=neck)


def sample(boxes: list[list[float]], labels: list[int], **meta: Any) -> Any:
    """mmdet3d's record of one scan; boxes are x, y, z of the center, length, width, height, yaw."""
    from trainables.ops.setup.bridge import install

    install()
    from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
    from mmengine.structures import InstanceData

    truth = LiDARInstance3DBoxes(torch.tensor(boxes).reshape(-1, 7), origin=(0.5, 0.5, 0.5))
    record = Det3DDataSample(metainfo={"box_type_3d": LiDARInstance3DBoxes, **meta})
    record.gt_instances_3d = InstanceData(bboxes_3d=truth, labels_3d=torch.tensor(labels, dtype=torch.long))
    return record


def batch(*scans: Any, points: list | None = None) -> Batch:
    """A batch of such records, and their LiDAR points where a method counts them."""
    return Batch({"points": points or [torch.zeros(0, 4)] * len(scans)}, list(scans))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def smooth_l1(difference: float) -> float:
    size = abs(difference)
    return 0.5 * size * size / BETA if size < BETA else size - 0.5 * BETA


def corners(box: list[float]) -> list[tuple[float, float]]:
    """Counterclockwise, seen from above."""
    x, y, _, length, width, _, yaw = box
    ends = [(length / 2, width / 2), (-length / 2, width / 2), (-length / 2, -width / 2), (length / 2, -width / 2)]
    return [(x + a * math.cos(yaw) - b * math.sin(yaw), y + a * math.sin(yaw) + b * math.cos(yaw)) for a, b in ends]


def shared_area(box: list[float], other: list[float]) -> float:
    """Clips the corners of one box at each side of the other (Sutherland and Hodgman)."""
    polygon = corners(box)
    sides = corners(other)
    for (x1, y1), (x2, y2) in zip(sides, sides[1:] + sides[:1], strict=True):

        def left(p, x1=x1, y1=y1, x2=x2, y2=y2):
            return (x2 - x1) * (p[1] - y1) - (y2 - y1) * (p[0] - x1)

        kept = []
        for here, there in zip(polygon, polygon[1:] + polygon[:1], strict=True):
            if left(here) >= 0:
                kept.append(here)
            if left(here) * left(there) < 0:
                t = left(here) / (left(here) - left(there))
                kept.append((here[0] + t * (there[0] - here[0]), here[1] + t * (there[1] - here[1])))
        polygon = kept
    return abs(sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True))) / 2


def overlap(box: list[float], other: list[float]) -> float:
    """Intersection over union seen from above."""
    area = shared_area(box, other)
    return area / (box[3] * box[4] + other[3] * other[4] - area)


def holds(box: list[float], point: list[float]) -> bool:
    """Whether a point, in space or seen from above, lies in a box: on its bottom and top too, on its sides not."""
    x, y, yaw = point[0] - box[0], point[1] - box[1], box[6]
    own = [x * math.cos(yaw) + y * math.sin(yaw), y * math.cos(yaw) - x * math.sin(yaw)]
    between = all(abs(c - z) <= height / 2 for c, z, height in zip(point[2:], box[2:3], box[5:6], strict=False))
    return between and all(abs(value) < size / 2 for value, size in zip(own, box[3:5], strict=True))


def random_boxes(count: int, seed: int, *, spread: float = 6.0) -> torch.Tensor:
    """M x 7 boxes of cars and pedestrians that partly overlap, float64."""
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.rand(count, 7, generator=generator, dtype=torch.float64)
    boxes[:, :2] = boxes[:, :2] * spread
    boxes[:, 2] -= 0.5
    boxes[:, 3:6] = 0.6 + boxes[:, 3:6] * torch.tensor([4.0, 2.0, 1.5], dtype=torch.float64)
    boxes[:, 6] = (boxes[:, 6] - 0.5) * 9
    return boxes
