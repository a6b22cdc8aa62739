"""Where things stand: a straight street with parked rows, driving lanes, sidewalks, house fronts and a side street.

Everything is placed in the street's own frame (s along it, t to the left, the sensor at the origin in its lane) and
turned by the street's heading at the end. Sizes are normal around KITTI's class means. Where a place is taken another
is tried, a few times, so the numbers of the spec are upper means.
"""

import math
from dataclasses import dataclass

import numpy as np

from trainables.datasets.simulated.ground import ground_height
from trainables.datasets.simulated.shapes import NAMES, SHAPES, Shapes
from trainables.datasets.simulated.simulation_spec import SimulationSpec

# Length, width, height [m]: mean and standard deviation in KITTI's labels.
SIZES = {
    "Car": ((3.9, 1.62, 1.53), (0.4, 0.09, 0.12)),
    "Van": ((5.0, 1.9, 2.2), (0.5, 0.14, 0.28)),
    "Pedestrian": ((0.82, 0.64, 1.75), (0.18, 0.11, 0.1)),
    "Cyclist": ((1.76, 0.6, 1.73), (0.14, 0.1, 0.09)),
}
CLASSES = tuple(SIZES)
# Share of the spec's number of trees or of poles, and length, width, height [m].
FURNITURE = {
    "tree": (0.6, (5.0, 5.0, 8.0)),
    "bush": (0.4, (2.0, 2.0, 1.4)),
    "pole": (0.6, (0.16, 0.16, 5.0)),
    "sign": (0.4, (0.6, 0.6, 2.6)),
}
TRIES = 6
END_FRONTS = 6  # houses and hedges across each end of the street, with gaps

Place = tuple[float, float, float]  # s [m], t [m], yaw [rad] in the street's frame


@dataclass(frozen=True)
class Scene:
    """All that is cast.

    Attributes:
        names: class of each object; the M labeled ones first, then walls, trees and poles.
        objects: (M + rest, 9) as `rays.cast_objects` takes them.
        labeled: M.
        ground, bumps: as `ground.ground_height` takes them.
        shapes: the templates that `objects` counts.
    """

    names: tuple[str, ...]
    objects: np.ndarray
    labeled: int
    ground: np.ndarray
    bumps: np.ndarray
    shapes: Shapes = SHAPES


