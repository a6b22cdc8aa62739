"""Features of detectors with anchors on maps of the bird's-eye view: PointPillars, SECOND, PointPillars-FPN.

mmdet3d builds them from the same parts (SECOND backbone, a neck of one level or several, Anchor3DHead), so all are read
here. The anchors of several levels stand one level after the other, as mmdet3d's own targets do.
"""

import copy
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from study.nouns.config import DetectorConfig
from trainables.detectors import Mean, Reading, scaled
from trainables.detectors.parts import maps_from_above
from trainables.detectors.parts.taps import Tap
from trainables.features import Batch, Predictions


def targets(prefix: str = "") -> str:
    """Dotted name of the head's function that says what every anchor learns."""
    return f"{prefix}bbox_head.anchor_target_3d"


def taps(layers: Sequence[int], prefix: str = "") -> dict[str, Tap]:
    """Taps of a backbone whose stages have so many layers after their first, of the neck and of the head."""
    return {**maps_from_above.taps(layers, prefix), "head": Tap(f"{prefix}bbox_head")}


def readings(layers: Sequence[int], prefix: str = "") -> dict[str, Reading]:
    """`stages`, `before_relu`, `neck` and `predictions`."""

    def predictions(seen: Mapping[str, Any], batch: Batch, network: Any) -> Predictions:
        return _predictions(seen["head"], head_of(network), targets(prefix))

    return {**maps_from_above.readings(layers, prefix), "predictions": Reading(("head",), predictions)}


def head_of(network: Any) -> Any:
    """The dense head of a network or of its config."""
    return network.bbox_head if hasattr(network, "bbox_head") else network.pts_bbox_head


def forward(network: Any, batch: Batch) -> None:
    """Backbone, neck and head; mmdet3d's own forward pass without losses calls the head past its hooks."""
    network.bbox_head(network.extract_feat(batch.inputs))


def share_counts(network: Any, mean: Mean) -> None:
    """mmdet3d's anchor heads divide losses by the number of matched anchors: here by its mean over processes."""
    head = head_of(network)
    targets = head.anchor_target_3d

    @functools.wraps(targets)
    def shared_targets(*args: Any, **kwargs: Any) -> Any:
        *rest, positives, negatives = targets(*args, **kwargs)
        return *rest, *mean([positives, negatives])

    head.anchor_target_3d = shared_targets


def scale(model: Any, factor: float) -> None:
    """Scale backbone, neck and head of a model config; what feeds the backbone is the detector's own."""
    stages = [scaled(c, factor) for c in model.backbone.out_channels]
    branches = [scaled(c, factor) for c in model.neck.out_channels]
    model.backbone.out_channels = stages
    model.neck.in_channels = stages
    model.neck.out_channels = branches
    model.bbox_head.in_channels = sum(branches)
    model.bbox_head.feat_channels = sum(branches)


def place(model: Any, detector: DetectorConfig, multiple: int) -> tuple[list[float], float, int, int]:
    """Lay the voxel grid and the anchors on another range or with another voxel size; as `maps_from_above.place`."""
    limits, edge, columns, lines = maps_from_above.place(model, detector, multiple)
    anchors = head_of(model).anchor_generator
    anchors.ranges = [[*limits[:2], low, *limits[3:5], high] for _, _, low, _, _, high in anchors.ranges]
    return limits, edge, columns, lines


def _predictions(head_outputs: Any, head: Any, targets_name: str) -> Predictions:
    levels, boxes, directions = head_outputs
    sizes = [level.shape[-2:] for level in levels]
    codes = _per_anchor(boxes, head.box_code_size)

    @functools.cache  # made once, when the first boxes of the pass are decoded
    def priors() -> Tensor:
        of_levels = head.prior_generator.grid_anchors(sizes, device=codes.device)
        return torch.cat([priors.reshape(-1, head.box_code_size) for priors in of_levels])

    def decode(scan: int, anchors: Tensor) -> Tensor:
        decoded = head.bbox_coder.decode(priors()[anchors], codes[scan, anchors])
        return torch.cat([decoded[:, :2], decoded[:, 2:3] + decoded[:, 5:6] / 2, decoded[:, 3:]], dim=1)

    def learned(batch: Batch) -> Any:
        anchors = head.get_anchors(sizes, batch.samples, device=codes.device)
        # The assigner replaces the boxes that it is given by their tensor, so it is given a record of its own.
        truth = [copy.copy(sample.gt_instances_3d) for sample in batch.samples]
        return head.anchor_target_3d(
            anchors, truth, [sample.metainfo for sample in batch.samples], num_classes=head.num_classes,
            label_channels=head.cls_out_channels, sampling=head.sampling,
        )  # fmt: skip

    def assign(batch: Batch) -> Tensor:
        labels, weights = (torch.cat(found, dim=1) for found in batch.once(targets_name, lambda: learned(batch))[:2])
        return labels.where(labels < head.num_classes, -1).where(weights > 0, -2)

    return Predictions(
        _per_anchor(levels, head.num_classes), codes, decode, _per_anchor(directions, 2),
        half_circle=head.dir_offset - math.pi * head.dir_limit_offset, angle=6, assign=assign,
        at_a_place=head.num_anchors,
    )  # fmt: skip


def _per_anchor(levels: Sequence[Tensor], width: int) -> Tensor:
    """B x (A per cell * width) x H x W of each level to B x A x width, in the order of the anchors."""
    return torch.cat([level.permute(0, 2, 3, 1).reshape(len(level), -1, width) for level in levels], dim=1)
