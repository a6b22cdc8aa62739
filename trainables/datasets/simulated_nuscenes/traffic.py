"""Where things stand and how they move: a longer street of the simulator, with traffic of ten classes on it.

Everything lies in the street's frame (s along it, t to the left) and moves with constant velocity along its yaw. Time 0
is the middle of the scene, when the own car is at s = 0. A place is free if nothing comes near it at any time.
"""

import math

import numpy as np
from numba import njit

from trainables.datasets.simulated.street import TRIES, Place, Street
from trainables.datasets.simulated_nuscenes.drives_spec import TrafficSpec
from trainables.datasets.simulated_nuscenes.vehicles import ALL_NAMES, KINDS

MOST = 2000  # objects of a street
CHECK_S = 0.1  # time between two looks for collisions [s]
OWN_ROOM = 3.0, 1.2  # half length and width that the own car needs [m]

Motion = tuple[Place, float, str]
"""Place at time 0, speed along its yaw [m/s], attribute."""


@njit(cache=True)
def is_free(taken: np.ndarray, count: int, new: np.ndarray, times: np.ndarray) -> bool:
    """Whether a moving rectangle meets none of the first `count` taken ones at any of the times.

    Args:
        taken: (N, 6) s, t [m] at time 0, half extents along s and t [m], velocity along s and t [m/s]; `new` is (6,).
        times: (T,) [s].
    """
    for i in range(count):
        reach_s, reach_t = taken[i, 2] + new[2], taken[i, 3] + new[3]
        ds, dt = taken[i, 0] - new[0], taken[i, 1] - new[1]
        vs, vt = taken[i, 4] - new[4], taken[i, 5] - new[5]
        for k in range(times.shape[0]):
            if abs(ds + vs * times[k]) < reach_s and abs(dt + vt * times[k]) < reach_t:
                return False
    return True