class Street:
    """One random street; draws places and remembers which are taken."""

    def __init__(self, extent_m: float, rng: np.random.Generator) -> None:
        self.rng, self.extent = rng, extent_m
        self.heading = float(rng.normal(0, 0.05 if rng.random() < 0.85 else 0.3))
        lane = float(rng.uniform(1.6, 2.0))
        self.oncoming = 2 * lane
        openness = float(rng.random())  # from a narrow street of parked cars to open country
        self.parks = rng.random(2) < 0.95 - 0.5 * openness  # a row on the right, on the left
        self.slanted = rng.random(2) < 0.2  # parked across the street instead of along it
        depth = np.where(self.slanted, 4.8, 2.2) * self.parks
        self.road = (-lane - 0.3 - depth[0], self.oncoming + lane + 0.3 + depth[1])
        self.walk = float(rng.uniform(1.8, 4.0))
        self.setback = rng.gamma(1.2, 1.5 + 14 * openness**1.5, 2)  # garden between sidewalk and house fronts
        self.lawn = self.walk if rng.random() < 0.1 + 0.6 * openness else math.inf  # grass, or paved
        self.crossing = float(rng.uniform(14, 45)) if rng.random() < 0.6 else math.inf
        self.taken: list[tuple[float, float, float, float]] = [(0.0, 0.0, 3.2, 1.3)]
        self.rows: list[tuple[int, float, float, float, float, float, float, float]] = []

    def along(self) -> float:
        """A place along the street ahead, denser near the sensor."""
        return 4.0 + (self.extent - 4.0) * float(self.rng.random()) ** 1.3

    def car(self) -> Place:
        s, u = self.along(), self.rng.random()
        if u < 0.55 and self.parks.any():
            side = int(self.rng.random() < 0.5) if self.parks.all() else int(self.parks[1])
            t = self.road[side] + (-1 if side else 1) * (2.5 if self.slanted[side] else 1.1)
            if self.slanted[side]:
                turned = (1 if self.rng.random() < 0.5 else -1) * math.pi / 2 + float(self.rng.normal(0, 0.05))
                return round(s / 2.7) * 2.7, t, turned
            s = round(s / 5.6) * 5.6 + float(self.rng.normal(0, 0.3))
            turned = math.pi * (self.rng.random() < (0.8 if side else 0.1))
            return s, t + float(self.rng.normal(0, 0.1)), turned + float(self.rng.normal(0, 0.04))
        if u < 0.85 or self.crossing > self.extent:
            ahead = self.rng.random() < 0.45
            t = (0.0 if ahead else self.oncoming) + float(self.rng.normal(0, 0.25))
            return s, t, (0.0 if ahead else math.pi) + float(self.rng.normal(0, 0.04))
        left = 1 if self.rng.random() < 0.5 else -1
        turned = left * math.pi / 2 + float(self.rng.normal(0, 0.1))
        return self.crossing + 1.8 * left, float(self.rng.uniform(-15, 20)), turned

    def person(self) -> Place:
        u, s = self.rng.random(), self.along()
        if u < 0.15:
            return s, float(self.rng.uniform(*self.road)), float(self.rng.uniform(-math.pi, math.pi))
        side = int(self.rng.random() < 0.5)
        reach = self.walk + (self.setback[side] * 0.6 if u > 0.75 else 0.0)
        out = float(self.rng.uniform(0.3, reach))
        turned = math.pi * (self.rng.random() < 0.5) + float(self.rng.normal(0, 0.35 if u < 0.75 else 2.0))
        return s, self.road[side] + (out if side else -out), turned

    def rider(self) -> Place:
        u, s = self.rng.random(), self.along()
        if u < 0.12 and self.crossing < self.extent:
            t = float(self.rng.uniform(-10, 12))
            turned = math.pi / 2 * (1 if self.rng.random() < 0.5 else -1)
            return self.crossing + float(self.rng.uniform(-3, 3)), t, turned
        side = int(self.rng.random() < 0.5)
        t = (self.oncoming / 2 + self.oncoming * 0.85) if side else -self.oncoming / 2 + 0.4
        if u > 0.65:
            t = self.road[side] + (0.8 if side else -0.8)
        turned = math.pi * (self.rng.random() < (0.85 if side else 0.1))
        return s, t + float(self.rng.normal(0, 0.25)), turned + float(self.rng.normal(0, 0.12))

    def beside(self) -> Place:
        """On the strip between road and house fronts: trees, poles and bushes."""
        side = int(self.rng.random() < 0.5)
        out = 0.4 if self.rng.random() < 0.5 else self.walk + self.setback[side] * float(self.rng.random())
        turned = math.pi * (self.rng.random() < 0.5)
        return 4 + float(self.rng.random()) * self.extent, self.road[side] + (out if side else -out), turned

    def add(
        self,
        name: str,
        place: Place,
        size: tuple[float, float, float],
        reflectance: float,
        margin: float,
        room: tuple[float, float] | None = None,
    ) -> bool:
        """Put an object there unless something stands there already; `room` is the ground it takes, if not its size."""
        s, t, yaw = place
        c, q = abs(math.cos(yaw)), abs(math.sin(yaw))
        length, width = room or size[:2]
        half_s, half_t = (c * length + q * width) / 2 + margin, (q * length + c * width) / 2 + margin
        for a, b, x, y in self.taken:
            if abs(a - s) < x + half_s and abs(b - t) < y + half_t:
                return False
        self.taken.append((s, t, half_s, half_t))
        self.rows.append((NAMES.index(name), s, t, *size, yaw, reflectance))
        return True

    def populate(self, kind: str, mean: float) -> None:
        """Add objects of one class, ahead and behind."""
        rng = self.rng
        draw = {"Car": self.car, "Van": self.car, "Pedestrian": self.person, "Cyclist": self.rider}[kind]
        variants = [n for n in NAMES if n.split()[0] == kind]
        mean_size, spread = np.array(SIZES[kind])
        for ahead in (1, -1):
            for _ in range(int(rng.poisson(mean))):
                length, width, height = (mean_size + spread * np.clip(rng.normal(size=3), -2, 2)).tolist()
                # Most car paint is dark to the laser; clothes are not.
                shine = 0.06 + 0.5 * rng.random() ** 1.6 if kind in ("Car", "Van") else rng.uniform(0.2, 0.75)
                name = variants[int(rng.integers(len(variants)))]
                for _ in range(TRIES):
                    s, t, yaw = draw()
                    if self.add(name, (ahead * s, t, yaw), (length, width, height), float(shine), 0.15):
                        break

    def furnish(self, walls: float, trees: float, poles: float) -> None:
        """Add what is not labeled: fronts and hedges along both sides and across the ends, trees, bushes and poles.

        Args:
            walls, trees, poles: mean numbers of them ahead, and as many behind.
        """
        rng = self.rng
        for ahead in (1, -1):
            for _ in range(int(rng.poisson(walls))):
                self.front(ahead)
            for _ in range(END_FRONTS if walls > 0 else 0):
                place = ahead * (self.extent + float(rng.uniform(2, 35))), float(rng.uniform(-40, 40)), 0.0
                size = 2.0, float(rng.uniform(10, 30)), float(rng.uniform(4, 12))
                self.add("hedge" if rng.random() < 0.5 else "wall", place, size, float(rng.uniform(0.2, 0.6)), 0.0)
            for name, (share, size) in FURNITURE.items():
                for _ in range(int(rng.poisson(share * (trees if name in ("tree", "bush") else poles)))):
                    s, t, yaw = self.beside()
                    grow, shine = float(rng.uniform(0.7, 1.4)), float(rng.uniform(0.15, 0.5))
                    grown = size[0] * grow, size[1] * grow, size[2] * grow
                    # Crowns reach over the sidewalk: only the trunk needs room.
                    self.add(name, (ahead * s, t, yaw), grown, shine, 0.1, room=(0.5, 0.5))

    def front(self, ahead: int) -> None:
        """Add a house front, or a hedge nearer to the sidewalk; none stands in the side street."""
        rng, hedge, side = self.rng, self.rng.random() < 0.4, int(self.rng.random() < 0.5)
        length, height = float(rng.uniform(5, 24)), float(rng.uniform(0.8, 3.5) if hedge else rng.uniform(2.5, 12))
        size = length, 1.6 if hedge else 2.0, height
        for _ in range(TRIES):
            s = float(rng.uniform(0, self.extent + 15))
            out = self.walk + 1.5 + self.setback[side] * float(rng.uniform(0, 0.5) if hedge else rng.uniform(0.9, 1.5))
            place = ahead * s, self.road[side] + (out if side else -out), float(rng.normal(0, 0.02))
            free = abs(ahead * s - self.crossing) > length / 2 + 4
            if free and self.add("hedge" if hedge else "wall", place, size, float(rng.uniform(0.2, 0.6)), 0.0):
                return


