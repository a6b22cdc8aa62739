"""Features of detectors that end in a 2D network on the bird's-eye view: PointPillars, SECOND.

mmdet3d builds both from the same parts (SECOND backbone, SECONDFPN, Anchor3DHead), so both are read here.
"""

import copy
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from study.nouns.config import DetectorConfig
from study.nouns.errors import InputError
from trainables.detectors import Mean, Reading, grid, scaled
from trainables.detectors.parts.taps import Tap
from trainables.features import Batch, Map, Predictions, Rows

TARGETS = "bbox_head.anchor_target_3d"


def taps(layers: Sequence[int]) -> dict[str, Tap]:
    """Taps of a backbone whose stages have so many layers after their first, of the neck and of the head."""
    # A stage is (convolution, norm, ReLU) times layers + 1, and each ReLU overwrites what the norm gave out.
    norms = {_norm(i): Tap(f"backbone.blocks.{i}.{3 * more + 1}", clone=True) for i, more in enumerate(layers)}
    return {"backbone": Tap("backbone"), **norms, "neck": Tap("neck"), "head": Tap("bbox_head")}


def readings(layers: Sequence[int]) -> dict[str, Reading]:
    """`stages`, `before_relu`, `neck` and `predictions`."""

    def before_relu(seen: Mapping[str, Any], batch: Batch, network: Any) -> tuple[Map, ...]:
        return tuple(
            _map(seen[_norm(i)], network, network.get_submodule(f"backbone.blocks.{i}.{3 * more + 1}"))
            for i, more in enumerate(layers)
        )

    return {
        "stages": Reading(("backbone",), lambda seen, batch, network: stages(seen, network)),
        "before_relu": Reading(tuple(_norm(i) for i in range(len(layers))), before_relu),
        "neck": Reading(("neck",), lambda seen, batch, network: _map(seen["neck"][0], network)),
        "predictions": Reading(("head",), lambda seen, batch, network: _predictions(seen["head"], network)),
    }


def stages(seen: Mapping[str, Any], network: Any) -> tuple[Map, ...]:
    """The backbone's outputs."""
    return tuple(_map(values, network) for values in seen["backbone"])


def forward(network: Any, batch: Batch) -> None:
    """Backbone, neck and head; mmdet3d's own forward pass without losses calls the head past its hooks."""
    network.bbox_head(network.extract_feat(batch.inputs))


def share_counts(network: Any, mean: Mean) -> None:
    """mmdet3d's anchor heads divide losses by the number of matched anchors: here by its mean over processes."""
    targets = network.bbox_head.anchor_target_3d

    @functools.wraps(targets)
    def shared_targets(*args: Any, **kwargs: Any) -> Any:
        *rest, positives, negatives = targets(*args, **kwargs)
        return *rest, *mean([positives, negatives])

    network.bbox_head.anchor_target_3d = shared_targets


def cells(features: Map) -> Rows:
    """Every cell of a map as a row: B*H*W x C."""
    batch, _, height, width = features.values.shape
    return Rows(
        kind="cells",
        values=features.values.flatten(2).transpose(1, 2).flatten(0, 1),
        scan=torch.arange(batch, device=features.values.device).repeat_interleave(height * width),
        position=features.position.flatten(0, 1),
    )


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
    """Lay the voxel grid and the anchors on another range or with another voxel size.

    Args:
        multiple: cells along x and y come in multiples of this, the network's total stride.

    Returns:
        The range, the edge of a voxel in x and y (both in m), and the cells along x and along y.

    Raises:
        InputError: the cells do not fit, or a number of points was given.
    """
    if detector.points is not None:
        raise InputError(f"detector.points is for detectors of raw points; {detector.name} takes every point")
    layer = model.data_preprocessor.voxel_layer
    limits = list(detector.range or layer.point_cloud_range)
    edge = detector.pillar or layer.voxel_size[0]
    columns = grid(limits[0], limits[3], edge, multiple, "x")
    lines = grid(limits[1], limits[4], edge, multiple, "y")
    layer.point_cloud_range = limits
    anchors = model.bbox_head.anchor_generator
    anchors.ranges = [[*limits[:2], low, *limits[3:5], high] for _, _, low, _, _, high in anchors.ranges]
    return limits, edge, columns, lines


def _norm(stage: int) -> str:
    return f"norm{stage}"


def _map(values: Tensor, network: Any, norm: Any = None) -> Map:
    """A map on the network's range, with the batch norm that made it where that is given."""
    batch, _, height, width = values.shape
    x_low, y_low, _, x_high, y_high, _ = (float(v) for v in network.data_preprocessor.voxel_layer.point_cloud_range)
    x = x_low + (torch.arange(width, device=values.device) + 0.5) * (x_high - x_low) / width
    y = y_low + (torch.arange(height, device=values.device) + 0.5) * (y_high - y_low) / height
    centers = torch.stack([x.expand(height, width), y[:, None].expand(height, width), x.new_zeros(height, width)], -1)
    affine = {} if norm is None else {"scale": norm.weight.detach(), "shift": norm.bias.detach()}
    return Map(values, centers.flatten(0, 1).expand(batch, -1, -1), **affine)


def _predictions(head_outputs: Any, network: Any) -> Predictions:
    head = network.bbox_head
    (scores,), (boxes,), (directions,) = head_outputs
    codes = _per_anchor(boxes, head.box_code_size)

    @functools.cache  # made once, when the first boxes of the pass are decoded
    def priors() -> Tensor:
        (of_level,) = head.prior_generator.grid_anchors([scores.shape[-2:]], device=codes.device)
        return of_level.reshape(-1, head.box_code_size)

    def decode(scan: int, anchors: Tensor) -> Tensor:
        decoded = head.bbox_coder.decode(priors()[anchors], codes[scan, anchors])
        return torch.cat([decoded[:, :2], decoded[:, 2:3] + decoded[:, 5:6] / 2, decoded[:, 3:7]], dim=1)

    def targets(batch: Batch) -> Any:
        anchors = head.get_anchors([scores.shape[-2:]], batch.samples, device=codes.device)
        # The assigner replaces the boxes that it is given by their tensor, so it is given a record of its own.
        truth = [copy.copy(sample.gt_instances_3d) for sample in batch.samples]
        return head.anchor_target_3d(
            anchors, truth, [sample.metainfo for sample in batch.samples], num_classes=head.num_classes,
            label_channels=head.cls_out_channels, sampling=head.sampling,
        )  # fmt: skip

    def assign(batch: Batch) -> Tensor:
        (labels, *_), (weights, *_) = batch.once(TARGETS, lambda: targets(batch))[:2]
        return labels.where(labels < head.num_classes, -1).where(weights > 0, -2)

    return Predictions(
        _per_anchor(scores, head.num_classes), codes, decode, _per_anchor(directions, 2),
        half_circle=head.dir_offset - math.pi * head.dir_limit_offset, angle=6, assign=assign,
    )  # fmt: skip


def _per_anchor(output: Tensor, width: int) -> Tensor:
    """B x (A per cell * width) x H x W to B x A x width, in the order of the anchors."""
    return output.permute(0, 2, 3, 1).reshape(len(output), -1, width)