class Traffic(Street):
    """One random street over the time of a scene; draws motions and remembers which places are taken when."""

    def __init__(self, spec: TrafficSpec, duration: float, rng: np.random.Generator) -> None:
        """`duration` of the scene [s]."""
        self.speed = float(rng.uniform(spec.ego_speed_min, spec.ego_speed_max))
        # Longer by the way of the own car, and as dense as if it stood still.
        self.stretch = 1 + self.speed * duration / 2 / spec.extent_m
        super().__init__(spec.extent_m * self.stretch, rng)
        self.times = np.linspace(-duration / 2, duration / 2, 2 + int(duration / CHECK_S))
        self.room = np.zeros((MOST, 6))
        self.room[0] = 0, 0, *OWN_ROOM, self.speed, 0
        self.speeds: list[float] = []
        self.labels: list[tuple[str, str]] = []
        self.site = float(rng.uniform(-0.5, 0.5)) * self.extent, int(rng.random() < 0.5)

    def along(self) -> float:
        """A place along the street, ahead or behind, denser where the own car drives."""
        return self.extent * float(self.rng.random()) ** 1.25 * (1 if self.rng.random() < 0.5 else -1)

    def edge(self, side: int, out: float) -> float:
        """The place t so far outside the road's edge [m], on the right (0) or left (1)."""
        return self.road[side] + (out if side else -out)

    def side(self) -> int:
        return int(self.rng.random() < 0.5)

    def in_lane(self, moves: float) -> Motion:
        """In a lane, driving with a chance of `moves`, else waiting."""
        ahead, drives = self.rng.random() < 0.5, self.rng.random() < moves
        t = (0.0 if ahead else self.oncoming) + float(self.rng.normal(0, 0.2))
        speed = max(1.5, self.speed + float(self.rng.normal(0, 1.5))) if ahead else float(self.rng.uniform(4, 11))
        yaw = (0.0 if ahead else math.pi) + float(self.rng.normal(0, 0.02))
        return (self.along(), t, yaw), speed * drives, "vehicle.moving" if drives else "vehicle.stopped"

    def beside_road(self, out: float, spread: float) -> Motion:
        """Parked beyond the sidewalk, `out` from it [m], nearly along the street."""
        side, turned = self.side(), math.pi * (self.rng.random() < 0.5)
        t = self.edge(side, self.walk + out + float(self.rng.uniform(0, 1.5)))
        return (self.along(), t, turned + float(self.rng.normal(0, spread))), 0.0, "vehicle.parked"

    def car_or_truck(self, length: float) -> Motion:
        u = self.rng.random()
        if u < 0.5 and self.parks.any():
            side = self.side() if self.parks.all() else int(self.parks[1])
            across = self.slanted[side] and length < 5.2
            turned = math.pi * (self.rng.random() < (0.8 if side else 0.1)) + float(self.rng.normal(0, 0.04))
            yaw = math.pi / 2 * (1 if self.rng.random() < 0.5 else -1) if across else turned
            return (self.along(), self.edge(side, -2.5 if across else -1.1), yaw), 0.0, "vehicle.parked"
        if u < 0.88 or self.crossing > self.extent:
            return self.in_lane(0.7)
        left, drives = (1 if self.rng.random() < 0.5 else -1), self.rng.random() < 0.5
        place = self.crossing + 1.8 * left, float(self.rng.uniform(-15, 20)), left * math.pi / 2
        return place, float(self.rng.uniform(3, 8)) * drives, "vehicle.moving" if drives else "vehicle.stopped"

    def cycle(self, ridden: bool, fastest: float) -> Motion:
        if ridden:
            drives = self.rng.random() < 0.8
            return self.rider(), float(self.rng.uniform(0.4, 1)) * fastest * drives, "cycle.with_rider"
        t = self.edge(self.side(), float(self.rng.uniform(0.3, self.walk)))
        return (self.along(), t, float(self.rng.uniform(-math.pi, math.pi))), 0.0, "cycle.without_rider"

    def walker(self, stands: bool) -> Motion:
        if stands:
            return self.person(), 0.0, "pedestrian.standing"
        return self.person(), float(self.rng.uniform(0.7, 1.8)), "pedestrian.moving"

    def at_site(self, across: float) -> Motion:
        """In the row that closes off a building site along the road's edge, or alone; `across` is the yaw's offset."""
        (middle, side), alone = self.site, self.rng.random() < 0.3
        place = self.along() if alone else middle + 2.7 * round(float(self.rng.normal(0, 2.5)))
        t = self.edge(self.side() if alone else side, float(self.rng.uniform(-0.4, 0.5)))
        return (place, t, across + float(self.rng.normal(0, 0.05))), 0.0, ""

    def motion(self, kind: str, name: str, length: float) -> Motion:
        """A place, speed and attribute for an object of a class."""
        match kind:
            case "car" | "truck":
                return self.car_or_truck(length)
            case "bus":
                return self.in_lane(0.6) if self.rng.random() < 0.7 else self.beside_road(1.6, 0.03)
            case "trailer":
                return self.beside_road(1.6, 0.05)
            case "construction_vehicle":
                return self.beside_road(2.0, 1.0)
            case "bicycle":
                return self.cycle(name.startswith("Cyclist"), 6)
            case "motorcycle":
                return self.cycle(name == "motorcyclist", 10)
            case "pedestrian":
                return self.walker(name.endswith("standing"))
        return self.at_site(math.pi / 2 if kind == "barrier" else 0.0)

    def add(
        self,
        name: str,
        place: Place,
        size: tuple[float, float, float],
        reflectance: float,
        margin: float,
        room: tuple[float, float] | None = None,
        speed: float = 0.0,
    ) -> bool:
        """Put an object there unless something is there at some time; it moves with `speed` [m/s] along its yaw."""
        s, t, yaw = place
        c, q = math.cos(yaw), math.sin(yaw)
        length, width = room or size[:2]
        half_s, half_t = (abs(c) * length + abs(q) * width) / 2, (abs(q) * length + abs(c) * width) / 2
        new = np.array([s, t, half_s + margin, half_t + margin, speed * c, speed * q])
        count = 1 + len(self.rows)
        if count == MOST or not is_free(self.room, count, new, self.times):
            return False
        self.room[count] = new
        self.rows.append((ALL_NAMES.index(name), s, t, *size, yaw, reflectance))
        self.speeds.append(speed)
        return True

    def populate(self, kind: str, mean: float) -> None:
        """Add objects of one class, ahead and behind; the mean is of a stretch of the spec's length on one side."""
        rng, made = self.rng, KINDS[kind]
        for _ in range(int(rng.poisson(2 * mean * self.stretch))):
            name, size = made.makes[int(rng.integers(len(made.makes)))]
            length, width, height = (np.array(size) * (1 + made.spread * np.clip(rng.normal(size=3), -2, 2))).tolist()
            painted = kind in ("car", "truck", "bus", "motorcycle")
            # Most paint of vehicles is dark to the laser; clothes and concrete are not.
            shine = 0.06 + 0.5 * float(rng.random()) ** 1.6 if painted else float(rng.uniform(0.2, 0.75))
            for _ in range(TRIES):
                place, speed, attribute = self.motion(kind, name, length)
                if self.add(name, place, (length, width, height), shine, 0.15, speed=speed):
                    self.labels.append((kind, attribute))
                    break