def lay_out(spec: SimulationSpec, index: int) -> Scene:
    """The scene of frame `index`: a pure function of the spec's seed and scene, and of the index."""
    rng = np.random.default_rng([spec.seed, index])
    scene = spec.scene
    street = Street(scene.extent_m, rng)
    for kind, mean in zip(CLASSES, (scene.cars, scene.vans, scene.pedestrians, scene.cyclists), strict=True):
        street.populate(kind, mean)
    labeled = len(street.rows)
    street.furnish(scene.walls, scene.trees, scene.poles)
    right, left = street.road
    cos_h, sin_h = math.cos(street.heading), math.sin(street.heading)
    tilt, kerb = rng.normal(0, [0.005, 0.006]), float(rng.uniform(0.05, 0.16))
    ground = np.array([-spec.sensor.height_m, *tilt, cos_h, sin_h, left, right, kerb, 9.0, street.lawn, 0, 0])
    bumps = rng.normal(0, 0.02, (32, 32))
    bumps[0, 0] = 0  # below the sensor, whose height is as given
    objects = np.empty((len(street.rows), 9))
    for k, (template, s, t, length, width, height, yaw, shine) in enumerate(street.rows):
        x, y = cos_h * s - sin_h * t, sin_h * s + cos_h * t
        objects[k] = (
            template,
            x,
            y,
            ground_height(x, y, ground, bumps),
            length,
            width,
            height,
            yaw + street.heading,
            shine,
        )
    names = tuple(NAMES[row[0]].split()[0] for row in street.rows)
    return Scene(names, objects, labeled, ground, bumps)
