"""Rays against shapes whose ranges can be worked out by hand."""

import numpy as np
import pytest

from trainables.datasets.simulated.ground import ground_height
from trainables.datasets.simulated.sensor import Scan, beam_angles, lidar_of, scan
from trainables.datasets.simulated.shapes import NAMES
from trainables.datasets.simulated.simulation_spec import SensorSpec
from trainables.datasets.simulated.street import Scene

SENSOR = SensorSpec(beams=64, range_noise_m=0, dropout=0)
FLAT = np.array([-1.73, 0, 0, 1, 0, 50, -50, 0, 9, 1e9, 0, 0])
NO_GROUND = np.array([-500.0, 0, 0, 1, 0, 50, -50, 0, 9, 1e9, 0, 0])


def turn(*objects: tuple, labeled: int = 0, ground: np.ndarray = FLAT, sensor: SensorSpec = SENSOR) -> Scan:
    """Scan white objects given as (name, x, y, z, l, w, h, yaw)."""
    rows = np.array([[NAMES.index(name), *box, 1.0] for name, *box in objects]).reshape(-1, 9)
    scene = Scene(tuple(o[0] for o in objects), rows, labeled, ground, np.zeros((4, 4)))
    return scan(lidar_of(sensor), scene, key=5)


def test_beams_are_those_of_an_hdl_64e() -> None:
    degrees = np.degrees(beam_angles(SensorSpec()))
    assert len(degrees) == 64
    assert degrees[[0, 31, 32, 63]] == pytest.approx([2.0, -8.33, -8.83, -24.33], abs=0.01)
    assert np.diff(degrees) == pytest.approx([-1 / 3] * 31 + [-0.5] * 32, abs=0.01)


def test_every_return_of_flat_ground_lies_at_the_height_of_the_road() -> None:
    points = turn().points
    assert len(points) > 80_000
    assert points[:, 2] == pytest.approx(-1.73, abs=0.002)


def test_the_steepest_beam_meets_the_ground_at_height_over_tangent() -> None:
    points = turn().points
    assert np.hypot(points[:, 0], points[:, 1]).min() == pytest.approx(1.73 / np.tan(np.radians(24.33)), abs=0.002)


def test_tilted_ground_is_met_on_its_plane() -> None:
    tilted = FLAT.copy()
    tilted[1:3] = 0.01, -0.02
    points = turn(ground=tilted).points
    assert points[:, 2] == pytest.approx(-1.73 + 0.01 * points[:, 0] - 0.02 * points[:, 1], abs=0.003)


def test_a_sidewalk_rises_beside_the_road() -> None:
    street = FLAT.copy()
    street[5:8] = 4, -4, 0.1
    points = turn(ground=street).points
    assert points[np.abs(points[:, 1]) < 3.5, 2] == pytest.approx(-1.73, abs=0.003)
    assert points[np.abs(points[:, 1]) > 6, 2] == pytest.approx(-1.63, abs=0.003)


def test_bumps_stay_where_they_are_when_the_sensor_moves() -> None:
    bumps = np.random.default_rng(0).normal(0, 0.1, (8, 8))
    moved = FLAT.copy()
    moved[10:] = 30.5, -7.25
    for x, y in ((0.0, 0.0), (3.3, -50.0), (-200.7, 41.0)):
        assert ground_height(x - 30.5, y + 7.25, moved, bumps) == pytest.approx(ground_height(x, y, FLAT, bumps))
    assert np.ptp([ground_height(x, 0.0, FLAT, bumps) for x in range(60)]) > 0.1


def test_every_point_says_of_which_beam_it_is() -> None:
    scan = turn(("wall", 11, 0, -1.73, 2, 10, 6, 0.0))
    elevation = np.arctan2(scan.points[:, 2], np.hypot(scan.points[:, 0], scan.points[:, 1]))
    assert elevation == pytest.approx(beam_angles(SENSOR)[scan.beam], abs=5e-4)


def test_a_wall_across_the_road_is_met_on_its_front_face() -> None:
    seen = turn(("wall", 21, 0, -1.73, 2, 10, 6, 0.0), ground=NO_GROUND).points
    assert len(seen) > 1000
    assert seen[:, 0] == pytest.approx(20.0, abs=0.001)
    assert np.abs(seen[:, 1]).max() == pytest.approx(5.0, abs=0.07)


def test_a_turned_wall_shows_its_near_corner() -> None:
    seen = turn(("wall", 20, 0, -1.73, 4, 4, 6, np.pi / 4), ground=NO_GROUND).points
    assert seen[:, 0].min() == pytest.approx(20 - np.sqrt(8), abs=0.05)


def test_a_pole_is_met_on_its_round_front() -> None:
    seen = turn(("pole", 6, 8, -1.73, 1.0, 1.0, 5, 0.0), ground=NO_GROUND).points
    assert np.hypot(seen[:, 0] - 6, seen[:, 1] - 8) == pytest.approx(0.5, abs=0.002)
    assert np.hypot(seen[:, 0], seen[:, 1]).min() == pytest.approx(9.5, abs=0.002)


