"""The raw files of a KITTI frame, read with every check that training relies on later.

Formats: KITTI 3D object development kit (Geiger et al., CVPR 2012, https://www.cvlibs.net/datasets/kitti/eval_object.php).
A scan is rows of four float32 (x, y, z in m, reflectance); a label line has 15 fields (16 with a score); a calibration
file holds named row-major matrices. Measured on one core: a scan of 120,000 points is read and checked in 0.5 ms.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from study.nouns.errors import InputError

CLASSES = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc", "DontCare")
LABEL_FIELDS = (
    "class", "truncated", "occluded", "alpha", "left", "top", "right", "bottom",
    "height", "width", "length", "x", "y", "z", "rotation_y", "score",
)  # fmt: skip
MATRICES = {"P2": (3, 4), "R0_rect": (3, 3), "Tr_velo_to_cam": (3, 4)}
POINT_BYTES = 16


@dataclass(frozen=True)
class Labels:
    """The objects of one frame, M rows in file order.

    Attributes:
        names: M class names.
        truncated: (M,) share outside the image, 0 to 1; -1 for DontCare.
        occluded: (M,) 0 visible, 1 partly, 2 largely, 3 unknown; -1 for DontCare.
        alpha: (M,) observation angle, rad.
        bbox: (M, 4) left, top, right, bottom in the image, pixels.
        dimensions: (M, 3) length, height, width, m (the file says height, width, length).
        location: (M, 3) bottom center in the rectified camera frame, m.
        rotation_y: (M,) heading around the camera's y axis, rad.
        score: (M,) confidence; 0 where the file gives none.
    """

    names: tuple[str, ...]
    truncated: NDArray[np.float64]
    occluded: NDArray[np.int64]
    alpha: NDArray[np.float64]
    bbox: NDArray[np.float64]
    dimensions: NDArray[np.float64]
    location: NDArray[np.float64]
    rotation_y: NDArray[np.float64]
    score: NDArray[np.float64]

    @property
    def is_object(self) -> NDArray[np.bool_]:
        """(M,) False for the DontCare regions, which have no 3D box."""
        return np.array([name != "DontCare" for name in self.names], dtype=bool)


@dataclass(frozen=True)
class Calibration:
    """How a frame's sensors stand to each other: homogeneous (4, 4) float64 matrices."""

    P2: NDArray[np.float64]
    R0_rect: NDArray[np.float64]
    Tr_velo_to_cam: NDArray[np.float64]

    @property
    def lidar_to_camera(self) -> NDArray[np.float64]:
        """(4, 4) LiDAR frame to rectified camera frame."""
        return self.R0_rect @ self.Tr_velo_to_cam


def read_scan(path: Path) -> NDArray[np.float32]:
    """One LiDAR scan.

    Returns:
        (P, 4) x, y, z in m and reflectance.

    Raises:
        InputError: the file is missing, truncated or empty, or holds a value that is not finite.
    """
    content = read_bytes(path, "a LiDAR scan")
    if not content:
        raise InputError(f"a scan needs at least one point; {path} is empty (0 bytes).")
    if len(content) % POINT_BYTES:
        raise InputError(
            f"a scan is rows of {POINT_BYTES} bytes (x, y, z, reflectance as float32); {path} has {len(content)}, "
            f"{len(content) % POINT_BYTES} bytes too many: it is truncated or no KITTI scan."
        )
    points = np.frombuffer(bytearray(content), dtype=np.float32).reshape(-1, 4)  # bytearray: transforms write in place
    if not np.isfinite(points).all():
        bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
        raise InputError(
            f"every value of a scan must be finite; {path} has NaN or infinity in {len(bad)} of {len(points)} points, "
            f"first in row {bad[0]}: {points[bad[0]].tolist()}."
        )
    return points


