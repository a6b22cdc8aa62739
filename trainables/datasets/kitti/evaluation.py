"""KITTI's evaluation as the development kit does it, in mmengine. Importing this module registers `DevkitMetric`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import load
from numpy.typing import NDArray

from trainables.datasets import Judged
from trainables.datasets.kitti.average_precision import DIFFICULTIES, MEAN
from trainables.datasets.kitti.devkit import average_precision, fates, levels_of
from trainables.ops.setup import bridge

bridge.install()  # before mmdet3d is imported

from mmdet3d.evaluation.metrics import KittiMetric  # noqa: E402
from mmdet3d.registry import METRICS  # noqa: E402
from mmdet3d.structures import Box3DMode, CameraInstance3DBoxes  # noqa: E402

RULE = (
    "An object takes the detection of its class that overlaps most with it in space, with an IoU of more than 0.7 for "
    "cars and 0.5 for pedestrians and cyclists. A detection that none takes is a false positive; one of an object that "
    "is too small, hidden or cut off to be asked for, of a van or a sitting person, or lower than 25 pixels is neither."
)
"""Of KITTI's development kit, in words."""


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
        seen, found = self._seen_and_found(results)
        table = average_precision([frame["kitti_annos"] for frame in seen], found, self.dataset_meta["classes"])
        means: dict[str, list[float]] = {}
        for (task, _, difficulty), value in table.items():
            means.setdefault(f"{MEAN}/{task}/{difficulty}", []).append(value)
        named = {"/".join(place): value for place, value in table.items()}
        return named | {name: sum(values) / len(values) for name, values in means.items()}

    def judged(self, least: Sequence[float]) -> Judged:
        """What becomes of all that it has processed (`devkit.fates`)."""
        classes = self.dataset_meta["classes"]
        seen, found = self._seen_and_found(self.results)
        truth = [frame["kitti_annos"] for frame in seen]
        of_found, of_truth = fates(truth, found, classes, least)
        labels = np.concatenate([_labels(frame["name"], classes) for frame in truth])
        kept = labels >= 0
        return Judged(
            frames=tuple(Path(frame["lidar_points"]["lidar_path"]).stem for frame in seen),
            difficulties=DIFFICULTIES,
            rule=RULE,
            detection_frame=np.repeat(np.arange(len(found)), [len(frame["name"]) for frame in found]),
            detection_box=np.concatenate([frame["lidar"] for frame in found]),
            detection_label=np.concatenate([_labels(frame["name"], classes) for frame in found]),
            detection_score=np.concatenate([frame["score"] for frame in found]),
            detection_fate=of_found,
            object_frame=np.repeat(np.arange(len(truth)), [len(frame["name"]) for frame in truth])[kept],
            object_box=np.concatenate([self._in_lidar(frame) for frame in seen])[kept],
            object_label=labels[kept],
            object_difficulty=levels_of(truth)[kept],
            object_fate=of_truth[:, kept],
        )

    def _seen_and_found(self, results: list[dict[str, Any]]) -> tuple[list[Any], list[dict[str, Any]]]:
        """The frames of results, and their detections in the form of KITTI's annotations."""
        frames = self.convert_annos_to_kitti_annos(load(self.ann_file, backend_args=self.backend_args))
        if self.frames is not None:
            frames = [frames[place] for place in self.frames]
        seen = [frames[result["sample_idx"]] for result in results]
        classes = self.dataset_meta["classes"]
        both = zip(results, seen, strict=True)
        return seen, [self._detections(result["pred_instances_3d"], frame, classes) for result, frame in both]

    def _in_lidar(self, frame: Mapping[str, Any]) -> NDArray[np.float64]:
        """M x 7 boxes of a frame's labels in the LiDAR's frame, their middle first."""
        annotations = frame["kitti_annos"]
        angles = np.reshape(annotations["rotation_y"], (-1, 1))
        boxes = np.hstack([annotations["location"], annotations["dimensions"], angles]).astype(np.float32)
        to_lidar = np.linalg.inv(np.array(frame["images"][self.default_cam_key]["lidar2cam"]))
        return _from_middle(CameraInstance3DBoxes(boxes).convert_to(Box3DMode.LIDAR, to_lidar).numpy())

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
            "lidar": _from_middle(valid["box3d_lidar"]),
        }


def _labels(names: Any, classes: Sequence[str]) -> NDArray[np.int64]:
    """Which of the classes each name is; -1: none."""
    return np.array([classes.index(name) if name in classes else -1 for name in names], dtype=np.int64)


def _from_middle(boxes: NDArray[Any]) -> NDArray[np.float64]:
    """M x 7 boxes that stand on their first three numbers, with their middle there."""
    middle = np.array(boxes[:, :7], dtype=np.float64)
    middle[:, 2] += middle[:, 5] / 2
    return middle
