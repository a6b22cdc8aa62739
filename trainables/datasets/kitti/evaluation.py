"""KITTI's evaluation as the development kit does it, in mmengine. Importing this module registers `DevkitMetric`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.fileio import load

from trainables.datasets.kitti.average_precision import MEAN
from trainables.datasets.kitti.devkit import average_precision
from trainables.ops.setup import bridge

bridge.install()  # before mmdet3d is imported

from mmdet3d.evaluation.metrics import KittiMetric  # noqa: E402
from mmdet3d.registry import METRICS  # noqa: E402


@METRICS.register_module()
class DevkitMetric(KittiMetric):
    """`KittiMetric` that gives the APs of `devkit` in percent, as `3d/Car/moderate` and `mAP/3d/moderate`."""

    def __init__(self, *, frames: Sequence[int] | None = None, **settings: Any) -> None:
        """Args: as of `KittiMetric`.

        frames: places in `ann_file` of the frames that are evaluated, in their order; None: all.
        """
        super().__init__(**settings)
        self.frames = frames

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """APs of all frames; `results` are those of `KittiMetric.process`."""
        classes = self.dataset_meta["classes"]
        frames = self.convert_annos_to_kitti_annos(load(self.ann_file, backend_args=self.backend_args))
        if self.frames is not None:
            frames = [frames[place] for place in self.frames]
        seen = [frames[result["sample_idx"]] for result in results]
        found = [
            self._detections(result["pred_instances_3d"], frame, classes)
            for result, frame in zip(results, seen, strict=True)
        ]
        table = average_precision([frame["kitti_annos"] for frame in seen], found, classes)
        means: dict[str, list[float]] = {}
        for (task, _, difficulty), value in table.items():
            means.setdefault(f"{MEAN}/{task}/{difficulty}", []).append(value)
        named = {"/".join(place): value for place, value in table.items()}
        return named | {name: sum(values) / len(values) for name, values in means.items()}

    def _detections(self, predicted: Any, frame: Mapping[str, Any], classes: Any) -> dict[str, Any]:
        """What a frame's camera sees of its detections, in the form of KITTI's annotations."""
        valid = self.convert_valid_bboxes(predicted, frame)
        camera = frame["images"][self.default_cam_key]
        bottom_right = np.minimum(valid["bbox"][:, 2:], [camera["width"], camera["height"]])
        boxes = valid["box3d_camera"]
        return {
            "name": np.array([classes[int(label)] for label in valid["label_preds"][: len(boxes)]], dtype=str),
            "bbox": np.concatenate([np.maximum(valid["bbox"][:, :2], 0), bottom_right], axis=1),
            "location": boxes[:, :3],
            "dimensions": boxes[:, 3:6],
            "rotation_y": boxes[:, 6],
            "score": valid["scores"],
        }
