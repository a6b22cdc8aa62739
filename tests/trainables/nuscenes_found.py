"""What a detector might find in the tiny nuScenes root, and the metric that has processed it."""

from pathlib import Path

import numpy as np
import torch

from trainables.datasets.nuscenes.detection_score import CLASSES
from trainables.datasets.nuscenes.detections import Detections, in_the_world
from trainables.datasets.nuscenes.devkit_metric import NuScenesDevkitMetric

from mmdet3d.structures import LiDARInstance3DBoxes  # isort: skip - after the operators are plugged in

ORDER = (
    "car", "truck", "construction_vehicle", "bus", "trailer", "barrier", "motorcycle", "bicycle", "pedestrian",
    "traffic_cone",
)  # fmt: skip
"""Of CenterPoint's labels."""


def predictions(infos, seed: int = 0, spread: float = 0.6) -> list[dict]:
    """Per keyframe, objects beside where they are, some twice, and as many where nothing is."""
    random = np.random.default_rng(seed)
    made = []
    for place, info in enumerate(infos):
        rows = [
            [*one["bbox_3d"], *np.nan_to_num(one["velocity"]), ORDER.index(CLASSES[one["bbox_label"]])]
            for one in info["instances"]
            if one["bbox_label"] >= 0
        ]
        boxes = np.repeat(np.array(rows), 2, axis=0)
        boxes[:, :2] += random.normal(0, spread, (len(boxes), 2))
        boxes[:, 3:6] *= random.uniform(0.8, 1.2, (len(boxes), 3))
        boxes[:, 6:9] += random.normal(0, 0.3, (len(boxes), 3))
        stray = boxes.copy()
        stray[:, :2] = random.uniform(-60, 60, (len(boxes), 2))
        boxes = np.concatenate([boxes, stray])
        tensor = torch.from_numpy(boxes[:, :9]).float()
        made.append(
            {
                "sample_idx": place,
                "pred_instances_3d": {
                    "bboxes_3d": LiDARInstance3DBoxes(tensor, box_dim=9, origin=(0.5, 0.5, 0.5)),
                    "labels_3d": torch.from_numpy(boxes[:, 9]).long(),
                    "scores_3d": torch.from_numpy(random.permutation(len(boxes)) + random.random(len(boxes))).float()
                    / 40,
                },
                "pred_instances": {},
            }
        )
    return made


def result_file(infos, found) -> dict[str, list[dict]]:
    return {
        infos[one["sample_idx"]]["token"]: in_the_world(
            Detections.of(one["pred_instances_3d"]), infos[one["sample_idx"]], ORDER
        )
        for one in found
    }


def metric_of(root: Path, found, **settings) -> NuScenesDevkitMetric:
    metric = NuScenesDevkitMetric(data_root=str(root), ann_file=f"{root}/nuscenes_infos_val.pkl", **settings)
    metric.dataset_meta = {"classes": ORDER, "version": "v1.0-mini"}
    metric.process({}, found)
    return metric
