"""A drive as records of nuScenes' tables, in the forms that its development kit reads.

Tokens are hashes of what a record stands for, so that each scene's records are the same whatever else is written.
"""

import hashlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from trainables.datasets.simulated_nuscenes.drive import LIDAR_AHEAD, Drive, Turn
from trainables.datasets.simulated_nuscenes.vehicles import KINDS

TABLES = (
    "category", "attribute", "visibility", "instance", "sensor", "calibrated_sensor", "ego_pose", "log", "scene",
    "sample", "sample_data", "sample_annotation", "map",
)  # fmt: skip
ATTRIBUTES = {
    "vehicle.moving": "Vehicle is moving.",
    "vehicle.stopped": "Vehicle, with a driver in or on it, stands with the intent to move.",
    "vehicle.parked": "Vehicle stands without the intent to move.",
    "cycle.with_rider": "There is a rider on the cycle.",
    "cycle.without_rider": "There is no rider on the cycle.",
    "pedestrian.moving": "The person is walking.",
    "pedestrian.standing": "The person is standing.",
}
VISIBILITIES = {"1": "v0-40", "2": "v40-60", "3": "v60-80", "4": "v80-100"}
CATEGORIES = tuple(kind.category for kind in KINDS.values())
CHANNEL = "LIDAR_TOP"
MAP_FILE = "maps/simulated.png"
FIRST_US = 1_500_000_000_000_000  # the first keyframe of scene 0 [microseconds]
SCENE_US = 60_000_000  # from one scene to the next

Record = dict[str, Any]
Rows = dict[str, list[Record]]


def token(*parts: object) -> str:
    """32 hexadecimal digits that stand for something."""
    return hashlib.md5("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


def log_of(drive: Drive) -> str:
    """The name of the drive's recording, which its files begin with."""
    return f"simulated-{drive.number:04d}"


def microseconds(drive: Drive, turn: Turn) -> int:
    """When a turn was taken."""
    return FIRST_US + drive.number * SCENE_US + round(turn.time * 1e6)


def file_of(drive: Drive, turn: Turn) -> str:
    """Where a turn's points lie below the root."""
    folder = "sweeps" if turn.keyframe is None else "samples"
    return f"{folder}/{CHANNEL}/{log_of(drive)}__{CHANNEL}__{microseconds(drive, turn)}.pcd.bin"


def quaternion(yaw: float) -> list[float]:
    """w, x, y, z of a turn about the vertical."""
    return [math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)]


def shared_rows() -> Rows:
    """The tables that know of no scene."""
    return {
        "category": [{"token": token("category", n), "name": n, "description": ""} for n in CATEGORIES],
        "attribute": [{"token": token("attribute", n), "name": n, "description": d} for n, d in ATTRIBUTES.items()],
        "visibility": [{"token": t, "level": level, "description": ""} for t, level in VISIBILITIES.items()],
        "sensor": [{"token": token("sensor"), "channel": CHANNEL, "modality": "lidar"}],
    }  # fmt: skip


def map_rows(logs: list[Record]) -> list[Record]:
    """One map, of nothing, that covers all logs: the kit asks for it."""
    logs_of = [log["token"] for log in logs]
    return [{"token": token("map"), "log_tokens": logs_of, "category": "semantic_prior", "filename": MAP_FILE}]


