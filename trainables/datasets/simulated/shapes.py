"""What the simulated world is built of: templates of a few convex solids each, made to be ray-cast.

Every solid is either a convex polyhedron (planes n . x <= d) or the image of a unit ball or unit cylinder under an
affine map, so one 3 x 3 matrix per solid is all that a ray needs. Templates are drawn in meters on a nominal box
(x forward, y left, z up, origin at the bottom center) and stored relative to it; an object scales its template to its
own length, width and height. Nominal sizes are the class means of KITTI's labels.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

HULL, BALL, TUBE = 0, 1, 2
# What a ray does when it meets the surface: stops; stops or goes on (glass, spokes); stops at some depth (leaves).
SOLID, SHEER, FOLIAGE = 0, 1, 2
PAINT = -1.0  # reflectance is the object's own

Point = tuple[float, float, float]


@dataclass
class Solid:
    """One convex solid in meters: planes (P, 4), or `to_unit` (3, 3) and `center` (3,); `low`, `high` bound it."""

    kind: int
    low: np.ndarray
    high: np.ndarray
    surface: int = SOLID
    reflectance: float = PAINT
    planes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    to_unit: np.ndarray = field(default_factory=lambda: np.eye(3))
    center: np.ndarray = field(default_factory=lambda: np.zeros(3))


def ball(center: Point, semi_axes: Point, surface: int = SOLID, reflectance: float = PAINT) -> Solid:
    """An ellipsoid along the axes."""
    c, s = np.array(center), np.array(semi_axes)
    return Solid(BALL, c - s, c + s, surface, reflectance, to_unit=np.diag(1 / s), center=c)


def tube(start: Point, end: Point, radius: float, surface: int = SOLID, reflectance: float = PAINT) -> Solid:
    """A closed circular cylinder between two points."""
    a, b = np.array(start), np.array(end)
    half, axis = np.linalg.norm(b - a) / 2, (b - a) / np.linalg.norm(b - a)
    side = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    side /= np.linalg.norm(side)
    to_unit = np.stack([side / radius, np.cross(axis, side) / radius, axis / half])
    reach = half * np.abs(axis) + radius * np.sqrt(np.maximum(0, 1 - axis**2))
    c = (a + b) / 2
    return Solid(TUBE, c - reach, c + reach, surface, reflectance, to_unit=to_unit, center=c)


def hull(
    profile: list[tuple[float, float]],
    half_width: float,
    lean: float = 0.0,
    corner: float = 0.0,
    surface: int = SOLID,
    reflectance: float = PAINT,
) -> Solid:
    """A convex side view (x, z), counter-clockwise, given a width.

    Args:
        profile: corners (x, z) [m].
        half_width: half the width at the lowest corner [m].
        lean: how far each side leans inwards per meter of height.
        corner: how much of each vertical edge is cut off at 45 degrees [m].
    """
    p = np.array(profile)
    step = np.roll(p, -1, axis=0) - p
    normal = np.stack([step[:, 1], np.zeros(len(p)), -step[:, 0]], 1) / np.linalg.norm(step, axis=1, keepdims=True)
    planes = [np.append(n, n[0] * q[0] + n[2] * q[1]) for n, q in zip(normal, p, strict=True)]
    low, high = p.min(0), p.max(0)
    steep = np.hypot(1, lean)
    planes += [np.array([0, s, lean, half_width + lean * low[1]]) / steep for s in (1, -1)]
    if corner > 0:
        for front, x in ((1, high[0]), (-1, -low[0])):
            planes += [np.array([front, s, 0, x + half_width - corner]) / np.sqrt(2) for s in (1, -1)]
    bounds = np.array([low[0], -half_width, low[1]]), np.array([high[0], half_width, high[1]])
    return Solid(HULL, *bounds, surface, reflectance, planes=np.array(planes))


def block(low: Point, high: Point, surface: int = SOLID, reflectance: float = PAINT) -> Solid:
    """A box along the axes, symmetric in y."""
    (x0, _, z0), (x1, y1, z1) = low, high
    return hull([(x0, z0), (x1, z0), (x1, z1), (x0, z1)], y1, surface=surface, reflectance=reflectance)


def car(cabin: list[tuple[float, float]], bonnet: float) -> list[Solid]:
    """A car of 3.9 x 1.6 x 1.56 m: body, cabin of glass with a roof, seats behind the glass, four wheels."""
    body = [(-1.8, 0.26), (1.82, 0.24), (1.95, 0.4), (1.93, 0.66), (bonnet, 0.95), (-1.88, 0.97), (-1.95, 0.5)]
    roof = [(x, z) for x, z in cabin if z > 1.4]
    front, back = max(x for x, _ in roof), min(x for x, _ in roof)
    wheels = [
        tube((x, y, 0.32), (x, np.sign(y) * 0.79, 0.32), 0.32, reflectance=0.05)
        for x in (-1.22, 1.22)
        for y in (-0.58, 0.58)
    ]
    return [
        hull(body, 0.8, lean=0.06, corner=0.22),
        hull(cabin, 0.72, lean=0.28, surface=SHEER, reflectance=0.1),
        hull([(back - 0.05, 1.47), (front + 0.05, 1.47), (front, 1.56), (back, 1.56)], 0.58, lean=0.5),
        block((-0.95, -0.6, 0.6), (-0.7, 0.6, 1.25), reflectance=0.12),
        block((0.1, -0.6, 0.6), (0.35, 0.6, 1.3), reflectance=0.12),
        *wheels,
    ]


def van() -> list[Solid]:
    """A van of 5.1 x 1.9 x 2.2 m."""
    body = [(-2.5, 0.3), (2.45, 0.28), (2.55, 0.5), (2.5, 0.95), (1.75, 1.15), (-2.55, 1.15)]
    cargo = [(-2.55, 1.15), (0.85, 1.15), (0.75, 2.1), (0.6, 2.2), (-2.4, 2.2), (-2.52, 2.0)]
    cab = [(0.8, 1.15), (1.75, 1.15), (1.05, 2.08), (0.8, 2.1)]
    wheels = [
        tube((x, y, 0.35), (x, np.sign(y) * 0.94, 0.35), 0.35, reflectance=0.05)
        for x in (-1.6, 1.6)
        for y in (-0.7, 0.7)
    ]
    return [
        hull(body, 0.95, corner=0.2),
        hull(cargo, 0.95, lean=0.08),
        hull(cab, 0.9, lean=0.1, surface=SHEER, reflectance=0.1),
        block((0.85, -0.7, 0.9), (1.1, 0.7, 1.7), reflectance=0.12),
        *wheels,
    ]


def pedestrian(stride: float, swing: float) -> list[Solid]:
    """A person in a box of 0.8 x 0.6 x 1.73 m; stride and swing are half the reach of feet and hands [m]."""
    legs = [tube((s * stride, s * 0.1, 0.04), (0, s * 0.1, 0.85), 0.085) for s in (1, -1)]
    arms = [tube((-s * swing, s * 0.225, 0.85), (0, s * 0.2, 1.38), 0.06) for s in (1, -1)]
    torso = ball((0, 0, 1.13), (0.17, 0.24, 0.37))
    return [torso, *legs, *arms, ball((0.02, 0, 1.6), (0.1, 0.085, 0.13), reflectance=0.35)]


def cyclist(crouch: float) -> list[Solid]:
    """A rider on a bicycle in a box of 1.76 x 0.6 x 1.73 m; crouch is how far the head leans forward [m]."""
    wheels = [tube((x, -0.025, 0.34), (x, 0.025, 0.34), 0.34, SHEER, 0.1) for x in (-0.53, 0.53)]
    frame = [tube((-0.53, 0, 0.34), (0.42, 0, 0.8), 0.03), tube((0.53, 0, 0.34), (0.4, 0, 1.02), 0.03)]
    bar = tube((0.38, -0.27, 1.02), (0.38, 0.27, 1.02), 0.025)
    legs = [tube((0.05 + s * 0.12, s * 0.11, 0.3 + 0.08 * s), (-0.15, s * 0.1, 0.95), 0.09) for s in (1, -1)]
    arms = [tube((0.36, s * 0.22, 1.04), (crouch - 0.12, s * 0.2, 1.35), 0.06) for s in (1, -1)]
    torso = [tube((-0.2, 0, 0.9), (crouch - 0.12, 0, 1.3), 0.19), ball((crouch - 0.1, 0, 1.3), (0.16, 0.24, 0.18))]
    return [*torso, *legs, *wheels, *frame, bar, *arms, ball((crouch, 0, 1.6), (0.11, 0.09, 0.13), reflectance=0.35)]


HATCHBACK = [(-1.85, 0.95), (0.98, 0.95), (0.25, 1.5), (-1.35, 1.52), (-1.6, 1.42)]
SEDAN = [(-1.45, 0.95), (0.9, 0.95), (0.2, 1.5), (-0.75, 1.51)]
ESTATE = [(-1.88, 0.95), (0.95, 0.95), (0.22, 1.5), (-1.55, 1.5)]

# Name: nominal (length, width, height) [m] and solids. An object picks one of the names that begin with its class.
TEMPLATES: dict[str, tuple[Point, list[Solid]]] = {
    "Car hatchback": ((3.9, 1.6, 1.56), car(HATCHBACK, 0.95)),
    "Car sedan": ((3.9, 1.6, 1.56), car(SEDAN, 0.88)),
    "Car estate": ((3.9, 1.6, 1.56), car(ESTATE, 0.92)),
    "Van": ((5.1, 1.9, 2.2), van()),
    "Pedestrian walking": ((0.8, 0.6, 1.73), pedestrian(0.3, 0.22)),
    "Pedestrian strolling": ((0.65, 0.6, 1.73), pedestrian(0.18, 0.1)),
    "Pedestrian standing": ((0.5, 0.6, 1.73), pedestrian(0.06, 0.04)),
    "Cyclist upright": ((1.76, 0.6, 1.73), cyclist(0.05)),
    "Cyclist sporty": ((1.76, 0.6, 1.73), cyclist(0.22)),
    "wall": ((1, 1, 1), [block((-0.5, -0.5, 0), (0.5, 0.5, 1))]),
    "hedge": ((1, 1, 1), [block((-0.5, -0.5, 0), (0.5, 0.5, 1), FOLIAGE)]),
    "pole": ((0.16, 0.16, 5), [tube((0, 0, 0), (0, 0, 5), 0.08)]),
    "sign": (
        (0.6, 0.6, 2.6),
        [tube((0, 0, 0), (0, 0, 2.6), 0.04), tube((-0.02, 0, 2.3), (0.02, 0, 2.3), 0.3, reflectance=0.95)],
    ),
    "tree": (
        (5, 5, 8),
        [tube((0, 0, 0), (0, 0, 3), 0.18, reflectance=0.2), ball((0, 0, 4.9), (2.5, 2.5, 3.1), FOLIAGE)],
    ),
    "bush": ((2, 2, 1.4), [ball((0, 0, 0.6), (1, 1, 0.8), FOLIAGE)]),
}
NAMES = tuple(TEMPLATES)


class Shapes(NamedTuple):
    """All templates as arrays for the compiled ray caster (T templates, S solids, P planes).

    Attributes:
        first: (T + 1,) the solids of template t are first[t] .. first[t + 1].
        solids: (S, 5) kind, surface, reflectance, first plane, plane after the last.
        unit: (S, 12) the map to the unit ball or tube, of coordinates relative to the box: matrix by rows, then center.
        bounds: (S, 6) low and high corner, relative to the box.
        planes: (P, 4) normal and distance, relative to the box.
    """

    first: np.ndarray
    solids: np.ndarray
    unit: np.ndarray
    bounds: np.ndarray
    planes: np.ndarray


def flatten(templates: dict[str, tuple[Point, list[Solid]]]) -> Shapes:
    """Templates as arrays, in their order."""
    first: list[int] = [0]
    solids: list[list[float]] = []
    unit: list[list[float]] = []
    bounds: list[list[float]] = []
    planes: list[list[float]] = []
    for nominal, parts in templates.values():
        size = np.array(nominal)
        for part in parts:
            solids.append([part.kind, part.surface, part.reflectance, len(planes), len(planes) + len(part.planes)])
            unit.append([*(part.to_unit * size).ravel(), *(part.center / size)])
            bounds.append([*(part.low / size), *(part.high / size)])
            planes += [[*(row[:3] * size), row[3]] for row in part.planes]
        first.append(len(solids))
    return Shapes(np.array(first), np.array(solids, float), np.array(unit), np.array(bounds), np.array(planes))


SHAPES = flatten(TEMPLATES)
