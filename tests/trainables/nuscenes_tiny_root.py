"""nuScenes tables small enough to work out by hand: four short scenes, a car that turns, objects of six classes.

Two scenes for training, two for validation; three keyframes each, half a second apart, with two sweeps before all but
the first. The vehicle drives a curve; the LiDAR stands as on nuScenes' car, looking to the right. Every object but a
bus holds points in every scan; one bicycle stands in a rack.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from pyquaternion import Quaternion

VERSION = "v1.0-tiny"
SCENES = {"train": ["scene-0001", "scene-0002"], "val": ["scene-0003", "scene-0004"]}
SIDE = {"translation": [0.94, 0.0, 1.84], "rotation": list(Quaternion(axis=[0, 0, 1], degrees=-90).elements)}
"""Of the LiDAR on the vehicle."""
MINI = {"train": ["scene-0061", "scene-0553"], "val": ["scene-0103", "scene-0916"]}
"""Scenes of the version v1.0-mini, as nuScenes' development kit knows them."""
OBJECTS = (
    # category, attribute, place, speed (both in the vehicle's first frame, m, m/s), width, length, height, yaw, points
    ("vehicle.car", "vehicle.moving", (12.0, 3.0, 0.9), (4.0, 1.0), (1.9, 4.6, 1.7), 0.3, 12),
    ("vehicle.car", "vehicle.parked", (-15.0, -6.0, 0.9), (0.0, 0.0), (1.9, 4.6, 1.7), -2.0, 9),
    ("human.pedestrian.adult", "pedestrian.moving", (8.0, -4.0, 0.9), (-0.5, 1.2), (0.7, 0.7, 1.8), 1.9, 7),
    ("vehicle.bicycle", "cycle.without_rider", (20.0, 9.0, 0.7), (0.0, 0.0), (0.6, 1.7, 1.3), 0.0, 6),
    ("movable_object.trafficcone", "", (6.0, 5.0, 0.5), (0.0, 0.0), (0.4, 0.4, 1.1), 0.0, 5),
    ("vehicle.truck", "vehicle.moving", (30.0, -10.0, 1.5), (8.0, 0.0), (2.5, 6.9, 2.8), 0.1, 11),
    ("vehicle.bicycle", "cycle.without_rider", (18.2, -14.0, 0.7), (0.0, 0.0), (0.6, 1.7, 1.3), 0.5, 6),
    ("vehicle.bus.rigid", "vehicle.stopped", (25.0, 18.0, 1.7), (0.0, 0.0), (2.9, 11.0, 3.4), 0.2, 0),
    ("movable_object.debris", "", (4.0, -9.0, 0.3), (0.0, 0.0), (0.5, 0.5, 0.5), 0.0, 5),
    ("static_object.bicycle_rack", "", (18.0, -14.0, 0.7), (0.0, 0.0), (1.0, 4.0, 1.5), 0.5, 5),
)
CAMERAS = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_FRONT_LEFT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT")
INTRINSIC = [[1000.0, 0.0, 800.0], [0.0, 1000.0, 450.0], [0.0, 0.0, 1.0]]
BETWEEN_KEYFRAMES, BETWEEN_SWEEPS = 500_000, 50_000
"""Microseconds."""


def write_tiny_root(root: Path, *, version: str = VERSION, scenes: Any = None, objects: Any = OBJECTS) -> Path:
    """Write tables and scans.

    Args:
        root: the new folder.
        version: of the tables.
        scenes: names of the scenes for `train` and `val`.
        objects: what stands in every scene, as `OBJECTS`.
    """
    scenes = scenes or SCENES
    made = _Tables(root, objects)
    for number, name in enumerate([*scenes["train"], *scenes["val"]]):
        made.add_scene(name, number)
    folder = root / version
    folder.mkdir(parents=True)
    for table, records in made.tables.items():
        (folder / f"{table}.json").write_text(json.dumps(records))
    (folder / "splits.json").write_text(json.dumps(scenes))
    (root / "maps").mkdir()
    (root / "maps" / "empty.png").write_bytes(b"")
    return root


