"""KITTI's metric as the devkit counts, also for validation splits that mmdet3d's own stumbles over.

mmdet3d's `kitti_eval` looks at the first annotation of frame after frame until one has an angle, and ends in an
IndexError when a frame without any label comes first. It ignores labels that are exactly 40 or 25 pixels high, which
the devkit counts (`height < MIN_HEIGHT` in its evaluate_object.cpp; mmdet3d's `clean_data` says <=). Importing this
module registers `DevkitMetric`.
"""

from typing import Any

import numpy as np

from trainables.datasets.kitti.infos import DIFFICULTY_LEVELS
from trainables.ops.setup import bridge

bridge.install()  # before mmdet3d is imported

from mmdet3d.evaluation.metrics import KittiMetric  # noqa: E402
from mmdet3d.registry import METRICS  # noqa: E402

HEIGHTS = sorted({height for height, _, _ in DIFFICULTY_LEVELS})

NOTHING = {
    "name": np.array(["DontCare"]),
    "truncated": np.array([-1.0]),
    "occluded": np.array([-1]),
    "alpha": np.array([-10.0]),
    "bbox": np.array([[-1.0, -1.0, -1.0, -1.0]]),
    "dimensions": np.array([[-1.0, -1.0, -1.0]]),
    "location": np.array([[-1000.0, -1000.0, -1000.0]]),
    "rotation_y": np.array([-10.0]),
    "score": np.array([0.0]),
}
"""KITTI's own way to write an annotation that neither counts nor forbids anything, over no pixel."""


@METRICS.register_module()
class DevkitMetric(KittiMetric):
    """`KittiMetric` in which a frame without labels holds one DontCare of no extent, and labels on a limit count."""

    def convert_annos_to_kitti_annos(self, data_infos: dict[str, Any]) -> list[dict[str, Any]]:
        """Annotations in KITTI's form, none of them empty, none exactly as high as a difficulty's limit."""
        frames = super().convert_annos_to_kitti_annos(data_infos)
        for frame in frames:
            if len(frame["kitti_annos"]["name"]) == 0:
                frame["kitti_annos"] = {name: values.copy() for name, values in NOTHING.items()}
            boxes = frame["kitti_annos"]["bbox"]
            exact = np.isin(boxes[:, 3] - boxes[:, 1], HEIGHTS)
            boxes[exact, 3] = np.nextafter(boxes[exact, 3], np.inf)  # 1e-14 pixels
        return frames
