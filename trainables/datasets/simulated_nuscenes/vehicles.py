"""What drives and stands on the simulated drives: templates of the ten classes, beside those of every street.

Nominal sizes are in the proportions of nuScenes' class means; an object scales its template to its own size.
"""

from dataclasses import dataclass

from trainables.datasets.simulated.shapes import (
    SHEER,
    TEMPLATES,
    Point,
    Solid,
    ball,
    block,
    flatten,
    hull,
    tube,
)


def wheels(radius: float, half_track: float, *along: float) -> list[Solid]:
    """A pair of wheels at each place along a vehicle."""
    return [
        tube((x, side * (half_track - 0.28), radius), (x, side * half_track, radius), radius, reflectance=0.05)
        for x in along
        for side in (1, -1)
    ]


def truck() -> list[Solid]:
    """A box truck of 7.2 x 2.5 x 3 m: cab with a windshield, box, chassis, six wheels."""
    cab = [(2.1, 0.45), (3.55, 0.45), (3.6, 1.3), (2.1, 1.3)]
    windows = [(2.1, 1.3), (3.6, 1.3), (3.3, 2.2), (2.1, 2.2)]
    return [
        hull(cab, 1.15, corner=0.15),
        hull(windows, 1.12, lean=0.05, surface=SHEER, reflectance=0.1),
        hull([(2.1, 2.15), (3.3, 2.15), (3.0, 2.45), (2.1, 2.45)], 1.05),
        block((2.15, -1.0, 1.0), (2.4, 1.0, 1.9), reflectance=0.12),
        block((-3.6, -1.25, 0.9), (1.95, 1.25, 3.0)),
        block((-3.5, -0.5, 0.55), (2.2, 0.5, 0.9), reflectance=0.1),
        *wheels(0.48, 1.2, 2.7, -1.8, -2.8),
    ]


def bus() -> list[Solid]:
    """A bus of 11.1 x 2.9 x 3.5 m with a band of windows and rows of seats behind it."""
    seats = [block((x, -1.2, 0.9), (x + 0.3, 1.2, 1.8), reflectance=0.15) for x in (-4.0, -2.0, 0.0, 2.0, 4.0)]
    return [
        hull([(-5.5, 0.35), (5.5, 0.35), (5.55, 1.35), (-5.55, 1.35)], 1.45, corner=0.2),
        hull([(-5.5, 1.35), (5.55, 1.35), (5.4, 2.6), (-5.5, 2.6)], 1.42, surface=SHEER, reflectance=0.1),
        hull([(-5.5, 2.6), (5.4, 2.6), (5.2, 3.5), (-5.4, 3.5)], 1.42, lean=0.2),
        *seats,
        *wheels(0.5, 1.42, 3.2, -3.0),
    ]


def trailer() -> list[Solid]:
    """A trailer of 12 x 2.9 x 3.8 m: a long box on three axles at its rear and a pair of legs."""
    legs = [tube((3.5, side * 0.9, 0), (3.5, side * 0.9, 1.1), 0.09, reflectance=0.2) for side in (1, -1)]
    return [
        block((-6.0, -1.43, 1.15), (6.0, 1.43, 3.82)),
        block((-5.6, -0.6, 0.8), (5.6, 0.6, 1.15), reflectance=0.1),
        *legs,
        *wheels(0.52, 1.38, -2.6, -3.8, -5.0),
    ]


def excavator() -> list[Solid]:
    """An excavator of 6.4 x 2.9 x 3.2 m: tracks, engine, cab, and a bent arm with its bucket ahead."""
    return [
        hull([(-2.3, 0.0), (1.3, 0.0), (1.7, 0.5), (1.4, 0.9), (-2.6, 0.9), (-2.8, 0.5)], 1.43, reflectance=0.12),
        hull([(-3.2, 1.1), (0.4, 1.1), (0.4, 2.1), (-3.0, 2.1)], 1.3, corner=0.25),
        hull([(-0.6, 1.1), (0.9, 1.1), (0.8, 2.9), (-0.5, 3.0)], 0.75, surface=SHEER, reflectance=0.12),
        block((-0.4, -0.4, 1.1), (0.1, 0.4, 2.0), reflectance=0.15),
        block((-0.55, -0.72, 2.95), (0.75, 0.72, 3.05)),
        tube((0.6, 0, 1.6), (2.2, 0, 3.0), 0.2),
        tube((2.1, 0, 3.0), (2.85, 0, 1.0), 0.16),
        hull([(2.5, 0.3), (3.2, 0.1), (3.2, 0.9), (2.7, 1.1)], 0.6, reflectance=0.2),
    ]


def bicycle() -> list[Solid]:
    """A bicycle of 1.7 x 0.6 x 1.08 m without a rider."""
    rings = [tube((x, -0.03, 0.34), (x, 0.03, 0.34), 0.34, SHEER, 0.15) for x in (-0.51, 0.51)]
    frame = [
        tube((-0.51, 0, 0.34), (-0.05, 0, 0.3), 0.035),
        tube((-0.05, 0, 0.3), (-0.2, 0, 0.92), 0.035),
        tube((-0.15, 0, 0.75), (0.38, 0, 0.8), 0.035),
        tube((0.51, 0, 0.34), (0.36, 0, 1.0), 0.035),
        tube((0.34, -0.3, 1.04), (0.34, 0.3, 1.04), 0.03),
    ]
    return [*rings, *frame, ball((-0.22, 0, 0.97), (0.14, 0.08, 0.05), reflectance=0.15)]


