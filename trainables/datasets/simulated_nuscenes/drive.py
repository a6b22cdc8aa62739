"""One scene: the own car drives along its street for some seconds, and its LiDAR turns twenty times a second.

The turns are cast in a frame of the street's axes around the sensor, so that ground and objects need no rotation; the
points are then turned into the LiDAR's own frame (x right, y forward) by the yaw of the car.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainables.datasets.simulated.ground import ground_height
from trainables.datasets.simulated.sensor import Lidar, Scan, scan
from trainables.datasets.simulated.street import Scene
from trainables.datasets.simulated_nuscenes.drives_spec import DrivesSpec, RingSensorSpec
from trainables.datasets.simulated_nuscenes.traffic import Traffic
from trainables.datasets.simulated_nuscenes.vehicles import ALL_SHAPES

LIDAR_AHEAD = 0.944  # of the car's own origin, its rear axle [m]
WEAVE_M, WEAVE_RATE = 0.2, 0.8  # how far the car strays from its line [m], and how quickly [rad/s]
INTENSITY = 70.0  # of a full return: the mean of a real scan is 20
VISIBLE_SHARES = (0.4, 0.6, 0.8)  # between the four levels of visibility

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """Where the car's origin is in the street's frame: s, t [m] and yaw [rad]."""

    s: float
    t: float
    yaw: float

    @property
    def lidar(self) -> tuple[float, float]:
        """Where its LiDAR is, s and t [m]."""
        return self.s + LIDAR_AHEAD * math.cos(self.yaw), self.t + LIDAR_AHEAD * math.sin(self.yaw)


@dataclass(frozen=True)
class Turn:
    """One kept turn of the LiDAR.

    Attributes:
        keyframe: its number, None for a sweep between keyframes.
        time: from the first keyframe [s].
        pose: of the car.
        points: (P, 5) float32 x right, y forward, z up [m], intensity in 0..255, ring, 0 the lowest.
        returned: (M,) number of points of each object.
        visibility: (M,) level 1..4 of each object, by the share of its rays that nothing blocks; 0 for sweeps.
    """

    keyframe: int | None
    time: float
    pose: Pose
    points: NDArray[np.float32]
    returned: NDArray[np.int64]
    visibility: NDArray[np.int64]


@dataclass(frozen=True)
class Drive:
    """A scene of M objects of the ten classes.

    Attributes:
        number: of the scene.
        course: yaw of the street in the world [rad], and where its frame's origin is, x and y [m].
        kinds, attributes: of each object.
        sizes: (M, 3) length, width, height [m].
        yaws: (M,) in the street's frame [rad].
        starts: (M, 3) middle of each box at the first keyframe [m], street's frame, z above the road.
        velocities: (M, 3) [m/s].
        turns: the kept turns in the order of time.
    """

    number: int
    course: tuple[float, float, float]
    kinds: tuple[str, ...]
    attributes: tuple[str, ...]
    sizes: Floats
    yaws: Floats
    starts: Floats
    velocities: Floats
    turns: tuple[Turn, ...]

    def swept(self, last: int, most: int) -> NDArray[np.float32]:
        """Turn number `last` with at most so many before it, put together as detectors get them.

        Returns:
            (P, 5) x, y, z in that turn's LiDAR frame [m], intensity, age [s].
        """
        now, rows = self.turns[last], []
        for turn in self.turns[max(0, last - most) : last + 1]:
            there, here = turn.pose.lidar, now.pose.lidar
            # In the LiDAR's frame a car's yaw is a turn, too, and the street's s and t are seen past its nose.
            c, q = math.cos(turn.pose.yaw - now.pose.yaw), math.sin(turn.pose.yaw - now.pose.yaw)
            ahead, left = there[0] - here[0], there[1] - here[1]
            cos, sin = math.cos(now.pose.yaw), math.sin(now.pose.yaw)
            forward, right = cos * ahead + sin * left, sin * ahead - cos * left
            x, y, z, intensity, _ = turn.points.T
            age = np.full(len(x), now.time - turn.time, np.float32)
            rows.append(np.stack([c * x - q * y + right, q * x + c * y + forward, z, intensity, age], 1))
        return np.concatenate(rows[::-1]).astype(np.float32)

    def world(self, places: Floats) -> Floats:
        """Places (N, 3) of the street's frame in the world [m]."""
        yaw, x, y = self.course
        c, q = math.cos(yaw), math.sin(yaw)
        s, t = places[:, 0], places[:, 1]
        return np.stack([x + c * s - q * t, y + q * s + c * t, places[:, 2]], 1)


def lidar_of_rings(sensor: RingSensorSpec) -> Lidar:
    """The LiDAR that a spec describes, turning all around."""
    elevation = np.radians(np.linspace(sensor.elevation_max_deg, sensor.elevation_min_deg, sensor.beams))
    return Lidar(elevation, sensor.columns, 360.0, sensor.max_range_m, sensor.range_noise_m, sensor.dropout)


