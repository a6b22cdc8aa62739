"""The spinning LiDAR: every ray of a turn against all objects, then what of it comes back.

Objects are drawn one after the other into a range image of (columns, beams), nearest wins, and only over the columns
and beams that their solids can reach, which is what makes a turn of 133,000 rays cheap.
"""

import numpy as np
from numba import njit

from trainables.datasets.simulated.chance import bell, uniform
from trainables.datasets.simulated.ground import NOTHING
from trainables.datasets.simulated.shapes import BALL, FOLIAGE, HULL, SHEER

SHEER_RETURNS = 0.4  # share of the rays that glass or spokes send back
LEAF_DEPTH = 1.0  # mean way of a ray into leaves [m]


@njit(cache=True)
def interval(low, high, cos_y, sin_y, x, y, z):
    """Azimuth and elevation [rad] that a turned box can cover: center and half width, lowest and highest elevation."""
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


@njit(cache=True, inline="always")
def meet_quadric(m, o, dx, dy, dz, is_ball):
    """Where a ray enters and leaves a unit ball or tube, and the cosine of its incidence; no hit: enters < 0."""
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
def meet_hull(planes, dx, dy, dz):
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


@njit(cache=True)
def cast_objects(
    objects, counted, first, solids, unit, bounds, planes, azimuth, elevation, period, key,
    range_image, cosine, owner, reflectance, stamp, rays,
) -> None:  # fmt: skip
    """Draw the objects into the range image and count, for those that are `counted`, the rays that meet them at all.

    Args:
        objects: (M, 9) template, x, y, z of the bottom center [m], length, width, height [m], yaw [rad], reflectance.
        counted: (M,) whether hidden rays matter (labeled objects); the others are skipped where something is nearer.
        first, solids, unit, bounds, planes: the arrays of `Shapes`.
        azimuth, elevation: (C,), (B,) angles of the columns and beams [rad]; `period` columns make a whole turn.
        range_image, cosine, owner, reflectance, stamp: (C, B), written in place. `stamp` holds the last object met.
        rays: (M,) number of rays that would return from the object if nothing stood before it, written in place.
    """
    columns, beams = range_image.shape
    step = 2 * np.pi / period
    cos_a, sin_a, cos_e, sin_e = np.cos(azimuth), np.sin(azimuth), np.cos(elevation), np.sin(elevation)
    scale, m, o, world = np.empty(3), np.empty(9), np.empty(3), np.empty((24, 4))
    for n in range(objects.shape[0]):
        x, y, z, yaw = objects[n, 1], objects[n, 2], objects[n, 3], objects[n, 7]
        scale[:] = objects[n, 4:7]
        cos_y, sin_y = np.cos(yaw), np.sin(yaw)
        for s in range(first[int(objects[n, 0])], first[int(objects[n, 0]) + 1]):
            kind, surface = int(solids[s, 0]), int(solids[s, 1])
            low, high = bounds[s, :3] * scale, bounds[s, 3:] * scale
            center, half, bottom, top, near = interval(low, high, cos_y, sin_y, x, y, z)
            start = int(np.ceil((center - half - azimuth[0]) / step))
            width = min(int(np.floor((center + half - azimuth[0]) / step)) - start + 1, period)
            b0 = beams - np.searchsorted(elevation[::-1], top, side="right")
            b1 = beams - np.searchsorted(elevation[::-1], bottom, side="left")
            if width <= 0 or b0 >= b1:
                continue
            faces = int(solids[s, 4] - solids[s, 3])
            for i in range(faces):
                p = planes[int(solids[s, 3]) + i]
                nx, ny, nz = p[0] / scale[0], p[1] / scale[1], p[2] / scale[2]
                size = np.sqrt(nx * nx + ny * ny + nz * nz)
                world[i, 0], world[i, 1] = (cos_y * nx - sin_y * ny) / size, (sin_y * nx + cos_y * ny) / size
                world[i, 2] = nz / size
                world[i, 3] = p[3] / size + world[i, 0] * x + world[i, 1] * y + world[i, 2] * z
            if kind != HULL:
                for i in range(3):
                    ax, ay, az = unit[s, 3 * i] / scale[0], unit[s, 3 * i + 1] / scale[1], unit[s, 3 * i + 2] / scale[2]
                    m[3 * i], m[3 * i + 1], m[3 * i + 2] = cos_y * ax - sin_y * ay, sin_y * ax + cos_y * ay, az
                    o[i] = -(m[3 * i] * x + m[3 * i + 1] * y + az * z)
                    o[i] -= (
                        unit[s, 3 * i] * unit[s, 9]
                        + unit[s, 3 * i + 1] * unit[s, 10]
                        + unit[s, 3 * i + 2] * unit[s, 11]
                    )
            shine = solids[s, 2] if solids[s, 2] >= 0 else objects[n, 8]
            for k in range(width):
                c = (start + k) % period
                if c >= columns:
                    continue
                for b in range(b0, b1):
                    if range_image[c, b] < near and not counted[n]:
                        continue
                    dx, dy, dz = cos_e[b] * cos_a[c], cos_e[b] * sin_a[c], sin_e[b]
                    if kind == HULL:
                        enter, leave, cos_i = meet_hull(world[:faces], dx, dy, dz)
                    else:
                        enter, leave, cos_i = meet_quadric(m, o, dx, dy, dz, kind == BALL)
                    if enter <= 0.5:
                        continue
                    if surface == SHEER and uniform(key, c * beams + b, 8 + s) > SHEER_RETURNS:
                        continue
                    if surface == FOLIAGE:
                        enter -= LEAF_DEPTH * np.log(1 - uniform(key, c * beams + b, 8 + n))
                        cos_i = 0.6
                        if enter >= leave:
                            continue
                    if counted[n] and stamp[c, b] != n:
                        stamp[c, b] = n
                        rays[n] += 1
                    if enter < range_image[c, b]:
                        range_image[c, b], cosine[c, b], owner[c, b], reflectance[c, b] = enter, cos_i, n, shine


