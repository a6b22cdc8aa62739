"""One keyframe's entry in an info file, as mmdet3d 1.4's `NuScenesDataset` reads it (info format 1.1).

The same numbers as mmdet3d's create_data.py gives (tools/dataset_converters/nuscenes_converter.py and
update_infos_to_v2.py), without the cameras, which need not be there. Paths of sweeps begin at the root, so that no
folder above it is taken for the one of the keyframes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyquaternion import Quaternion

from trainables.datasets.nuscenes.detection_score import CLASS_OF, CLASSES
from trainables.datasets.nuscenes.token_tables import Record, Tables

KEYFRAMES, SWEEPS = "samples/LIDAR_TOP", "sweeps/LIDAR_TOP"
"""Folders of the scans, below a root."""
COLUMNS = 5
"""Of a scan's points: x, y, z in m, intensity, number of the beam."""
LABEL_OF = {name: label for label, name in enumerate(CLASSES)}


def metainfo(version: str) -> dict[str, Any]:
    """What an info file says of itself."""
    return {"categories": LABEL_OF, "dataset": "nuscenes", "version": version, "info_version": "1.1"}


def keyframe_info(tables: Tables, sample: Record, place: int, max_sweeps: int) -> dict[str, Any]:
    """The entry of one keyframe.

    Args:
        tables: of its version.
        sample: its record.
        place: in its info file; mmdet3d finds predictions by it.
        max_sweeps: how many of the scans before it are named; the entry has no `lidar_sweeps` where there are none.

    Raises:
        InputError: a token leads nowhere.
    """
    keyframe = tables.keyframe(sample)
    to_ego, to_world = placements(tables, keyframe)
    to_lidar = np.linalg.inv(to_world @ to_ego)
    sweeps = [_sweep(tables, record, to_lidar) for record in tables.sweeps(keyframe, max_sweeps)]
    return {
        "sample_idx": place,
        "token": sample["token"],
        "timestamp": sample["timestamp"] / 1e6,
        "ego2global": _single(to_world),
        "images": {},
        "lidar_points": {
            "num_pts_feats": COLUMNS,
            "lidar_path": Path(keyframe["filename"]).name,
            "lidar2ego": _single(to_ego),
        },
        **({"lidar_sweeps": sweeps} if sweeps else {}),
        "instances": [_instance(tables, record, keyframe) for record in tables.annotations(sample)],
    }


def placements(tables: Tables, record: Record) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two (4, 4) of a LiDAR record: from the sensor into the ego vehicle, and from there into the world."""
    mounted, pose = _mounted(tables, record), _pose(tables, record)
    return placement(mounted["rotation"], mounted["translation"]), placement(pose["rotation"], pose["translation"])


def placement(rotation: Any, translation: Any) -> NDArray[Any]:
    """(4, 4) of a quaternion w, x, y, z and a translation in m."""
    matrix = np.eye(4)
    matrix[:3, :3] = Quaternion(rotation).rotation_matrix
    matrix[:3, 3] = translation
    return matrix


def into_the_world(info: Mapping[str, Any]) -> tuple[NDArray[Any], Quaternion]:
    """From a keyframe's LiDAR into the world, by its entry: (4, 4), and the turn alone."""
    to_ego, to_world = (np.array(matrix) for matrix in (info["lidar_points"]["lidar2ego"], info["ego2global"]))
    # Kept in single precision, they are turns to 1e-7 only.
    turns = [Quaternion(matrix=matrix, rtol=1e-5, atol=1e-6) for matrix in (to_world, to_ego)]
    return to_world @ to_ego, turns[0] * turns[1]


def _sweep(tables: Tables, record: Record, to_lidar: NDArray[Any]) -> dict[str, Any]:
    """A scan before a keyframe.

    Args:
        tables: of its version.
        record: its own.
        to_lidar: (4, 4) from the world into the keyframe's LiDAR.
    """
    to_ego, to_world = placements(tables, record)
    folder = KEYFRAMES if record["is_key_frame"] else SWEEPS
    return {
        "timestamp": record["timestamp"] / 1e6,
        "lidar_points": {
            "lidar_path": f"{folder}/{Path(record['filename']).name}",
            "lidar2sensor": _single(np.linalg.inv(to_lidar @ to_world @ to_ego)),
        },
        "sample_data_token": record["token"],
    }


def _instance(tables: Tables, annotation: Record, keyframe: Record) -> dict[str, Any]:
    """An object: middle, length, width, height, yaw and velocity in the keyframe's LiDAR; label -1: of no class."""
    center, turn = np.array(annotation["translation"], dtype=np.float64), Quaternion(annotation["rotation"])
    velocity = tables.velocity(annotation)
    velocity[2] = 0.0
    for frame in (_pose(tables, keyframe), _mounted(tables, keyframe)):
        back = Quaternion(frame["rotation"]).inverse
        center, turn = back.rotation_matrix @ (center - frame["translation"]), back * turn
        velocity = back.rotation_matrix @ velocity
    width, length, height = annotation["size"]
    label = LABEL_OF.get(CLASS_OF.get(tables.category(annotation), ""), -1)
    points = annotation["num_lidar_pts"], annotation["num_radar_pts"]
    return {
        "bbox_label": label,
        "bbox_label_3d": label,
        "bbox_3d": [*center.tolist(), length, width, height, float(turn.yaw_pitch_roll[0])],
        "velocity": velocity[:2].tolist(),
        "num_lidar_pts": points[0],
        "num_radar_pts": points[1],
        "bbox_3d_isvalid": sum(points) > 0,
    }


def _mounted(tables: Tables, record: Record) -> Record:
    return tables.get("calibrated_sensor", record["calibrated_sensor_token"], "sample_data")


def _pose(tables: Tables, record: Record) -> Record:
    return tables.get("ego_pose", record["ego_pose_token"], "sample_data")


def _single(matrix: NDArray[Any]) -> list[list[float]]:
    """In single precision, as mmdet3d keeps it."""
    return matrix.astype(np.float32).tolist()
