"""nuScenes' evaluation of detections by the development kit's own functions, without its tables.

`NuScenesEval` of nuscenes-devkit 1.2 reads every table each time; what it asks them of a split is in `ground_truth`.
Its filters, matching and sums are called as they are, so that all numbers are its own. What it stumbles over is caught:
a result without a single box, which untrained detectors give, scores nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from nuscenes.eval.common.config import config_factory
from nuscenes.eval.common.data_classes import EvalBoxes
from nuscenes.eval.common.loaders import add_center_dist, filter_eval_boxes
from nuscenes.eval.detection.algo import accumulate, calc_ap, calc_tp
from nuscenes.eval.detection.constants import TP_METRICS
from nuscenes.eval.detection.data_classes import DetectionBox, DetectionConfig, DetectionMetrics

from study.nouns.errors import InputError
from trainables.datasets.nuscenes.detection_score import ERRORS, MEAN, SCORE, ap_name
from trainables.datasets.nuscenes.ground_truth import RACK, Asked

WITHOUT = {
    "traffic_cone": ("attr_err", "vel_err", "orient_err"),
    "barrier": ("attr_err", "vel_err"),
}
"""Errors that a class has not."""


def rules(limits: Sequence[float] | None = None) -> DetectionConfig:
    """The rules of the benchmark (detection_cvpr_2019): classes count as far as 50, 40 or 30 m from the vehicle.

    Args:
        limits: lowest x, y, z and highest of what the detector sees, m; no class counts beyond the largest circle in
            there.

    Raises:
        InputError: the sensor does not stand inside.
    """
    official = config_factory("detection_cvpr_2019")
    if limits is None:
        return official
    reach = min(-limits[0], -limits[1], limits[3], limits[4])
    if reach <= 0:
        raise InputError(f"nuScenes counts objects around the vehicle; detector.range must hold it, got {list(limits)}")
    nearer = {kind: min(far, reach) for kind, far in official.class_range.items()}
    return DetectionConfig.deserialize({**official.serialize(), "class_range": nearer})


def score(
    truth: Sequence[Asked], found: Mapping[str, Sequence[Mapping[str, Any]]], config: DetectionConfig
) -> dict[str, float]:
    """Every declared metric, of the development kit's own numbers.

    Args:
        truth: the objects of each keyframe.
        found: detections by token of the keyframe, in the form of a result file.
        config: what counts, by `rules`.
    """
    objects, detections = counted(truth, found, config)
    metrics = DetectionMetrics(config)
    for kind in config.class_names:
        # With one class at a time the kit looks through a tenth of the boxes, and finds the same.
        of_kind = _only(objects, kind), _only(detections, kind)
        data = {far: accumulate(*of_kind, kind, config.dist_fcn_callable, far) for far in config.dist_ths}
        for far in config.dist_ths:
            metrics.add_label_ap(kind, far, calc_ap(data[far], config.min_recall, config.min_precision))
        for name in TP_METRICS:
            without = name in WITHOUT.get(kind, ())
            error = np.nan if without else calc_tp(data[config.dist_th_tp], config.min_recall, name)
            metrics.add_label_tp(kind, name, error)
    values = {SCORE: metrics.nd_score, MEAN: metrics.mean_ap}
    values |= {ERRORS[name][0]: error for name, error in metrics.tp_errors.items()}
    values |= {ap_name(kind): ap for kind, ap in metrics.mean_dist_aps.items()}
    values |= {
        ap_name(kind, far): metrics.get_label_ap(kind, far) for kind in config.class_names for far in config.dist_ths
    }
    return {name: 100 * float(value) for name, value in values.items()}


def counted(
    truth: Sequence[Asked], found: Mapping[str, Sequence[Mapping[str, Any]]], config: DetectionConfig
) -> tuple[EvalBoxes, EvalBoxes]:
    """The objects and the detections that count, by the development kit's filters; each knows its own `row`."""
    objects, detections = EvalBoxes(), EvalBoxes()
    for asked in truth:
        objects.add_boxes(asked.token, _numbered(_boxes(asked)))
        boxes = [DetectionBox.deserialize(dict(box)) for box in found[asked.token]]
        detections.add_boxes(asked.token, _numbered(boxes))
    answers = _Answers(truth)
    return _filtered(objects, answers, config), _filtered(detections, answers, config)


class _Answers:
    """Stands in for the kit's `NuScenes`: knows what its filters ask for and nothing else."""

    def __init__(self, truth: Sequence[Asked]) -> None:
        self.asked = {asked.token: asked for asked in truth}

    def get(self, table: str, token: Any) -> dict[str, Any]:
        if table == "sample_annotation":
            return token
        asked = self.asked[token]
        return {
            "anns": [{**rack, "category_name": RACK} for rack in asked.racks],
            "data": {"LIDAR_TOP": asked.token},
            "ego_pose_token": asked.token,
            "translation": asked.ego,
        }


def _boxes(asked: Asked) -> list[DetectionBox]:
    return [
        DetectionBox(
            sample_token=asked.token,
            translation=tuple(asked.translation[row]),
            size=tuple(asked.size[row]),
            rotation=tuple(asked.rotation[row]),
            velocity=tuple(asked.velocity[row]),
            num_pts=int(asked.points[row]),
            detection_name=kind,
            attribute_name=asked.attributes[row],
        )
        for row, kind in enumerate(asked.kinds)
    ]


def _numbered(boxes: list[DetectionBox]) -> list[DetectionBox]:
    for row, box in enumerate(boxes):
        box.row = row
    return boxes


def _filtered(boxes: EvalBoxes, answers: _Answers, config: DetectionConfig) -> EvalBoxes:
    if not boxes.all:  # the kit raises
        return boxes
    return filter_eval_boxes(answers, add_center_dist(answers, boxes), config.class_range)


def _only(boxes: EvalBoxes, kind: str) -> EvalBoxes:
    found = EvalBoxes()
    for token in boxes.sample_tokens:
        found.add_boxes(token, [box for box in boxes[token] if box.detection_name == kind])
    return found
