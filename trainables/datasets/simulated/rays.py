"""The spinning LiDAR: every ray of a turn against all objects, then what of it comes back.

Objects are drawn one after the other into a range image of (columns, beams), nearest wins, and only over the columns
and beams that their solids can reach, which is what makes a turn of 133,000 rays cheap.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trainables.datasets.simulated.chance import bell, uniform
from trainables.datasets.simulated.ground import NOTHING
from trainables.datasets.simulated.meeting import meet_hull, meet_quadric
from trainables.datasets.simulated.placing import Placed, Pose, Window, place, window_of
from trainables.datasets.simulated.shapes import BALL, FOLIAGE, HULL, SHEER, Shapes

Floats = NDArray[np.floating]
Singles = NDArray[np.float32]
Numbers = NDArray[np.int32]

SHEER_RETURNS = 0.4  # share of the rays that glass or spokes send back
LEAF_DEPTH = 1.0  # mean way of a ray into leaves [m]


class Rays(NamedTuple):
    """The rays of a turn: C columns of B beams each.

    Attributes:
        azimuth: (C,) [rad], rising.
        elevation: (B,) [rad], from the highest down.
        period: how many columns make a whole turn.
        key: hash key of the turn's random numbers.
    """

    azimuth: Floats
    elevation: Floats
    period: int
    key: int


class RangeImage(NamedTuple):
    """What every ray meets first; arrays of (C, B) that casting writes.

    Attributes:
        distance: [m], infinite where nothing is met.
        cosine: of the angle of incidence.
        owner: number of the object, `GROUND` or `NOTHING`.
        reflectance: of the surface, 0..1.
        stamp: the last counted object that the ray met, hidden or not.
    """

    distance: Singles
    cosine: Singles
    owner: Numbers
    reflectance: Singles
    stamp: Numbers


class Directions(NamedTuple):
    """Cosines and sines of the columns (C,) and of the beams (B,)."""

    cos_a: Floats
    sin_a: Floats
    cos_e: Floats
    sin_e: Floats


@njit(cache=True, inline="always")
def sent_back(
    surface: int, enter: float, leave: float, cosine: float, key: int, ray: int, of_solid: int, of_object: int
) -> tuple[float, float]:
    """How far along a ray a surface sends it back [m], and the cosine of its incidence; 0 m where it does not.

    Args:
        enter, leave: where the ray meets the solid and where it would leave it [m].
        key, ray, of_solid, of_object: what its random numbers hang on.
    """
    if enter <= 0.5 or (surface == SHEER and uniform(key, ray, of_solid) > SHEER_RETURNS):
        return 0.0, 0.0
    if surface == FOLIAGE:
        enter, cosine = enter - LEAF_DEPTH * np.log(1 - uniform(key, ray, of_object)), 0.6
        if enter >= leave:
            return 0.0, 0.0
    return enter, cosine


@njit(cache=True)
def draw_solid(
    solid: Placed, window: Window, number: int, counted: bool, rays: Rays, directions: Directions, image: RangeImage
) -> int:
    """Draw a solid of object `number`; how many rays met that object for the first time, where it is `counted`."""
    kind, surface, shine, chance, planes, to_unit, sensor = solid
    cos_a, sin_a, cos_e, sin_e = directions
    distance, cosine, owner, reflectance, stamp = image
    columns, beams = distance.shape
    met = 0
    for k in range(window.columns):
        c = (window.first_column + k) % rays.period
        if c >= columns:
            continue
        for b in range(window.first_beam, window.after_last_beam):
            if distance[c, b] < window.near and not counted:
                continue
            dx, dy, dz = cos_e[b] * cos_a[c], cos_e[b] * sin_a[c], sin_e[b]
            if kind == HULL:
                enter, leave, incidence = meet_hull(planes, dx, dy, dz)
            else:
                enter, leave, incidence = meet_quadric(to_unit, sensor, dx, dy, dz, kind == BALL)
            ray = c * beams + b
            away, incidence = sent_back(surface, enter, leave, incidence, rays.key, ray, chance, 8 + number)
            if away <= 0:
                continue
            if counted and stamp[c, b] != number:
                stamp[c, b] = number
                met += 1
            if away < distance[c, b]:
                distance[c, b], cosine[c, b], owner[c, b], reflectance[c, b] = away, incidence, number, shine
    return met


@njit(cache=True)
def cast_objects(
    objects: Floats, counted: NDArray[np.bool_], shapes: Shapes, rays: Rays, image: RangeImage, alone: NDArray[np.int64]
) -> None:
    """Draw the objects into the range image and count, for those that are `counted`, the rays that meet them at all.

    Args:
        objects: (M, 9) template, x, y, z of the bottom center [m], length, width, height [m], yaw [rad], reflectance.
        counted: (M,) whether hidden rays matter (labeled objects); the others are skipped where something is nearer.
        shapes: the templates.
        rays: of the turn.
        image: written in place.
        alone: (M,) number of rays that would return from the object if nothing stood before it, written in place.
    """
    directions = Directions(np.cos(rays.azimuth), np.sin(rays.azimuth), np.cos(rays.elevation), np.sin(rays.elevation))
    for n in range(objects.shape[0]):
        template, x, y, z = int(objects[n, 0]), objects[n, 1], objects[n, 2], objects[n, 3]
        pose = Pose(x, y, z, np.cos(objects[n, 7]), np.sin(objects[n, 7]), objects[n, 4:7])
        for s in range(shapes.first[template], shapes.first[template + 1]):
            window = window_of(shapes.bounds[s], pose, rays.azimuth, rays.elevation, rays.period)
            if window.columns > 0 and window.first_beam < window.after_last_beam:
                solid = place(shapes, s, pose, objects[n, 8])
                alone[n] += draw_solid(solid, window, n, counted[n], rays, directions, image)


@njit(cache=True)
def receive(
    rays: Rays, image: RangeImage, max_range: float, noise: float, dropout: float,
    seen: NDArray[np.int64], points: Singles, source: Numbers, beam: Numbers,
) -> int:  # fmt: skip
    """What the sensor reports: returns too weak for their range are lost, the others get noise and an intensity.

    Args:
        rays: of the turn.
        image: what they meet.
        max_range: [m].
        noise: standard deviation of a range [m].
        dropout: share of the returns that are lost whatever their power.
        seen: (M,) number of rays that meet each object first, written in place.
        points: (C * B, 4) x, y, z [m] to a millimeter and intensity in 0..1 to a hundredth, written in place.
        source: (C * B,) the object that each point is of, or `GROUND`, written in place.
        beam: (C * B,) the beam that each point is of, 0 the highest, written in place.

    Returns:
        int: number of points.
    """
    range_image, cosine, owner, reflectance, _ = image
    azimuth, elevation, _, key = rays
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
            source[count], beam[count] = owner[c, b], b
            count += 1
    return count