@njit(cache=True)
def receive(
    azimuth, elevation, range_image, cosine, owner, reflectance, max_range, noise, dropout, key, seen, points, source
):
    """What the sensor reports: returns too weak for their range are lost, the others get noise and an intensity.

    Args:
        seen: (M,) number of rays that meet each object first, written in place.
        points: (C * B, 4) x, y, z [m] to a millimeter and intensity in 0..1 to a hundredth, written in place.
        source: (C * B,) the object that each point is of, or `GROUND`, written in place.

    Returns:
        int: number of points.
    """
    columns, beams = range_image.shape
    cos_e, sin_e = np.cos(elevation), np.sin(elevation)
    count = 0
    for c in range(columns):
        cos_a, sin_a = np.cos(azimuth[c]), np.sin(azimuth[c])
        for b in range(beams):
            if owner[c, b] == NOTHING:
                continue
            if owner[c, b] >= 0:
                seen[owner[c, b]] += 1
            ray = c * beams + b
            distance = range_image[c, b]
            power = reflectance[c, b] * (0.25 + 0.75 * cosine[c, b])
            # Soft threshold: a white wall is seen to the maximum range, black paint at a slant to some tens of meters.
            chance = (1 - dropout) * min(1.0, np.sqrt(power / (0.05 + (distance / 55.0) ** 2 * 0.12)))
            if distance > max_range or uniform(key, ray, 1) >= chance:
                continue
            distance += noise * bell(key, ray, 2)
            intensity = power * (0.95 + 0.8 * uniform(key, ray, 3)) * min(1.0, 0.6 + 8.0 / distance)
            flat = distance * cos_e[b]
            points[count, 0] = np.floor(flat * cos_a * 1000 + 0.5) * 0.001
            points[count, 1] = np.floor(flat * sin_a * 1000 + 0.5) * 0.001
            points[count, 2] = np.floor(distance * sin_e[b] * 1000 + 0.5) * 0.001
            points[count, 3] = np.floor(min(max(intensity, 0.0), 0.99) * 100 + 0.5) * 0.01
            source[count] = owner[c, b]
            count += 1
    return count
