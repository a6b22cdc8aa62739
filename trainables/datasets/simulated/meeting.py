"""Where a ray from the sensor meets a convex solid: the image of a unit ball or tube, or a polyhedron.

numba caches callers in other files with these functions inside: after a change here, remove the folder's __pycache__.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@njit(cache=True, inline="always")
def meet_quadric(m: Floats, o: Floats, dx: float, dy: float, dz: float, is_ball: bool) -> tuple[float, float, float]:
    """Where a ray enters and leaves a solid [m], and the cosine of its incidence; no hit: enters < 0.

    Args:
        m: (9,) matrix that makes the solid a unit ball or tube.
        o: (3,) where it takes the sensor.
        dx, dy, dz: of length 1.
        is_ball: else a tube.
    """
    vx, vy = m[0] * dx + m[1] * dy + m[2] * dz, m[3] * dx + m[4] * dy + m[5] * dz
    vz = m[6] * dx + m[7] * dy + m[8] * dz
    a, b, c = vx * vx + vy * vy, vx * o[0] + vy * o[1], o[0] ** 2 + o[1] ** 2 - 1
    if is_ball:
        a, b, c = a + vz * vz, b + vz * o[2], c + o[2] ** 2
    root = b * b - a * c
    if root <= 0 or a < 1e-18:
        return -1.0, -1.0, 0.0
    root = np.sqrt(root)
    enter, leave = (-b - root) / a, (-b + root) / a
    cap = 0.0
    if not is_ball and vz != 0:
        first, last = (-1 - o[2]) / vz, (1 - o[2]) / vz
        if first > last:
            first, last = last, first
        leave = min(leave, last)
        if first > enter:
            enter, cap = first, (-1.0 if vz > 0 else 1.0)
    elif not is_ball and abs(o[2]) > 1:
        return -1.0, -1.0, 0.0
    if enter >= leave or enter <= 0:
        return -1.0, -1.0, 0.0
    px, py, pz = o[0] + enter * vx, o[1] + enter * vy, o[2] + enter * vz
    if cap != 0:
        px, py, pz = 0.0, 0.0, cap
    elif not is_ball:
        pz = 0.0
    nx, ny, nz = m[0] * px + m[3] * py + m[6] * pz, m[1] * px + m[4] * py + m[7] * pz, m[2] * px + m[5] * py + m[8] * pz
    return enter, leave, -(nx * dx + ny * dy + nz * dz) / np.sqrt(nx * nx + ny * ny + nz * nz)


@njit(cache=True, inline="always")
def meet_hull(planes: Floats, dx: float, dy: float, dz: float) -> tuple[float, float, float]:
    """The same for a convex polyhedron: planes (P, 4) in the LiDAR frame with unit normals."""
    enter, leave, cosine = -1e9, 1e9, 0.0
    for i in range(planes.shape[0]):
        along = planes[i, 0] * dx + planes[i, 1] * dy + planes[i, 2] * dz
        if along < 0:
            t = planes[i, 3] / along
            if t > enter:
                enter, cosine = t, -along
        elif along > 0:
            leave = min(leave, planes[i, 3] / along)
        elif planes[i, 3] < 0:
            return -1.0, -1.0, 0.0
        if enter >= leave:
            return -1.0, -1.0, 0.0
    return enter, leave, cosine
