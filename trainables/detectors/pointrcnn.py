"""PointRCNN on KITTI (Shi et al., CVPR 2019): a network on raw points proposes boxes, a second stage refines them.

Students keep the depth and scale every width; fractions are cut off. At 8x the paper divides by 2.8, at 16x by 4; any
other compression divides by its square root. PointDistiller's rows are the points that the backbone was given.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from study.nouns.config import DetectorConfig
from study.nouns.errors import InputError
from trainables.detectors import DetectorSpec, Reading, counts_apart, dicts
from trainables.detectors.parts.taps import Tap
from trainables.features import Batch, Map, Predictions, Rows

POINTS = 16384
"""Points per scan that mmdet3d's pipeline samples."""
PUBLISHED = {8.0: 1 / 2.8}
LAST_NORM = "neck.FP_modules.3.mlps.layer1.bn"
"""Batch norm in front of the last ReLU before the features of the points."""


def shrink(compression: float) -> float:
    """Factor of every width."""
    return PUBLISHED.get(compression, compression**-0.5)


def scale(model: Any, factor: float) -> None:
    """Scale set abstraction, feature propagation, proposal head and refinement."""

    def cut(channels: Any) -> Any:
        if isinstance(channels, int):
            return max(1, int(channels * factor + 1e-9))
        return tuple(cut(c) for c in channels)

    backbone = model.backbone
    backbone.sa_channels = cut(backbone.sa_channels)
    # Features of the points at each resolution, the given points' reflectance first.
    skipped = [backbone.in_channels - 3, *(sum(branch[-1] for branch in level) for level in backbone.sa_channels)]
    below, wide = skipped.pop(), []
    for _, *widths in model.neck.fp_channels:
        wide.append((below + skipped.pop(), *cut(widths)))
        below = wide[-1][-1]
    model.neck.fp_channels = tuple(wide)
    proposals = model.rpn_head.pred_layer_cfg
    proposals.in_channels = below
    proposals.cls_linear_channels = cut(proposals.cls_linear_channels)
    proposals.reg_linear_channels = cut(proposals.reg_linear_channels)
    refinement = model.roi_head.bbox_head
    refinement.mlp_channels = list(cut(refinement.mlp_channels))
    refinement.sa_channels = cut(refinement.sa_channels)
    refinement.pred_layer_cfg.in_channels = refinement.sa_channels[-1][-1]
    refinement.pred_layer_cfg.cls_conv_channels = cut(refinement.pred_layer_cfg.cls_conv_channels)
    refinement.pred_layer_cfg.reg_conv_channels = cut(refinement.pred_layer_cfg.reg_conv_channels)


def place(config: Any, detector: DetectorConfig) -> None:
    """Give the network fewer points: every resolution of the backbone keeps its share of them.

    The range is the pipelines' affair alone: the network itself has none.

    Raises:
        InputError: a pillar size was given, or fewer points than the backbone's steps need.
    """
    if detector.pillar is not None:
        raise InputError("pointrcnn reads raw points and has no detector.pillar; detector.points says how many")
    if detector.points is None:
        return
    steps = tuple(detector.points * resolution // POINTS for resolution in config.model.backbone.num_points)
    if steps[-1] < 1:
        least = POINTS // config.model.backbone.num_points[-1]
        raise InputError(f"pointrcnn needs detector.points of at least {least}, got {detector.points}")
    config.model.backbone.num_points = steps
    for transform in dicts(config._cfg_dict):
        if transform.get("type") == "PointSample":
            transform["num_points"] = detector.points


def forward(network: Any, batch: Batch) -> None:
    """Backbone, neck and proposal head; mmdet3d's own forward pass without losses does not run for this detector."""
    network.rpn_head(network.extract_feat(batch.inputs))


def rows(seen: Mapping[str, Any], batch: Batch, network: Any) -> tuple[Rows, ...]:
    """Every point of every scan."""
    values, position = seen["neck"]["fp_features"], seen["neck"]["fp_xyz"]
    scans, _, points = values.shape
    scan = torch.arange(scans, device=values.device).repeat_interleave(points)
    return (Rows("points", values.transpose(1, 2).flatten(0, 1), scan, position.flatten(0, 1)),)


def neck(seen: Mapping[str, Any], batch: Batch, network: Any) -> Map:
    """The features of the points, which both heads see."""
    return Map(seen["neck"]["fp_features"], seen["neck"]["fp_xyz"])


def before_relu(seen: Mapping[str, Any], batch: Batch, network: Any) -> tuple[Map, ...]:
    """The features of the points before their last ReLU."""
    norm = network.get_submodule(LAST_NORM)
    position = torch.stack([points[:, :3] for points in batch.inputs["points"]])
    return (Map(seen["norm"].squeeze(-1), position, norm.weight.detach(), norm.bias.detach()),)


def predictions(seen: Mapping[str, Any], batch: Batch, network: Any) -> Predictions:
    """Proposals: one box per point, of the point's likeliest class."""
    codes, logits = seen["proposals"]
    head = network.rpn_head
    position = [points[:, :3] for points in batch.inputs["points"]]

    def decode(scan: int, points: Tensor) -> Tensor:
        labels = logits[scan, points].argmax(1)
        if not len(labels):
            return codes.new_zeros(0, 7)  # the coder asks for the largest label
        return head.bbox_coder.decode(codes[scan, points], position[scan][points], labels)

    def assign(batch: Batch) -> Tensor:
        return torch.stack([_assigned(*pair, head.enlarge_width) for pair in zip(position, batch.samples, strict=True)])

    return Predictions(logits, codes, decode, assign=assign)


def _assigned(points: Tensor, sample: Any, margin: float) -> Tensor:
    """Per point the class of the object it lies on, -1 for none and -2 close to one, as the proposal head learns it."""
    boxes, labels = sample.gt_instances_3d.bboxes_3d, sample.gt_instances_3d.labels_3d
    if not len(labels):
        return torch.full((len(points),), -1, device=points.device)
    on, near = (b.points_in_boxes(points).long() for b in (boxes, boxes.enlarged_box(margin)))
    return labels[on].where(on >= 0, -1).where((on >= 0) | (near < 0), -2)


SPEC = DetectorSpec(
    title="PointRCNN",
    config="point_rcnn/point-rcnn_8xb2_kitti-3d-3class.py",
    scale=scale,
    shrink=shrink,
    place=place,
    kind="points",
    taps={"norm": Tap(LAST_NORM, clone=True), "neck": Tap("neck"), "proposals": Tap("rpn_head")},
    readings={
        "rows": Reading(("neck",), rows),
        "stages": Reading(("neck",), lambda seen, batch, network: (neck(seen, batch, network),)),
        "before_relu": Reading(("norm",), before_relu),
        "neck": Reading(("neck",), neck),
        "predictions": Reading(("proposals",), predictions),
    },
    forward=forward,
    share_counts=counts_apart,
    targets="rpn_head.get_targets",
    predicts_at_once=1,
)