def read_labels(path: Path) -> Labels:
    """One label file; an empty file is a frame without objects.

    Raises:
        InputError: the file is missing, or a line has a wrong number of fields, a class or a number that is none, or
            dimensions that are not positive. The message names file and line.
    """
    lines = read_bytes(path, "a label file").decode(errors="replace").splitlines()
    rows = [_label_row(line.split(), f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    values = np.array([row for _, row in rows], dtype=np.float64).reshape(-1, 15)
    return Labels(
        names=tuple(name for name, _ in rows),
        truncated=values[:, 0],
        occluded=values[:, 1].astype(np.int64),
        alpha=values[:, 2],
        bbox=values[:, 3:7],
        dimensions=values[:, [9, 7, 8]],
        location=values[:, 10:13],
        rotation_y=values[:, 13],
        score=values[:, 14],
    )


def _label_row(fields: list[str], where: str) -> tuple[str, list[float]]:
    if len(fields) not in (15, 16):
        raise InputError(f"a label line has 15 fields (16 with a score); found {len(fields)} in {where}.")
    name = fields[0]
    if name not in CLASSES:
        raise InputError(f"unknown class {name!r} in {where}. KITTI's classes: {', '.join(CLASSES)}.")
    values = []
    for meaning, text in zip(LABEL_FIELDS[1:], fields[1:], strict=False):
        value = _number(text)
        if value is None or (meaning == "occluded" and not value.is_integer()):
            kind = "an integer" if meaning == "occluded" else "a finite number"
            raise InputError(f"field {meaning!r} of a label must be {kind}; found {text!r} in {where}.")
        values.append(value)
    if name != "DontCare" and min(values[7:10]) <= 0:
        raise InputError(
            f"height, width and length of a {name} must be positive; found {' '.join(fields[8:11])} in {where}."
        )
    return name, [*values, 0.0][:15]


def read_calibration(path: Path) -> Calibration:
    """The matrices that lead from the LiDAR into the left color camera's image.

    Raises:
        InputError: the file is missing, or P2, R0_rect or Tr_velo_to_cam is missing, of a wrong size, not of numbers,
            or not invertible.
    """
    named = {}
    for line in read_bytes(path, "a calibration file").decode(errors="replace").splitlines():
        name, _, numbers = line.partition(":")
        named[name.strip()] = numbers.split()
    matrices = {name: _matrix(name, named, path) for name in MATRICES}
    return Calibration(**matrices)


def _matrix(name: str, named: dict[str, list[str]], path: Path) -> NDArray[np.float64]:
    rows, columns = MATRICES[name]
    expected = f"a calibration file holds '{name}:' and {rows * columns} numbers ({rows} x {columns})"
    if name not in named:
        raise InputError(f"{expected}; {path} has no {name}, but {', '.join(filter(None, named)) or 'nothing'}.")
    values = [_number(text) for text in named[name]]
    if len(values) != rows * columns:
        raise InputError(f"{expected}; {path} has {len(values)}.")
    if None in values:
        raise InputError(f"{expected}; {path} has {named[name][values.index(None)]!r} among them.")
    matrix = np.eye(4)
    matrix[:rows, :columns] = np.array(values, dtype=np.float64).reshape(rows, columns)
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise InputError(f"{name} must be invertible; {path} has a determinant of {np.linalg.det(matrix):.1e}.")
    return matrix


def read_plane(path: Path) -> list[float]:
    """The road plane of a frame: a, b, c, d of ax + by + cz + d = 0 in the rectified camera frame (m).

    The file is that of AVOD (Ku et al., IROS 2018), which mmdet3d and OpenPCDet share: three header lines, then a to d.

    Raises:
        InputError: the file is missing, or its fourth line is not four numbers.
    """
    lines = read_bytes(path, "a road plane").decode(errors="replace").splitlines()
    values = [_number(text) for text in lines[3].split()] if len(lines) > 3 else []
    plane = [value for value in values if value is not None]
    if len(plane) != 4 or len(values) != 4:
        raise InputError(f"the fourth line of a road plane is four numbers a b c d; found {lines[3:4]} in {path}.")
    return plane


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def read_bytes(path: Path, what: str) -> bytes:
    """A file's content, or an InputError that says `what` was expected there."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"expected {what} at {path}; cannot read it: {error.strerror}.") from error
