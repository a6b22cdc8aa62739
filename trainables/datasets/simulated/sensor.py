"""One turn of the LiDAR in a scene: from the sensor's spec to points, and to how much of each object is hidden."""

from dataclasses import dataclass

import numpy as np

from trainables.datasets.simulated.ground import NOTHING, cast_ground
from trainables.datasets.simulated.rays import RangeImage, Rays, cast_objects, receive
from trainables.datasets.simulated.simulation_spec import SensorSpec
from trainables.datasets.simulated.street import Scene

GROUND_REFLECTANCE = 0.42


def beam_angles(sensor: SensorSpec) -> np.ndarray:
    """Elevations (B,) [rad] from the highest down, spaced like an HDL-64E's: 1/3 degree above, 1/2 degree below."""
    top, span, half = sensor.elevation_max_deg, sensor.elevation_max_deg - sensor.elevation_min_deg, sensor.beams // 2
    upper = np.linspace(top, top - span * 10.33 / 26.33, half)
    lower = np.linspace(top - span * 10.83 / 26.33, sensor.elevation_min_deg, half)
    return np.radians(np.concatenate([upper, lower]))


@dataclass(frozen=True)
class Lidar:
    """What turns in a scene.

    Attributes:
        elevation: (B,) of the beams, from the highest down [rad].
        period: columns of a whole turn.
        field_of_view_deg: part of the turn that is kept, centered on +x [degrees].
        max_range_m: beyond it nothing returns [m].
        range_noise_m: standard deviation of a range [m].
        dropout: share of the returns that are lost whatever their power.
    """

    elevation: np.ndarray
    period: int
    field_of_view_deg: float
    max_range_m: float
    range_noise_m: float
    dropout: float


def lidar_of(sensor: SensorSpec) -> Lidar:
    """The LiDAR that a spec describes."""
    period = round(360 / sensor.azimuth_step_deg)
    return Lidar(
        beam_angles(sensor), period, sensor.field_of_view_deg, sensor.max_range_m, sensor.range_noise_m, sensor.dropout
    )


@dataclass(frozen=True)
class Scan:
    """One turn of the sensor.

    Attributes:
        points: (P, 4) float32 in the order of firing.
        source: (P,) number of the object that each point is of; negative for the ground.
        beam: (P,) of each point, 0 the highest.
        alone: (M,) for each labeled object the number of rays that would end on it if it stood alone,
        free: (M,) and of those that do end on it.
    """

    points: np.ndarray
    source: np.ndarray
    beam: np.ndarray
    alone: np.ndarray
    free: np.ndarray


def scan(lidar: Lidar, scene: Scene, key: int) -> Scan:
    """Turn the sensor once in a scene; `key` is the hash key of this turn's random numbers."""
    period, beams = lidar.period, len(lidar.elevation)
    columns = min(period, int(np.ceil(lidar.field_of_view_deg / 360 * period)))
    azimuth = (np.arange(columns) - columns / 2 + (key % 997) / 997) * (2 * np.pi / period)
    rays, shape = Rays(azimuth, lidar.elevation, period, key), (columns, beams)
    image = RangeImage(
        distance=np.full(shape, np.inf, np.float32),
        cosine=np.zeros(shape, np.float32),
        owner=np.full(shape, NOTHING, np.int32),
        reflectance=np.full(shape, GROUND_REFLECTANCE, np.float32),
        stamp=np.full(shape, -1, np.int32),
    )
    cast_ground(
        rays.azimuth, rays.elevation, lidar.max_range_m, scene.ground, scene.bumps, key,
        image.distance, image.cosine, image.owner,
    )  # fmt: skip
    near_first = np.argsort(np.hypot(scene.objects[:, 1], scene.objects[:, 2]), kind="stable")
    alone, free = np.zeros((2, len(near_first)), int)
    cast_objects(scene.objects[near_first], near_first < scene.labeled, scene.shapes, rays, image, alone)
    points, (source, beam) = np.empty((columns * beams, 4), np.float32), np.empty((2, columns * beams), np.int32)
    noise, dropout = lidar.range_noise_m, lidar.dropout
    received = receive(rays, image, lidar.max_range_m, noise, dropout, free, points, source, beam)
    points, source, beam = points[:received].copy(), source[:received], beam[:received].copy()
    back = np.argsort(near_first)[: scene.labeled]
    source = np.where(source < 0, source, np.append(near_first, -1)[source])
    return Scan(points, source, beam, alone[back], free[back])
