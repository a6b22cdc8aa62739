"""The objects of a split as nuScenes' evaluation asks for them, kept beside the info files.

The info files say nothing of attributes, bicycle racks or scenes, and hold boxes in the LiDAR's frame; the tables take
minutes to read. So a file for each split keeps what is left of them. Of a root without tables they are made of the info
files: then attributes are unknown (their error is 1), and a drive stands for a scene.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyquaternion import Quaternion

from study.nouns.errors import InputError
from trainables.datasets.nuscenes.detection_score import CLASS_OF, CLASSES
from trainables.datasets.nuscenes.keyframes import into_the_world
from trainables.datasets.nuscenes.token_tables import Record, Tables
from trainables.datasets.whole_files import write_atomically

RACK = "static_object.bicycle_rack"
"""In which neither bicycles nor their detections count."""


@dataclass(frozen=True, eq=False)
class Asked:
    """The M objects of one keyframe that are of a class, in the order of its info's instances; in the world's frame.

    Attributes:
        token: of the keyframe.
        scene: its token.
        ego: (3,) where the vehicle is, m.
        kinds: M classes.
        translation: (M, 3) middles, m.
        size: (M, 3) width, length, height, m.
        rotation: (M, 4) quaternions w, x, y, z.
        velocity: (M, 2) m/s; NaN where it is unknown.
        points: (M,) of LiDAR and radars.
        attributes: M names, empty where there is none.
        racks: R bicycle racks: translation, size and rotation of each.
    """

    token: str
    scene: str
    ego: tuple[float, ...]
    kinds: tuple[str, ...]
    translation: NDArray[np.float64]
    size: NDArray[np.float64]
    rotation: NDArray[np.float64]
    velocity: NDArray[np.float64]
    points: NDArray[np.int64]
    attributes: tuple[str, ...]
    racks: tuple[Record, ...] = ()


def truth_file(root: Path, split: str) -> Path:
    """Where the objects of a split are kept."""
    return root / f"nuscenes_truth_{split}.pkl"


def write(root: Path, split: str, asked: Sequence[Asked]) -> None:
    """Keep the objects of a split."""
    write_atomically(truth_file(root, split), pickle.dumps([vars(one) for one in asked]))


def read(root: Path, split: str) -> tuple[Asked, ...]:
    """The objects of a split, keyframe by keyframe as in its info file.

    Raises:
        InputError: they are not kept, or not readable.
    """
    path = truth_file(root, split)
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, TypeError, pickle.UnpicklingError, EOFError) as error:
        raise InputError(
            f"expected the objects of split {split} at {path}; cannot read them ({error}). Run `python run_study.py "
            f"prepare nuscenes {root}`"
        ) from error


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> tuple[Asked, ...]:
    return tuple(Asked(**one) for one in pickle.loads(path.read_bytes()))


def of_tables(tables: Tables, sample: Record) -> Asked:
    """The objects of a keyframe, by its version's tables."""
    pose = tables.get("ego_pose", tables.keyframe(sample)["ego_pose_token"], "sample_data")
    annotations = [(record, tables.category(record)) for record in tables.annotations(sample)]
    asked = [(record, CLASS_OF[category]) for record, category in annotations if category in CLASS_OF]
    records = [record for record, _ in asked]
    return Asked(
        token=sample["token"],
        scene=sample["scene_token"],
        ego=tuple(pose["translation"]),
        kinds=tuple(kind for _, kind in asked),
        translation=_rows([record["translation"] for record in records], 3),
        size=_rows([record["size"] for record in records], 3),
        rotation=_rows([record["rotation"] for record in records], 4),
        velocity=_rows([tables.velocity(record)[:2] for record in records], 2),
        points=np.array([record["num_lidar_pts"] + record["num_radar_pts"] for record in records], dtype=np.int64),
        attributes=tuple(tables.attribute(record) for record in records),
        racks=tuple(
            {name: record[name] for name in ("translation", "size", "rotation")}
            for record, category in annotations
            if category == RACK
        ),
    )


def of_info(info: Mapping[str, Any]) -> Asked:
    """The objects of a keyframe, by its entry in an info file alone."""
    placed, turned = into_the_world(info)
    instances = [one for one in info["instances"] if one["bbox_label_3d"] >= 0]
    boxes = _rows([one["bbox_3d"] for one in instances], 7)
    velocity = np.column_stack([_rows([one["velocity"] for one in instances], 2), np.zeros(len(boxes))])
    return Asked(
        token=info["token"],
        scene=info["lidar_points"]["lidar_path"].split("__")[0],
        ego=tuple(np.array(info["ego2global"])[:3, 3].tolist()),
        kinds=tuple(CLASSES[one["bbox_label_3d"]] for one in instances),
        translation=boxes[:, :3] @ placed[:3, :3].T + placed[:3, 3],
        size=boxes[:, [4, 3, 5]],
        rotation=_rows([(turned * Quaternion(axis=[0, 0, 1], radians=yaw)).elements for yaw in boxes[:, 6]], 4),
        velocity=(velocity @ placed[:3, :3].T)[:, :2],
        points=np.array([one["num_lidar_pts"] + one["num_radar_pts"] for one in instances], dtype=np.int64),
        attributes=("",) * len(instances),
    )


def _rows(values: Sequence[Any], width: int) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64).reshape(-1, width)
