"""nuScenes' scans at any time of a run with every check: one gone bad fails in one clear line.

Importing this module registers `CheckedKeyframe` and `CheckedSweeps`; put their names in the places of mmdet3d's
`LoadPointsFromFile` and `LoadPointsFromMultiSweeps` in a config. Those end a truncated scan in a reshape traceback and
train on NaN silently, and put sweeps beside where they belong when the vehicle turns.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.nouns.errors import InputError
from trainables.datasets.nuscenes.keyframes import COLUMNS, KEYFRAMES, SWEEPS
from trainables.ops.setup import bridge

bridge.install()  # before mmdet3d is imported

from mmdet3d.datasets.transforms import LoadPointsFromFile, LoadPointsFromMultiSweeps  # noqa: E402
from mmdet3d.registry import TRANSFORMS  # noqa: E402
from mmdet3d.structures import LiDARPoints  # noqa: E402

POINT_BYTES = 4 * COLUMNS
MOST_SWEEPS = 10
"""Before a keyframe that are put together for the database, and for a scan to look at."""


def read_scan(path: Path) -> NDArray[np.float32]:
    """One turn of the LiDAR.

    Returns:
        (P, 5) x, y, z in m, intensity, number of the beam.

    Raises:
        InputError: the file is missing, truncated or empty, or holds a value that is not finite.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"expected a LiDAR scan at {path}; cannot read it: {error.strerror}") from error
    check_length(path, len(content))
    points = np.frombuffer(bytearray(content), dtype=np.float32).reshape(-1, COLUMNS)
    if not np.isfinite(points).all():
        bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
        raise InputError(
            f"every value of a scan must be finite; {path} has NaN or infinity in {len(bad)} of {len(points)} points, "
            f"first in row {bad[0]}: {points[bad[0]].tolist()}"
        )
    return points


def check_length(path: Path, size: int) -> None:
    """Raise InputError unless so many bytes are a scan."""
    if size == 0:
        raise InputError(f"a scan needs at least one point; {path} is empty (0 bytes)")
    if size % POINT_BYTES:
        raise InputError(
            f"a scan is rows of {POINT_BYTES} bytes (x, y, z, intensity, beam as float32); {path} has {size}, "
            f"{size % POINT_BYTES} bytes too many: it is truncated or no scan of nuScenes"
        )


@TRANSFORMS.register_module()
class CheckedKeyframe(LoadPointsFromFile):
    """`LoadPointsFromFile` for nuScenes' scans on a file system, read and checked by `read_scan`."""

    def _load_points(self, pts_filename: str) -> NDArray[np.float32]:
        return read_scan(Path(pts_filename)).reshape(-1)


@TRANSFORMS.register_module()
class CheckedSweeps(LoadPointsFromMultiSweeps):
    """`LoadPointsFromMultiSweeps` that reads and checks its scans by `read_scan`, and puts them where they belong.

    mmdet3d 1.4 takes points p of a sweep to p R - t instead of (p - t) R, with turn R and shift t of `lidar2sensor`:
    where the vehicle turns by 0.1 rad on 8 m, that is 0.8 m beside. Versions before 1.0 had it right.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """The points of a keyframe and of sweeps before it."""
        if "lidar_sweeps" in results:
            results = {**results, "lidar_sweeps": [_shifted_first(sweep) for sweep in results["lidar_sweeps"]]}
        return super().transform(results)

    def _load_points(self, pts_filename: str) -> NDArray[np.float32]:
        return read_scan(Path(pts_filename)).reshape(-1)


def _shifted_first(sweep: Mapping[str, Any]) -> dict[str, Any]:
    """A sweep whose shift is turned, so that subtracting it after the turn is the same as before."""
    points, matrix = sweep["lidar_points"], np.array(sweep["lidar_points"]["lidar2sensor"])
    matrix[:3, 3] = matrix[:3, 3] @ matrix[:3, :3]
    return {**sweep, "lidar_points": {**points, "lidar2sensor": matrix}}


def scans_of(root: Path, info: Mapping[str, Any]) -> list[Path]:
    """The files of a keyframe: its own scan, then those before it, where mmdet3d's data set looks for them."""
    earlier = [Path(sweep["lidar_points"]["lidar_path"]) for sweep in info.get("lidar_sweeps", ())]
    folders = [KEYFRAMES if "samples" in str(path) else SWEEPS for path in earlier]
    own = root / KEYFRAMES / info["lidar_points"]["lidar_path"]
    return [own, *(root / folder / path.name for folder, path in zip(folders, earlier, strict=True))]


def swept(root: Path, info: Mapping[str, Any], most: int = MOST_SWEEPS) -> NDArray[np.float32]:
    """A keyframe with the scans before it, as mmdet3d's configs with all five columns put them together.

    Args:
        root: of the data.
        info: its entry in an info file.
        most: scans before it, the nearest; without points within 1 m of the sensor. Where there is none, its own scan
            is repeated as often.

    Returns:
        (P, 5) x, y, z in m in the keyframe's LiDAR, intensity, age of the scan in s.

    Raises:
        InputError: a scan is missing or bad.
    """
    own, *earlier = scans_of(root, info)
    results: dict[str, Any] = {"points": LiDARPoints(read_scan(own), points_dim=COLUMNS)}
    results["timestamp"] = info["timestamp"]
    if earlier:
        results["lidar_sweeps"] = [
            {**sweep, "lidar_points": {**sweep["lidar_points"], "lidar_path": str(path)}}
            for sweep, path in zip(info["lidar_sweeps"], earlier, strict=True)
        ]
    put_together = CheckedSweeps(
        sweeps_num=most, use_dim=list(range(COLUMNS)), pad_empty_sweeps=True, remove_close=True, test_mode=True
    )
    return put_together.transform(results)["points"].tensor.numpy()
