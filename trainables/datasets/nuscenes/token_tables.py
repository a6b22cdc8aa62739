"""nuScenes' tables of one version, as far as LiDAR detection reads them: records by token, every link checked.

Format: Caesar et al., nuScenes, CVPR 2020, and the development kit's docs/schema_nuscenes.md. A table is a JSON list of
records; a record names others by their tokens. Cameras, radars, maps and logs are not read.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.nouns.errors import InputError

Record = dict[str, Any]

LIDAR = "LIDAR_TOP"
FIELDS = {
    "sensor": ("channel",),
    "calibrated_sensor": ("sensor_token", "translation", "rotation"),
    "ego_pose": ("translation", "rotation"),
    "scene": ("name",),
    "sample": ("timestamp", "scene_token"),
    "sample_data": (
        "sample_token", "ego_pose_token", "calibrated_sensor_token", "timestamp", "filename", "is_key_frame", "prev"
    ),
    "category": ("name",),
    "instance": ("category_token",),
    "attribute": ("name",),
    "sample_annotation": (
        "sample_token", "instance_token", "attribute_tokens", "translation", "size", "rotation", "num_lidar_pts",
        "num_radar_pts", "prev", "next"
    ),
}  # fmt: skip
"""The tables that are read, each with the fields that are used of its records, besides the token."""

MOST_SECONDS = 1.5
"""Between two keyframes of which a velocity is told."""


class Tables:
    """The tables of one version; the large ones without what belongs to other sensors.

    Attributes:
        samples: the keyframes, in the order of their table.
    """

    def __init__(self, folder: Path) -> None:
        """Read them.

        Args:
            folder: that of the version.

        Raises:
            InputError: a table is missing, is no list of records, lacks a field, or a token leads nowhere.
        """
        self.folder = folder
        self._records: dict[str, dict[str, Record]] = {}
        for table in FIELDS:
            records = _read(folder / f"{table}.json", FIELDS[table])
            if table == "sample_data":
                records = [record for record in records if self._of_the_lidar(record)]
            self._records[table] = {record["token"]: record for record in records}
        # Most poses are of cameras and radars.
        poses = {record["ego_pose_token"] for record in self._records["sample_data"].values()}
        self._records["ego_pose"] = {token: at for token, at in self._records["ego_pose"].items() if token in poses}
        self.samples = list(self._records["sample"].values())
        self._keyframes = {
            record["sample_token"]: record for record in self._records["sample_data"].values() if record["is_key_frame"]
        }
        self._annotations: dict[str, list[Record]] = defaultdict(list)
        for record in self._records["sample_annotation"].values():
            self.get("sample", record["sample_token"], "sample_annotation")
            self._annotations[record["sample_token"]].append(record)

    def get(self, table: str, token: str, asked_by: str) -> Record:
        """The record of a token.

        Raises:
            InputError: there is none; says which table names it.
        """
        record = self._records[table].get(token)
        if record is None:
            raise InputError(
                f"{asked_by}.json in {self.folder} names the token {token!r}, which {table}.json does not have: the "
                "tables are not whole or not of one version"
            )
        return record

    def keyframe(self, sample: Record) -> Record:
        """The LiDAR's `sample_data` of a sample.

        Raises:
            InputError: it has none.
        """
        found = self._keyframes.get(sample["token"])
        if found is None:
            raise InputError(
                f"every sample needs a keyframe of {LIDAR}; in {self.folder}, sample_data.json has none of "
                f"{sample['token']!r}"
            )
        return found

    def sweeps(self, keyframe: Record, most: int) -> list[Record]:
        """The LiDAR's records before a keyframe, latest first, at most so many."""
        found: list[Record] = []
        record = keyframe
        while record["prev"] and len(found) < most:
            record = self.get("sample_data", record["prev"], "sample_data")
            found.append(record)
        return found

    def annotations(self, sample: Record) -> list[Record]:
        """The labeled objects of a sample, in the order of their table."""
        return self._annotations[sample["token"]]

    def category(self, annotation: Record) -> str:
        """nuScenes' name of what an object is: `vehicle.bus.rigid`."""
        instance = self.get("instance", annotation["instance_token"], "sample_annotation")
        return self.get("category", instance["category_token"], "instance")["name"]

    def attribute(self, annotation: Record) -> str:
        """The name of an object's attribute; empty where it has none.

        Raises:
            InputError: it has several, which nuScenes' evaluation refuses.
        """
        names = [self.get("attribute", token, "sample_annotation")["name"] for token in annotation["attribute_tokens"]]
        if len(names) > 1:
            raise InputError(
                f"an object has at most one attribute; {annotation['token']!r} in {self.folder} has {', '.join(names)}"
            )
        return names[0] if names else ""

    def velocity(self, annotation: Record) -> NDArray[np.float64]:
        """(3,) m/s in the world, from the keyframes before and after; NaN where neither knows the object.

        As the development kit's `NuScenes.box_velocity` estimates it.
        """
        ends = [
            self.get("sample_annotation", annotation[way], "sample_annotation") if annotation[way] else annotation
            for way in ("prev", "next")
        ]
        first, last = ends
        if first is last:
            return np.full(3, np.nan)
        times = [1e-6 * self.get("sample", end["sample_token"], "sample_annotation")["timestamp"] for end in ends]
        seconds = times[1] - times[0]
        if seconds > MOST_SECONDS * (2 if annotation["prev"] and annotation["next"] else 1):
            return np.full(3, np.nan)
        return (np.array(last["translation"]) - np.array(first["translation"])) / seconds

    def _of_the_lidar(self, record: Record) -> bool:
        mounted = self.get("calibrated_sensor", record["calibrated_sensor_token"], "sample_data")
        if self.get("sensor", mounted["sensor_token"], "calibrated_sensor")["channel"] != LIDAR:
            return False
        self.get("ego_pose", record["ego_pose_token"], "sample_data")
        return True


def scene_names(folder: Path) -> list[str]:
    """The names of a version's scenes.

    Raises:
        InputError: the table cannot be read.
    """
    return [record["name"] for record in _read(folder / "scene.json", FIELDS["scene"])]


def _read(path: Path, fields: tuple[str, ...]) -> list[Record]:
    try:
        records = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"expected one of nuScenes' tables at {path}; cannot read it: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"a table of nuScenes is a JSON list of records; {path} is no JSON: {error}") from error
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError(f"a table of nuScenes is a JSON list of records; {path} holds something else")
    for field in ("token", *fields):
        lacking = next((number for number, record in enumerate(records) if field not in record), None)
        if lacking is not None:
            raise InputError(f"every record of {path.name} has the field {field!r}; record {lacking} of {path} has not")
    return records
