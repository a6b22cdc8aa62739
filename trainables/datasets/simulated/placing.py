"""A solid of a template where its object stands, and the window of the range image that it can reach.

numba caches callers in other files with these functions inside: after a change here, remove the folder's __pycache__.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trainables.datasets.simulated.shapes import HULL, Shapes

Floats = NDArray[np.floating]


class Pose(NamedTuple):
    """How an object stands: its bottom's center and size [m] and its yaw."""

    x: float
    y: float
    z: float
    cos: float
    sin: float
    size: Floats


class Window(NamedTuple):
    """The part of the range image that a solid can reach, and how near it can be [m]."""

    first_column: int
    columns: int
    first_beam: int
    after_last_beam: int
    near: float


class Placed(NamedTuple):
    """A solid in the LiDAR frame: planes (P, 4) of a hull, else `to_unit` (9,) and the sensor's place (3,) seen so."""

    kind: int
    surface: int
    reflectance: float
    chance: int
    planes: Floats
    to_unit: Floats
    sensor: Floats


@njit(cache=True)
def interval(low: Floats, high: Floats, pose: Pose) -> tuple[float, float, float, float, float]:
    """What a turned box can cover: center and half width of its azimuth, lowest and highest elevation [rad], nearness.

    Args:
        low, high: (3,) corners of the box in its object's own axes [m].
    """
    x, y, z, cos_y, sin_y, _ = pose
    # The sensor seen from the box's own axes gives the nearest point of its footprint.
    own_x, own_y = -(cos_y * x + sin_y * y), -(-sin_y * x + cos_y * y)
    near = np.hypot(max(low[0] - own_x, 0.0, own_x - high[0]), max(low[1] - own_y, 0.0, own_y - high[1]))
    mid_x, mid_y = (low[0] + high[0]) / 2, (low[1] + high[1]) / 2
    center = np.arctan2(y + sin_y * mid_x + cos_y * mid_y, x + cos_y * mid_x - sin_y * mid_y)
    far, half = 0.0, 0.0
    for k in range(4):
        bx, by = low[0] if k % 2 else high[0], low[1] if k // 2 else high[1]
        wx, wy = x + cos_y * bx - sin_y * by, y + sin_y * bx + cos_y * by
        far = max(far, np.hypot(wx, wy))
        turn = np.arctan2(wy, wx) - center
        half = max(half, abs(turn - 2 * np.pi * np.round(turn / (2 * np.pi))))
    if near < 0.05:
        return center, np.pi, -np.pi / 2, np.pi / 2, near
    bottom, top = z + low[2], z + high[2]
    return (
        center,
        half,
        np.arctan2(bottom, near if bottom < 0 else far),
        np.arctan2(top, near if top > 0 else far),
        near,
    )


@njit(cache=True)
def window_of(bounds: Floats, pose: Pose, azimuth: Floats, elevation: Floats, period: int) -> Window:
    """The columns and beams that a solid can reach; none where it lies beside the turn, above or below it.

    Args:
        bounds: (6,) low and high corner of the solid, relative to its object's box.
        azimuth, elevation: (C,), (B,) of the rays [rad]; `period` columns make a whole turn.
    """
    low, high = bounds[:3] * pose.size, bounds[3:] * pose.size
    center, half, bottom, top, near = interval(low, high, pose)
    step, beams = 2 * np.pi / period, elevation.shape[0]
    start = int(np.ceil((center - half - azimuth[0]) / step))
    columns = min(int(np.floor((center + half - azimuth[0]) / step)) - start + 1, period)
    first = beams - np.searchsorted(elevation[::-1], top, side="right")
    after = beams - np.searchsorted(elevation[::-1], bottom, side="left")
    return Window(start, columns, first, after, near)


@njit(cache=True)
def placed_planes(planes: Floats, pose: Pose) -> Floats:
    """(P, 4) planes relative to an object's box, in the LiDAR frame with unit normals."""
    world = np.empty((planes.shape[0], 4))
    for i in range(planes.shape[0]):
        p = planes[i]
        nx, ny, nz = p[0] / pose.size[0], p[1] / pose.size[1], p[2] / pose.size[2]
        length = np.sqrt(nx * nx + ny * ny + nz * nz)
        world[i, 0], world[i, 1] = (pose.cos * nx - pose.sin * ny) / length, (pose.sin * nx + pose.cos * ny) / length
        world[i, 2] = nz / length
        world[i, 3] = p[3] / length + world[i, 0] * pose.x + world[i, 1] * pose.y + world[i, 2] * pose.z
    return world


@njit(cache=True)
def placed_map(unit: Floats, pose: Pose) -> tuple[Floats, Floats]:
    """The map (12,) to a unit ball or tube, in the LiDAR frame: its matrix (9,), and where it takes the sensor (3,)."""
    m, o = np.empty(9), np.empty(3)
    for i in range(3):
        a = unit[3 * i : 3 * i + 3]
        ax, ay, az = a[0] / pose.size[0], a[1] / pose.size[1], a[2] / pose.size[2]
        m[3 * i], m[3 * i + 1], m[3 * i + 2] = pose.cos * ax - pose.sin * ay, pose.sin * ax + pose.cos * ay, az
        o[i] = -(m[3 * i] * pose.x + m[3 * i + 1] * pose.y + az * pose.z)
        o[i] -= a[0] * unit[9] + a[1] * unit[10] + a[2] * unit[11]
    return m, o


@njit(cache=True)
def place(shapes: Shapes, s: int, pose: Pose, reflectance: float) -> Placed:
    """Solid `s` where its object stands; `reflectance` is the object's own."""
    kind, surface, shine = int(shapes.solids[s, 0]), int(shapes.solids[s, 1]), shapes.solids[s, 2]
    shine = shine if shine >= 0 else reflectance
    if kind == HULL:
        planes = placed_planes(shapes.planes[int(shapes.solids[s, 3]) : int(shapes.solids[s, 4])], pose)
        return Placed(kind, surface, shine, 8 + s, planes, shapes.unit[s, :9], shapes.unit[s, 9:])
    m, o = placed_map(shapes.unit[s], pose)
    return Placed(kind, surface, shine, 8 + s, shapes.planes[:0], m, o)
