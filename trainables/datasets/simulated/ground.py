"""The ground as a height field: tilted, bumpy, with sidewalks and grass, and the rays of a turn against it.

Each column of the range image walks outward along the ground once and hands out its beams from the steepest up, which
costs some 70 heights a column instead of a search for every ray.
"""

import numpy as np
from numba import njit

from trainables.datasets.simulated.chance import uniform

NOTHING, GROUND = -2, -1  # owners of a ray that are not objects
GRASS_HEIGHT = 0.1  # longest blades [m]


@njit(cache=True, inline="always")
def off_road(x: float, y: float, ground: np.ndarray) -> float:
    """How far from the road's edge a place lies [m]; 0 on the road."""
    t = -ground[4] * x + ground[3] * y
    return max(0.0, t - ground[5], ground[6] - t)


@njit(cache=True)
def ground_height(x: float, y: float, ground: np.ndarray, bumps: np.ndarray) -> float:
    """Height of the ground [m] at (x, y) in the LiDAR frame.

    Args:
        ground: (12,) height below the sensor, slopes along x and y, cosine and sine of the street's heading, where the
            road ends on the left and right [m], height of the sidewalk [m], size of a cell of `bumps` [m], how far from
            the road grass begins [m], and where on the grid of `bumps` the sensor is, x and y [m].
        bumps: (n, n) heights [m] on a grid along x and y, repeated endlessly; n is a power of two.
    """
    z = ground[0] + ground[1] * x + ground[2] * y
    z += ground[7] * min(1.0, off_road(x, y, ground) / 0.3)
    n = bumps.shape[0]
    u, v = (x + ground[10]) / ground[8], (y + ground[11]) / ground[8]
    i, j = int(np.floor(u)), int(np.floor(v))
    u, v = u - i, v - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    k, m = (i + 1) & (n - 1), (j + 1) & (n - 1)
    i, j = i & (n - 1), j & (n - 1)
    return z + (bumps[i, j] * (1 - u) + bumps[k, j] * u) * (1 - v) + (bumps[i, m] * (1 - u) + bumps[k, m] * u) * v


@njit(cache=True)
def cast_ground(azimuth, elevation, max_range, ground, bumps, key, range_image, cosine, owner) -> None:
    """Fill the range image (C columns, B beams): first crossing of each ray with the ground, exact on bare planes."""
    beams = elevation.shape[0]
    slopes, secant = np.tan(elevation), 1 / np.cos(elevation)
    nearest = max(0.5, 0.7 * ground[0] / slopes[-1])  # bumps are too small to meet a beam before this
    for c in range(azimuth.shape[0]):
        cos_a, sin_a = np.cos(azimuth[c]), np.sin(azimuth[c])
        r0, z0 = 0.0, ground[0]
        r1, beam = nearest, beams - 1  # beams are sorted from the highest down
        while beam >= 0 and r0 < max_range:
            z1 = ground_height(r1 * cos_a, r1 * sin_a, ground, bumps)
            rise = (z1 - z0) / (r1 - r0)
            while beam >= 0 and slopes[beam] * r1 <= z1:
                meet = (z0 - rise * r0) / (slopes[beam] - rise)
                meet = min(max(meet, r0), r1)
                if off_road(meet * cos_a, meet * sin_a, ground) > ground[9]:
                    blade = GRASS_HEIGHT * uniform(key, c * beams + beam, 4) ** 2
                    meet = max(0.9 * meet, meet - blade / (rise - slopes[beam]))
                distance = meet * secant[beam]
                if distance < max_range:
                    range_image[c, beam] = distance
                    cosine[c, beam] = (rise - slopes[beam]) / np.sqrt((1 + rise**2) * (1 + slopes[beam] ** 2))
                    owner[c, beam] = GROUND
                beam -= 1
            r0, z0, r1 = r1, z1, r1 * 1.06