def rows_of(drive: Drive, name: str, height_m: float) -> Rows:
    """The records of one scene in the tables that know of scenes.

    Args:
        name: of the scene.
        height_m: of the LiDAR above the road.
    """
    keyframes = [turn for turn in drive.turns if turn.keyframe is not None]
    samples = [_of(drive, "sample", turn.keyframe) for turn in keyframes]
    log = {
        "token": _of(drive, "log"), "logfile": log_of(drive), "vehicle": "simulated", "date_captured": "2017-07-14",
        "location": "simulated",
    }  # fmt: skip
    # Forward along the car is -90 degrees about the vertical from the LiDAR's x.
    calibrated = {
        "token": _of(drive, "calibrated_sensor"), "sensor_token": token("sensor"),
        "translation": [LIDAR_AHEAD, 0.0, height_m], "rotation": quaternion(-math.pi / 2), "camera_intrinsic": [],
    }  # fmt: skip
    scene = {
        "token": _of(drive, "scene"), "log_token": log["token"], "nbr_samples": len(samples),
        "first_sample_token": samples[0], "last_sample_token": samples[-1], "name": name,
        "description": f"Simulated drive {drive.number}",
    }  # fmt: skip
    rows: Rows = {
        "log": [log],
        "calibrated_sensor": [calibrated],
        "scene": [scene],
        "sample": [
            {
                "token": samples[k], "timestamp": microseconds(drive, turn), **_beside(samples, k),
                "scene_token": scene["token"],
            }
            for k, turn in enumerate(keyframes)
        ],
        "ego_pose": [],
        "sample_data": [],
        "instance": [],
        "sample_annotation": [],
    }  # fmt: skip
    data = [_of(drive, "sample_data", microseconds(drive, turn)) for turn in drive.turns]
    for i, turn in enumerate(drive.turns):
        pose, time = _of(drive, "ego_pose", microseconds(drive, turn)), microseconds(drive, turn)
        place = drive.world(np.array([[turn.pose.s, turn.pose.t, 0.0]]))[0].tolist()
        turned = quaternion(drive.course[0] + turn.pose.yaw)
        rows["ego_pose"].append({"token": pose, "timestamp": time, "rotation": turned, "translation": place})
        # Sweeps belong to the keyframe after them.
        belongs = next(k for k, keyframe in enumerate(keyframes) if keyframe.time >= turn.time)
        rows["sample_data"].append({
            "token": data[i], "sample_token": samples[belongs], "ego_pose_token": pose,
            "calibrated_sensor_token": calibrated["token"], "timestamp": time, "fileformat": "pcd",
            "is_key_frame": turn.keyframe is not None, "height": 0, "width": 0, "filename": file_of(drive, turn),
            **_beside(data, i),
        })  # fmt: skip
    for instance, annotations in _objects(drive, keyframes, samples):
        rows["instance"].append(instance)
        rows["sample_annotation"] += annotations
    return rows


def _objects(drive: Drive, keyframes: list[Turn], samples: list[str]) -> Iterator[tuple[Record, list[Record]]]:
    """Each object that returns a point in a keyframe, and its annotations: those of these keyframes."""
    for m, kind in enumerate(drive.kinds):
        seen = [k for k, turn in enumerate(keyframes) if turn.returned[m] > 0]
        if not seen:
            continue
        tokens, instance = [_of(drive, "annotation", m, k) for k in seen], _of(drive, "instance", m)
        times = np.array([[keyframes[k].time] for k in seen])
        places = drive.world(drive.starts[m] + drive.velocities[m] * times)
        length, width, height = drive.sizes[m].tolist()
        attributes = [token("attribute", drive.attributes[m])] if drive.attributes[m] else []
        yield {
            "token": instance, "category_token": token("category", KINDS[kind].category),
            "nbr_annotations": len(seen), "first_annotation_token": tokens[0], "last_annotation_token": tokens[-1],
        }, [
            {
                "token": tokens[i], "sample_token": samples[k], "instance_token": instance,
                "visibility_token": str(keyframes[k].visibility[m]), "attribute_tokens": attributes,
                "translation": places[i].tolist(), "size": [width, length, height],
                "rotation": quaternion(drive.course[0] + float(drive.yaws[m])), **_beside(tokens, i),
                "num_lidar_pts": int(keyframes[k].returned[m]), "num_radar_pts": 0,
            }
            for i, k in enumerate(seen)
        ]  # fmt: skip


def _of(drive: Drive, *parts: object) -> str:
    return token(drive.number, *parts)


def _beside(tokens: list[str], i: int) -> Record:
    """The tokens before and after one in its chain."""
    return {"prev": tokens[i - 1] if i else "", "next": tokens[i + 1] if i + 1 < len(tokens) else ""}