def motorcycle(ridden: bool) -> list[Solid]:
    """A motorcycle of 2.1 x 0.8 x 1.2 m, or 1.65 m high with its rider."""
    parts = [
        *[tube((x, -0.07, 0.32), (x, 0.07, 0.32), 0.32, reflectance=0.08) for x in (-0.72, 0.73)],
        hull([(-0.45, 0.28), (0.4, 0.28), (0.5, 0.75), (-0.5, 0.75)], 0.17, reflectance=0.3),
        ball((0.15, 0, 0.85), (0.32, 0.17, 0.15)),
        ball((-0.5, 0, 0.85), (0.45, 0.15, 0.09), reflectance=0.12),
        tube((0.73, 0, 0.32), (0.5, 0, 1.0), 0.06),
        tube((0.48, -0.39, 1.04), (0.48, 0.39, 1.04), 0.03),
        ball((0.58, 0, 0.95), (0.12, 0.13, 0.22), reflectance=0.4),
    ]
    if not ridden:
        return parts
    return [
        *parts,
        *[tube((0.1, side * 0.2, 0.35), (-0.3, side * 0.12, 0.9), 0.1) for side in (1, -1)],
        *[tube((0.42, side * 0.3, 1.06), (-0.02, side * 0.2, 1.3), 0.065) for side in (1, -1)],
        tube((-0.32, 0, 0.85), (-0.08, 0, 1.3), 0.19),
        ball((-0.05, 0, 1.3), (0.17, 0.25, 0.17)),
        ball((0.05, 0, 1.52), (0.14, 0.12, 0.14), reflectance=0.35),
    ]


def cone() -> list[Solid]:
    """A traffic cone of 0.4 x 0.4 x 1.06 m."""
    side = [(-0.16, 0.05), (0.16, 0.05), (0.03, 1.06), (-0.03, 1.06)]
    return [block((-0.2, -0.2, 0), (0.2, 0.2, 0.06), reflectance=0.1), hull(side, 0.16, lean=0.13, reflectance=0.75)]


def barrier() -> list[Solid]:
    """A concrete barrier, 0.49 m through, 2.49 m wide and 0.98 m high."""
    return [hull([(-0.245, 0), (0.245, 0), (0.245, 0.1), (0.08, 0.98), (-0.08, 0.98), (-0.245, 0.1)], 1.245)]


ALL_TEMPLATES: dict[str, tuple[Point, list[Solid]]] = {
    **TEMPLATES,
    "truck": ((7.2, 2.5, 3.0), truck()),
    "bus": ((11.1, 2.9, 3.5), bus()),
    "trailer": ((12.0, 2.86, 3.82), trailer()),
    "excavator": ((6.4, 2.86, 3.2), excavator()),
    "bicycle": ((1.7, 0.62, 1.08), bicycle()),
    "motorcycle": ((2.1, 0.84, 1.2), motorcycle(ridden=False)),
    "motorcyclist": ((2.1, 0.84, 1.67), motorcycle(ridden=True)),
    "cone": ((0.4, 0.4, 1.06), cone()),
    "barrier": ((0.49, 2.49, 0.98), barrier()),
}
ALL_NAMES = tuple(ALL_TEMPLATES)
ALL_SHAPES = flatten(ALL_TEMPLATES)

Size = tuple[float, float, float]


@dataclass(frozen=True)
class Kind:
    """One of the ten classes.

    Attributes:
        category: its name in the tables.
        makes: template, and mean length, width, height [m] of objects of that template.
        spread: standard deviation of a size, as a share of it.
    """

    category: str
    makes: tuple[tuple[str, Size], ...]
    spread: float = 0.06


CAR, ON_FOOT = (4.61, 1.95, 1.72), (0.73, 0.66, 1.76)
KINDS = {
    "car": Kind("vehicle.car", tuple((f"Car {body}", CAR) for body in ("hatchback", "sedan", "estate"))),
    "truck": Kind("vehicle.truck", (("truck", (7.3, 2.55, 3.0)), ("Van", (5.9, 2.2, 2.4)))),
    "trailer": Kind("vehicle.trailer", (("trailer", (12.0, 2.87, 3.82)),)),
    "bus": Kind("vehicle.bus.rigid", (("bus", (11.1, 2.9, 3.5)),)),
    "construction_vehicle": Kind("vehicle.construction", (("excavator", (6.4, 2.85, 3.2)),)),
    "bicycle": Kind(
        "vehicle.bicycle",
        (("bicycle", (1.68, 0.6, 1.06)), ("Cyclist upright", (1.72, 0.6, 1.7)), ("Cyclist sporty", (1.72, 0.6, 1.7))),
    ),
    "motorcycle": Kind("vehicle.motorcycle", (("motorcycle", (2.1, 0.8, 1.2)), ("motorcyclist", (2.1, 0.8, 1.65)))),
    "pedestrian": Kind(
        "human.pedestrian.adult",
        tuple((f"Pedestrian {gait}", ON_FOOT) for gait in ("walking", "strolling", "standing")),
    ),
    "traffic_cone": Kind("movable_object.trafficcone", (("cone", (0.4, 0.4, 1.06)),), spread=0.03),
    "barrier": Kind("movable_object.barrier", (("barrier", (0.49, 2.49, 0.98)),), spread=0.03),
}
"""The ten classes of the detection benchmark. Sizes are means of its labels."""