def _lay_out(spec: DrivesSpec, middle: float, duration: float, rng: np.random.Generator) -> tuple[Traffic, Scene]:
    """The street of a scene, and all that is cast at the first keyframe, z above the road.

    Args:
        middle: the time at which the street is laid out, from the first keyframe [s].
        duration: of the scene [s].
    """
    asked = spec.traffic
    street = Traffic(asked, duration, rng)
    # Long ones first, while there is room for them.
    street.populate("trailer", asked.trailers)
    street.populate("bus", asked.buses)
    street.populate("construction_vehicle", asked.construction_vehicles)
    street.populate("truck", asked.trucks)
    street.populate("car", asked.cars)
    street.populate("motorcycle", asked.motorcycles)
    street.populate("bicycle", asked.bicycles)
    street.populate("barrier", asked.barriers)
    street.populate("traffic_cone", asked.traffic_cones)
    street.populate("pedestrian", asked.pedestrians)
    labeled = len(street.rows)
    stretch = street.stretch
    street.furnish(asked.walls * stretch, asked.trees * stretch, asked.poles * stretch)
    right, left = street.road
    kerb = float(rng.uniform(0.05, 0.16))
    ground = np.array([0, 0, 0, 1, 0, left, right, kerb, 9.0, street.lawn, 0, 0])
    bumps = rng.normal(0, 0.02, (32, 32))
    objects = np.empty((len(street.rows), 9))
    for k, (template, s, t, length, width, height, yaw, shine) in enumerate(street.rows):
        vs, vt = street.speeds[k] * math.cos(yaw), street.speeds[k] * math.sin(yaw)
        # What moves keeps the mean height of its way: its velocity is level.
        way = street.times if street.speeds[k] else np.zeros(1)
        z = float(np.mean([ground_height(s + vs * time, t + vt * time, ground, bumps) for time in way]))
        objects[k] = template, s - vs * middle, t - vt * middle, z, length, width, height, yaw, shine
    names = tuple(kind for kind, _ in street.labels)
    return street, Scene(names, objects, labeled, ground, bumps, ALL_SHAPES)


def _seen_from(
    scene: Scene, velocities: Floats, time: float, pose: Pose, sensor: RingSensorSpec
) -> tuple[Scene, NDArray[np.integer]]:
    """The scene at a time around the sensor, of objects in its range only; and which those are."""
    s, t = pose.lidar
    objects = scene.objects.copy()
    objects[:, 1:3] += velocities[:, :2] * time - (s, t)
    objects[:, 3] -= sensor.height_m
    reach = np.hypot(objects[:, 1], objects[:, 2]) - np.hypot(objects[:, 4], objects[:, 5]) / 2
    there = np.flatnonzero(reach < sensor.max_range_m)
    ground = scene.ground.copy()
    ground[0] -= sensor.height_m
    ground[5:7] -= t
    ground[10:12] = s, t
    labeled = int(np.sum(there < scene.labeled))
    return Scene(scene.names, objects[there], labeled, ground, scene.bumps, scene.shapes), there


def drive(spec: DrivesSpec, number: int) -> Drive:
    """Scene `number` of a spec: the same bytes whenever and wherever it is asked for."""
    rng = np.random.default_rng([spec.seed, number])
    kept = spec.turns
    first, last = kept[0][1], kept[-1][1]
    middle, duration = (first + last) / 2, last - first
    course = float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(300, 2000)), float(rng.uniform(300, 2000))
    phase = float(rng.uniform(0, 2 * math.pi))
    street, scene = _lay_out(spec, middle, duration, rng)
    speeds, yaws = np.array(street.speeds).reshape(-1), scene.objects[:, 7]
    velocities = np.stack([speeds * np.cos(yaws), speeds * np.sin(yaws), np.zeros(len(yaws))], 1)
    keys = np.random.SeedSequence([spec.seed, number, 1]).generate_state(len(kept))
    lidar, strays = lidar_of_rings(spec.sensor), WEAVE_M * street.speed / (1 + street.speed)
    turns = []
    for (keyframe, time), key in zip(kept, keys.tolist(), strict=True):
        angle = WEAVE_RATE * time + phase
        yaw = math.atan2(strays * WEAVE_RATE * math.cos(angle), street.speed)
        pose = Pose(street.speed * (time - middle), strays * math.sin(angle), yaw)
        around, there = _seen_from(scene, velocities, time, pose, spec.sensor)
        labels = there[: around.labeled]
        if keyframe is None:  # rays that are blocked need not be counted
            around = Scene(around.names, around.objects, 0, around.ground, around.bumps, around.shapes)
        turn = scan(lidar, around, key)
        returned, visibility = np.zeros((2, scene.labeled), np.int64)
        of_labeled = turn.source[(turn.source >= 0) & (turn.source < len(labels))]
        returned[labels] = np.bincount(of_labeled, minlength=len(labels))
        if keyframe is not None:
            shares = turn.free / np.maximum(1, turn.alone)
            visibility[labels] = 1 + np.searchsorted(VISIBLE_SHARES, shares, side="right")
        turns.append(Turn(keyframe, time, pose, _points(turn, yaw, spec.sensor.beams), returned, visibility))
    boxes = scene.objects[: scene.labeled]
    return Drive(
        number,
        course,
        scene.names,
        tuple(attribute for _, attribute in street.labels),
        boxes[:, 4:7],
        boxes[:, 7],
        boxes[:, 1:4] + boxes[:, 6:7] * (0, 0, 0.5),
        velocities[: scene.labeled],
        tuple(turns),
    )


def _points(turn: Scan, yaw: float, beams: int) -> NDArray[np.float32]:
    """What the sensor reports, in its own frame: (P, 5)."""
    x, y, z, intensity = turn.points.T
    c, q = np.float32(math.cos(yaw)), np.float32(math.sin(yaw))
    ring = (beams - 1 - turn.beam).astype(np.float32)
    return np.stack([q * x - c * y, c * x + q * y, z, np.floor(intensity * np.float32(INTENSITY)), ring], 1)