def table(root: Path, name: str, version: str = VERSION) -> list[dict[str, Any]]:
    """The records of a table."""
    return json.loads((root / version / f"{name}.json").read_text())


def change_table(root: Path, name: str, records: Any, version: str = VERSION) -> None:
    """Write a table anew."""
    (root / version / f"{name}.json").write_text(json.dumps(records))


class _Tables:
    """Collects the records of all tables, and writes the scans."""

    def __init__(self, root: Path, objects: Any) -> None:
        self.root = root
        self.objects = objects
        self.random = np.random.default_rng(0)
        for folder in ("samples", "sweeps"):
            (root / folder / "LIDAR_TOP").mkdir(parents=True)
        names = ("scene", "sample", "sample_data", "sample_annotation", "instance", "ego_pose")
        self.tables: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        categories, attributes = (dict.fromkeys(filter(None, (one[at] for one in objects))) for at in (0, 1))
        self.tables["category"] = [{"token": f"category {n}", "name": n, "description": ""} for n in categories]
        self.tables["attribute"] = [{"token": f"attribute {n}", "name": n, "description": ""} for n in attributes]
        self.tables["visibility"] = [{"token": "4", "level": "v80-100", "description": ""}]
        self.tables["sensor"] = [
            {"token": "lidar", "channel": "LIDAR_TOP", "modality": "lidar"},
            *({"token": f"sensor {camera}", "channel": camera, "modality": "camera"} for camera in CAMERAS),
        ]
        self.tables["calibrated_sensor"] = [
            {"token": "lidar here", "sensor_token": "lidar", **SIDE, "camera_intrinsic": []},
            *(
                {"token": f"{camera} here", "sensor_token": f"sensor {camera}", **SIDE, "camera_intrinsic": INTRINSIC}
                for camera in CAMERAS
            ),
        ]
        log = {"token": "log", "logfile": "tiny", "vehicle": "t", "date_captured": "2026-01-01", "location": "tiny"}
        self.tables["log"] = [log]
        self.tables["map"] = [
            {"token": "map", "log_tokens": ["log"], "category": "semantic_prior", "filename": "maps/empty.png"}
        ]

    def add_scene(self, name: str, number: int) -> None:
        start = 1_600_000_000_000_000 + number * 100_000_000
        samples = [f"{name} sample {place}" for place in range(3)]
        self.tables["scene"].append(
            {"token": f"token of {name}", "name": name, "description": "", "log_token": "log", "nbr_samples": 3,
             "first_sample_token": samples[0], "last_sample_token": samples[-1]}
        )  # fmt: skip
        chain = [(0, 0), *((place, ago) for place in (1, 2) for ago in (2, 1, 0))]
        tokens = [f"{name} data {place} {ago}" for place, ago in chain]
        ends = ["", *tokens, ""]
        for at, (place, ago) in enumerate(chain):
            time = start + place * BETWEEN_KEYFRAMES - ago * BETWEEN_SWEEPS
            self._add_scan(name, number, tokens[at], samples[place], time, (time - start) * 1e-6, ago == 0)
            self.tables["sample_data"][-1].update(prev=ends[at], next=ends[at + 2])
        for place, token in enumerate(samples):
            links = {"prev": samples[place - 1] if place else "", "next": samples[place + 1] if place < 2 else ""}
            time = start + place * BETWEEN_KEYFRAMES
            self.tables["sample"].append(
                {"token": token, "timestamp": time, "scene_token": f"token of {name}", **links}
            )
        for kind, described in enumerate(self.objects):
            self._add_object(name, number, kind, described, samples)

    def _add_scan(
        self, scene: str, number: int, token: str, sample: str, time: int, seconds: float, keyframe: bool
    ) -> None:
        pose = _pose(number, seconds)
        self.tables["ego_pose"].append({"token": f"pose of {token}", "timestamp": time, **pose})
        filename = f"{'samples' if keyframe else 'sweeps'}/LIDAR_TOP/{scene}__LIDAR_TOP__{time}.pcd.bin"
        record = {"sample_token": sample, "ego_pose_token": f"pose of {token}", "timestamp": time, "fileformat": "pcd",
                  "is_key_frame": keyframe, "height": 0, "width": 0}  # fmt: skip
        lidar = {"token": token, "calibrated_sensor_token": "lidar here", "filename": filename}
        for camera in CAMERAS if keyframe else ():  # whose images are not there
            image = {"token": f"{camera} of {token}", "calibrated_sensor_token": f"{camera} here", "prev": "",
                     "next": "", "filename": f"samples/{camera}/none.jpg", "width": 1600, "height": 900}  # fmt: skip
            self.tables["sample_data"].append({**record, **image, "fileformat": "jpg"})
        self.tables["sample_data"].append({**record, **lidar})
        self._scan(number, seconds, pose).tofile(self.root / filename)

    def _scan(self, number: int, seconds: float, pose: dict[str, Any]) -> np.ndarray:
        """40 points of the ground, and those of every object, as the LiDAR sees them."""
        ground = np.column_stack([self.random.uniform(-30, 30, (40, 2)), np.full(40, -0.2)])
        placed = _matrix(pose) @ _matrix(SIDE)
        parts = [(np.column_stack([ground, np.ones(40)]) @ _matrix(pose).T)]
        for described in self.objects:
            center, turn = _stands(number, described, seconds)
            width, length, height = described[4]
            within = self.random.uniform(-0.45, 0.45, (described[6], 3)) * [length, width, height]
            parts.append(np.column_stack([within @ turn.rotation_matrix.T + center, np.ones(len(within))]))
        points = np.concatenate(parts) @ np.linalg.inv(placed).T
        rest = [self.random.uniform(0, 255, len(points)), np.arange(len(points)) % 32]
        return np.column_stack([points[:, :3], *rest]).astype(np.float32)

    def _add_object(self, scene: str, number: int, kind: int, described: Any, samples: list[str]) -> None:
        category, attribute, _, _, size, _, points = described
        tokens = [f"{scene} object {kind} at {place}" for place in range(len(samples))]
        if kind == 4:  # seen once only: its velocity is unknown
            tokens, samples = tokens[1:2], samples[1:2]
        self.tables["instance"].append(
            {"token": f"{scene} object {kind}", "category_token": f"category {category}",
             "nbr_annotations": len(tokens), "first_annotation_token": tokens[0], "last_annotation_token": tokens[-1]}
        )  # fmt: skip
        for at, (token, sample) in enumerate(zip(tokens, samples, strict=True)):
            center, turn = _stands(number, described, 0.5 * int(sample[-1]))
            self.tables["sample_annotation"].append(
                {"token": token, "sample_token": sample, "instance_token": f"{scene} object {kind}",
                 "visibility_token": "4", "attribute_tokens": [f"attribute {attribute}"] if attribute else [],
                 "translation": center.tolist(), "size": list(size), "rotation": turn.elements.tolist(),
                 "prev": tokens[at - 1] if at else "", "next": tokens[at + 1] if at < len(tokens) - 1 else "",
                 "num_lidar_pts": points, "num_radar_pts": 0}
            )  # fmt: skip


def _pose(number: int, seconds: float) -> dict[str, Any]:
    """Where the vehicle is: on a circle, slightly tilted."""
    angle = 0.4 * number + 0.1 * seconds
    turn = Quaternion(axis=[0, 0, 1], radians=angle) * Quaternion(axis=[0, 1, 0], radians=0.01)
    place = [600 + 80 * math.sin(angle), 1600 - 80 * math.cos(angle) + 10 * number, 0.0]
    return {"translation": place, "rotation": turn.elements.tolist()}


def _matrix(stands: dict[str, Any]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Quaternion(stands["rotation"]).rotation_matrix
    matrix[:3, 3] = stands["translation"]
    return matrix


def _stands(number: int, described: Any, seconds: float) -> tuple[np.ndarray, Quaternion]:
    """Middle and turn of an object in the world."""
    first = _pose(number, 0.0)
    place = np.array(described[2]) + np.array([*described[3], 0.0]) * seconds
    turn = Quaternion(first["rotation"])
    return turn.rotation_matrix @ place + first["translation"], turn * Quaternion(axis=[0, 0, 1], radians=described[5])
