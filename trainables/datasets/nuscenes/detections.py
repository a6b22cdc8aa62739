"""From a detector's boxes in the LiDAR's frame to nuScenes' result file: boxes in the world, with what they are doing.

The same as mmdet3d 1.4's `NuScenesMetric._format_lidar_bbox`, for all boxes of a keyframe at once; boxes that are out
of all ranges are left to the evaluation. An attribute is what most objects of a class have that move or stand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.datasets.nuscenes.keyframes import into_the_world

MOVING_FROM = 0.2
"""m/s"""
STANDING = {
    "car": "vehicle.parked",
    "truck": "vehicle.parked",
    "trailer": "vehicle.parked",
    "construction_vehicle": "vehicle.parked",
    "bus": "vehicle.stopped",
    "bicycle": "cycle.without_rider",
    "motorcycle": "cycle.without_rider",
    "pedestrian": "pedestrian.standing",
}
MOVING = {
    **dict.fromkeys(("car", "truck", "trailer", "construction_vehicle", "bus"), "vehicle.moving"),
    **dict.fromkeys(("bicycle", "motorcycle"), "cycle.with_rider"),
    "pedestrian": "pedestrian.moving",
}


@dataclass(frozen=True, eq=False)
class Detections:
    """The D detections of one keyframe.

    Attributes:
        boxes: (D, 9) middle x, y, z, length, width, height in m, yaw in rad, velocity along x and y in m/s; in the
            frame of the LiDAR.
        labels: (D,) which of the detector's classes.
        scores: (D,)
    """

    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, predicted: Mapping[str, Any]) -> "Detections":
        """Those of mmdet3d's `pred_instances_3d`; what has no finite numbers or no size is no box.

        Boxes without a velocity stand still.
        """
        found = predicted["bboxes_3d"]
        rows = np.zeros((len(found), 9))
        tensor = found.tensor.detach().cpu().double().numpy()
        rows[:, : tensor.shape[1]] = tensor
        rows[:, 2] += rows[:, 5] / 2  # mmdet3d's boxes stand on their first three numbers
        labels, scores = (predicted[name].detach().cpu().numpy() for name in ("labels_3d", "scores_3d"))
        whole = np.isfinite(rows).all(axis=1) & np.isfinite(scores) & (rows[:, 3:6] > 0).all(axis=1)
        return cls(rows[whole], labels[whole].astype(np.int64), scores[whole].astype(np.float64))


def in_the_world(found: Detections, info: Mapping[str, Any], classes: Sequence[str]) -> list[dict[str, Any]]:
    """The detections of a keyframe in the form of a result file.

    Args:
        found: what a detector found.
        info: the keyframe's entry in an info file.
        classes: the detector's, by label.
    """
    placed, turned = into_the_world(info)
    centers = found.boxes[:, :3] @ placed[:3, :3].T + placed[:3, 3]
    velocities = (np.pad(found.boxes[:, 7:], ((0, 0), (0, 1))) @ placed[:3, :3].T)[:, :2]
    w, x, y, z = turned.elements
    cos, sin = np.cos(found.boxes[:, 6] / 2), np.sin(found.boxes[:, 6] / 2)
    turns = np.stack([w * cos - z * sin, x * cos + y * sin, y * cos - x * sin, z * cos + w * sin], axis=1)
    result = []
    for row, label in enumerate(found.labels):
        kind, velocity = classes[label], velocities[row]
        attribute = MOVING if np.hypot(*velocity) > MOVING_FROM else STANDING
        result.append(
            {
                "sample_token": info["token"],
                "translation": centers[row].tolist(),
                "size": found.boxes[row, [4, 3, 5]].tolist(),
                "rotation": turns[row].tolist(),
                "velocity": velocity.tolist(),
                "detection_name": kind,
                "detection_score": float(found.scores[row]),
                "attribute_name": attribute.get(kind, ""),
            }
        )
    return result