def test_an_object_behind_the_seam_of_the_turn_is_seen_whole() -> None:
    seen = turn(("wall", -21, 0, -1.73, 2, 10, 6, 0.0), ground=NO_GROUND).points
    ahead = turn(("wall", 21, 0, -1.73, 2, 10, 6, 0.0), ground=NO_GROUND).points
    assert abs(len(seen) - len(ahead)) < 0.02 * len(ahead)
    assert seen[:, 1].min() < -4.9
    assert seen[:, 1].max() > 4.9


def test_an_object_behind_a_wall_returns_nothing_and_all_its_rays_are_blocked() -> None:
    wall = ("wall", 10, 0, -1.73, 1, 12, 8, 0.0)
    hidden = turn(("Car hatchback", 20, 0, -1.73, 3.9, 1.6, 1.56, 0.0), wall, labeled=1)
    assert hidden.alone[0] > 300
    assert hidden.free[0] == 0
    assert not (hidden.source == 0).any()


def test_half_of_a_car_behind_a_wall_has_half_its_rays_free() -> None:
    wall = ("wall", 10, 5, -1.73, 1, 10, 8, 0.0)
    half = turn(("Car hatchback", 20, 0, -1.73, 3.9, 1.6, 1.56, 0.0), wall, labeled=1)
    assert half.free[0] / half.alone[0] == pytest.approx(0.5, abs=0.03)


def test_an_object_alone_has_all_its_rays_free() -> None:
    free = turn(("Cyclist sporty", 12, 3, -1.73, 1.76, 0.6, 1.73, 0.5), labeled=1)
    assert free.alone[0] > 50
    assert free.free[0] == free.alone[0]


@pytest.mark.parametrize("name", [n for n in NAMES if n[0].isupper()])
def test_returns_of_an_object_lie_in_its_box_and_reach_its_roof(name: str) -> None:
    box = np.array([9.0, 2.0, -1.73, 3.9, 1.7, 1.6, 0.7])
    result = turn((name, *box), labeled=1)
    own = result.points[result.source == 0, :3] - box[:3]
    c, s = np.cos(0.7), np.sin(0.7)
    local = np.stack([c * own[:, 0] + s * own[:, 1], c * own[:, 1] - s * own[:, 0], own[:, 2]], 1)
    assert len(own) > 50
    assert (np.abs(local[:, :2]) <= box[3:5] / 2 + 0.002).all()
    assert (local[:, 2] >= -0.002).all()
    assert 1.4 < local[:, 2].max() <= 1.602


def test_some_rays_pass_through_a_car_s_windows() -> None:
    wall = ("wall", 20, 0, -1.73, 1, 12, 8, 0.0)
    through = turn(("Car sedan", 10, 0, -1.73, 3.9, 1.6, 1.56, np.pi / 2), wall, labeled=1)
    behind = through.points[through.source == 1]
    # Straight behind the windows: between the belt line and the roof, as seen from the sensor.
    height = behind[:, 2] * 9.5 / behind[:, 0] + 1.73
    glass = (np.abs(behind[:, 1] * 9.5 / behind[:, 0]) < 0.5) & (height > 1.05) & (height < 1.4)
    assert glass.sum() > 10


def test_no_return_comes_from_beyond_the_maximum_range() -> None:
    short = SensorSpec(range_noise_m=0, dropout=0, max_range_m=30)
    points = turn(("wall", 35, 0, -1.73, 2, 40, 9, 0.0), sensor=short).points
    assert np.linalg.norm(points[:, :3], axis=1).max() <= 30.001


def test_range_noise_has_the_given_deviation() -> None:
    noisy = SensorSpec(range_noise_m=0.05, dropout=0)
    points = turn(("wall", 21, 0, -1.73, 2, 10, 6, 0.0), ground=NO_GROUND, sensor=noisy).points
    assert (points[:, 0] - 20).std() == pytest.approx(0.05, rel=0.1)
    assert (points[:, 0] - 20).mean() == pytest.approx(0, abs=0.005)


def test_dropout_takes_its_share() -> None:
    wall = ("wall", 11, 0, -1.73, 2, 10, 6, 0.0)
    kept = turn(wall, ground=NO_GROUND, sensor=SensorSpec(range_noise_m=0, dropout=0.25)).points
    full = turn(wall, ground=NO_GROUND).points
    assert len(kept) / len(full) == pytest.approx(0.75, abs=0.03)


def test_the_field_of_view_bounds_the_azimuth() -> None:
    points = turn(sensor=SensorSpec(field_of_view_deg=90, range_noise_m=0)).points
    assert np.abs(np.degrees(np.arctan2(points[:, 1], points[:, 0]))).max() < 45.2


def test_intensity_is_a_share_in_hundredths() -> None:
    intensity = turn(("wall", 11, 0, -1.73, 2, 10, 6, 0.0)).points[:, 3]
    assert intensity.min() >= 0
    assert intensity.max() <= 1
    assert intensity * 100 == pytest.approx(np.round(intensity * 100), abs=1e-3)
    assert len(np.unique(intensity)) > 20
