"""nuScenes' ground-truth database: every labeled object of the training split, cut out of a keyframe and its sweeps.

Pasted into other frames by ground-truth sampling (Yan et al., SECOND, Sensors 2018, section 3.2), and written as
mmdet3d 1.4's `DataBaseSampler` reads it. Differs from create_data.py: the ten classes are always listed, objects of
other categories are left out (there their label -1 makes them barriers, the last class), and sweeps lie where they
belong (`scans.CheckedSweeps`).
"""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from study.nouns.errors import InputError
from trainables.datasets import Progress
from trainables.datasets.nuscenes.detection_score import CLASSES
from trainables.datasets.nuscenes.prepared_files import DATABASE, DATABASE_INFOS
from trainables.datasets.nuscenes.scans import swept
from trainables.datasets.whole_files import write_atomically
from trainables.ops.points_in_boxes import points_in_boxes


def cut_out(root: Path, infos: Sequence[Mapping[str, Any]], progress: Progress) -> None:
    """Write the database of a training split.

    Args:
        root: of the data.
        infos: the entries of its info file.
        progress: told of each.

    Raises:
        InputError: a scan is missing or bad, no object is labeled, or the files cannot be written.
    """
    objects: dict[str, list[dict[str, Any]]] = {name: [] for name in CLASSES}
    for done, info in enumerate(infos, 1):
        _cut_out_of(root, info, objects)
        progress("objects", done, len(infos))
    if not any(objects.values()):
        raise InputError(f"training needs a labeled object of a class; no keyframe of the training split of {root} has")
    write_atomically(root / DATABASE_INFOS, pickle.dumps(objects))


def _cut_out_of(root: Path, info: Mapping[str, Any], objects: dict[str, list[dict[str, Any]]]) -> None:
    instances = [one for one in info["instances"] if one["bbox_label_3d"] >= 0 and one["bbox_3d_isvalid"]]
    points = swept(root, info)
    rows = [[*one["bbox_3d"], *one["velocity"]] for one in instances]
    boxes = np.array(rows, dtype=np.float32).reshape(-1, 9)
    boxes[:, 2] -= boxes[:, 5] / 2  # from the middle to that of the bottom
    boxes[:, 7:][np.isnan(boxes[:, 7])] = 0  # as mmdet3d's data set does with an unknown velocity
    inside = points_in_boxes(points[:, :3], boxes[:, :7])
    for number, (instance, box, mask) in enumerate(zip(instances, boxes, inside, strict=True)):
        name, cut = CLASSES[instance["bbox_label_3d"]], points[mask]
        cut[:, :3] -= box[:3]
        path = f"{DATABASE}/{info['sample_idx']}_{name}_{number}.bin"
        write_atomically(root / path, cut.tobytes())
        objects[name].append(
            {
                "name": name,
                "path": path,
                "image_idx": info["sample_idx"],
                "gt_idx": number,
                "box3d_lidar": box,
                "num_points_in_gt": len(cut),
                "difficulty": 0,
                "group_id": sum(map(len, objects.values())),
            }
        )


def drawable_objects(root: Path, min_points: Mapping[str, int]) -> dict[str, int]:
    """How many objects of each class ground-truth sampling can draw from; mmdet3d's fails on a class that has none.

    Args:
        root: a prepared root.
        min_points: class -> smallest number of points, as in the sampler's `filter_by_min_points`.

    Returns:
        class -> number of objects with enough points, for the classes of `min_points`.
    """
    objects = pickle.loads((root / DATABASE_INFOS).read_bytes())
    return {
        name: sum(bool(one["num_points_in_gt"] >= least) for one in objects.get(name, []))
        for name, least in min_points.items()
    }
