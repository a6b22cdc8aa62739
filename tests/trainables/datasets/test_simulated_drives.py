"""Simulated drives: what moves, what the LiDAR sees of it, and that all hangs on spec and number alone."""

import hashlib
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from pydantic import ValidationError

from trainables.datasets.simulated.sensor import scan
from trainables.datasets.simulated.street import Scene
from trainables.datasets.simulated_nuscenes.drive import Drive, Turn, drive, lidar_of_rings
from trainables.datasets.simulated_nuscenes.drives_spec import DrivesSpec, RingSensorSpec, TrafficSpec
from trainables.datasets.simulated_nuscenes.traffic import Traffic
from trainables.datasets.simulated_nuscenes.vehicles import ALL_NAMES, ALL_SHAPES, KINDS

EXACT = RingSensorSpec(columns=1084, range_noise_m=0, dropout=0)
HASHES = """
import hashlib, sys
from trainables.datasets.simulated_nuscenes.drive import drive
from trainables.datasets.simulated_nuscenes.drives_spec import DrivesSpec
for number in map(int, sys.argv[1:]):
    made = drive(DrivesSpec(), number)
    print(number, hashlib.sha256(b"".join(t.points.tobytes() for t in made.turns) + made.starts.tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def made() -> Drive:
    return drive(DrivesSpec(sensor=EXACT, sweeps=9), 3)


def own_frame(drive: Drive, turn: Turn, m: int) -> tuple[np.ndarray, np.ndarray]:
    """The points of a turn, in the axes of object m's box at that time, middle at the origin; and which are inside."""
    x, y, z = turn.points[:, :3].astype(float).T
    c, q = np.cos(turn.pose.yaw), np.sin(turn.pose.yaw)
    s, t = turn.pose.lidar
    place = drive.starts[m] + drive.velocities[m] * turn.time
    ahead = s + c * y - q * -x - place[0]
    left = t + q * y + c * -x - place[1]
    c, q = np.cos(drive.yaws[m]), np.sin(drive.yaws[m])
    local = np.stack([c * ahead + q * left, c * left - q * ahead, z + EXACT.height_m - place[2]], 1)
    return local, (np.abs(local) <= drive.sizes[m] / 2 + 0.003).all(1)


def test_a_scene_has_its_turns_at_their_times() -> None:
    turns = DrivesSpec(keyframes=2, sweeps=2, lead_in_sweeps=1).turns
    assert [k for k, _ in turns] == [None, 0, None, None, 1]
    assert [time for _, time in turns] == pytest.approx([-0.05, 0, 0.4, 0.45, 0.5])
    assert len(DrivesSpec(keyframes=2, sweeps=9).turns) == 10 + 1 + 9 + 1


def test_points_of_a_moving_object_lie_in_its_moved_box_in_every_turn(made) -> None:
    speeds = np.linalg.norm(made.velocities, axis=1)
    checked = 0
    for m in np.flatnonzero(speeds > 4):
        counts = [turn.returned[m] for turn in made.turns]
        inside = [own_frame(made, turn, m)[1].sum() for turn in made.turns]
        assert (np.array(inside) >= counts).all()
        if min(counts) > 60:
            checked += 1
            stayed = Drive(**{**vars(made), "velocities": made.velocities * 0})
            first, last = (own_frame(stayed, made.turns[i], m)[1].sum() for i in (10, -1))
            assert last < 0.5 * first, "where it was at first, hardly anything is a second later"
    assert checked >= 2


def test_swept_points_are_put_together_where_the_world_stands(made) -> None:
    at = len(made.turns) - 1
    whole = made.swept(at, 10)
    assert whole.shape[1] == 5
    assert sorted(set(np.round(whole[:, 4], 3).tolist())) == pytest.approx([0.05 * k for k in range(11)])
    assert (whole[: len(made.turns[at].points), :3] == made.turns[at].points[:, :3]).all()
    still = [m for m in np.flatnonzero(made.turns[at].returned > 100) if not made.velocities[m].any()]
    assert len(still) > 3
    as_turn = Turn(None, made.turns[at].time, made.turns[at].pose, whole, made.turns[at].returned, np.zeros(0, int))
    for m in still:
        _, inside = own_frame(made, as_turn, m)
        assert inside.sum() >= sum(turn.returned[m] for turn in made.turns[at - 10 : at + 1])


def test_the_car_drives_and_turns_as_its_poses_say(made) -> None:
    poses = [turn.pose for turn in made.turns]
    steps = np.diff([pose.s for pose in poses])
    assert steps == pytest.approx(steps[0])
    assert 5 <= steps[0] / 0.05 <= 10
    assert np.ptp([pose.yaw for pose in poses]) > 0.003
    heading = np.arctan2(np.diff([pose.t for pose in poses]), steps)
    assert heading == pytest.approx([pose.yaw for pose in poses[1:]], abs=2e-3)


def test_nothing_comes_into_anything_else_at_any_time() -> None:
    for seed in range(6):
        street = Traffic(TrafficSpec(), 2.0, np.random.default_rng(seed))
        for kind in KINDS:
            street.populate(kind, 4)
        rooms = street.room[: 1 + len(street.rows)]
        assert len(rooms) > 60
        assert np.abs(rooms[1:, 4:]).sum() > 20
        for time in street.times:
            at = rooms[:, :2] + rooms[:, 4:] * time
            apart = np.abs(at[:, None] - at) - (rooms[:, None, 2:4] + rooms[:, 2:4])
            apart[np.arange(len(rooms)), np.arange(len(rooms))] = 1
            assert apart.max(2).min() >= -1e-9


def test_objects_move_along_their_yaw_and_as_their_attribute_says() -> None:
    seen = Counter()
    for number in range(6):
        made = drive(DrivesSpec(sweeps=0, sensor=RingSensorSpec(columns=60)), number)
        speeds = np.linalg.norm(made.velocities, axis=1)
        along = made.velocities[:, 0] * np.cos(made.yaws) + made.velocities[:, 1] * np.sin(made.yaws)
        assert along == pytest.approx(speeds)
        for kind, attribute, speed in zip(made.kinds, made.attributes, speeds, strict=True):
            seen[attribute] += 1
            if attribute.endswith((".moving",)):
                assert speed > 0.5
            if attribute.endswith((".parked", ".stopped", ".standing", "without_rider")) or not attribute:
                assert speed == 0
            group = attribute.split(".")[0]
            assert group == {"bicycle": "cycle", "motorcycle": "cycle", "pedestrian": "pedestrian", "barrier": "",
                             "traffic_cone": ""}.get(kind, "vehicle")  # fmt: skip
    assert len(seen) == 8


@pytest.mark.parametrize("name", [name for name in ALL_NAMES if name[0].islower()][6:])
def test_returns_of_a_template_lie_in_its_box_and_reach_its_roof(name: str) -> None:
    """Templates that the simulated street does not have."""
    box = np.array([9.0, 2.0, -1.84, 3.0, 1.7, 1.6, 0.7])
    row = np.array([[ALL_NAMES.index(name), *box, 1.0]])
    nothing = np.array([-500.0, 0, 0, 1, 0, 50, -50, 0, 9, 1e9, 0, 0])
    result = scan(lidar_of_rings(EXACT), Scene((name,), row, 1, nothing, np.zeros((4, 4)), ALL_SHAPES), 5)
    own = result.points[:, :3] - box[:3]
    c, s = np.cos(0.7), np.sin(0.7)
    local = np.stack([c * own[:, 0] + s * own[:, 1], c * own[:, 1] - s * own[:, 0], own[:, 2]], 1)
    assert len(own) > 25
    assert (np.abs(local[:, :2]) <= box[3:5] / 2 + 0.002).all()
    assert (local[:, 2] >= -0.002).all()
    assert 1.2 < local[:, 2].max() <= 1.602


def test_rings_count_from_the_lowest_beam(made) -> None:
    x, y, z, intensity, ring = made.turns[0].points.T
    elevation = np.degrees(np.arctan2(z, np.hypot(x, y)))
    assert elevation == pytest.approx(-30.67 + ring * (41.34 / 31), abs=0.05)
    assert set(ring[::500]) > {0.0, 5.0, 15.0}
    assert intensity.min() >= 0
    assert intensity.max() <= 255


def test_every_annotated_visibility_is_a_level_and_sweeps_have_none(made) -> None:
    for turn in made.turns:
        assert ((turn.visibility == 0).all()) == (turn.keyframe is None)
        assert set(turn.visibility) <= {0, 1, 2, 3, 4}
        if turn.keyframe is not None:
            assert (turn.visibility[turn.returned > 0] > 0).all()


def test_a_scene_is_the_same_in_other_processes_and_in_any_order() -> None:
    orders = [["0", "700", "5"], ["5", "0", "700"]]
    told = [
        subprocess.run([sys.executable, "-c", HASHES, *order], capture_output=True, text=True, check=True).stdout
        for order in orders
    ]
    assert sorted(told[0].splitlines()) == sorted(told[1].splitlines())
    drive(DrivesSpec(), 1)
    here = drive(DrivesSpec(), 5)
    content = b"".join(turn.points.tobytes() for turn in here.turns) + here.starts.tobytes()
    assert f"5 {hashlib.sha256(content).hexdigest()}" in told[0]
    assert len({line.split()[1] for line in told[0].splitlines()}) == 3


def test_a_scene_does_not_depend_on_how_many_there_are_and_seeds_differ() -> None:
    few, many = drive(DrivesSpec(), 700), drive(DrivesSpec(train_scenes=90, val_scenes=30), 700)
    assert (few.turns[2].points == many.turns[2].points).all()
    other = drive(DrivesSpec(seed=1), 700)
    assert few.turns[2].points.tobytes() != other.turns[2].points.tobytes()


@pytest.mark.parametrize(
    ("part", "values", "complaint"),
    [
        (DrivesSpec, {"train_scenes": 0}, "train_scenes"),
        (DrivesSpec, {"val_scenes": 151}, "val_scenes"),
        (DrivesSpec, {"keyframes": 1}, "velocities need two|keyframes"),
        (DrivesSpec, {"sweeps": 10}, "sweeps"),
        (DrivesSpec, {"sweeps": 1, "lead_in_sweeps": 2}, "must not be above the 1 .* with sweeps=1, got 2"),
        (DrivesSpec, {"frames": 3}, "frames"),
        (RingSensorSpec, {"columns": 0}, "columns"),
        (RingSensorSpec, {"elevation_min_deg": 20}, "elevation_min_deg must be below elevation_max_deg, got 20.0"),
        (TrafficSpec, {"cars": -1}, "cars"),
        (TrafficSpec, {"ego_speed_min": 12}, "ego_speed_min must not be above ego_speed_max, got 12.0 and 10.0"),
    ],
)
def test_a_spec_out_of_range_is_refused(part, values, complaint) -> None:
    with pytest.raises(ValidationError, match=complaint):
        part(**values)


def test_an_empty_street_has_no_labels_and_a_car_without_speed_stays_where_it_is() -> None:
    numbers = set(TrafficSpec.model_fields) - {"extent_m", "ego_speed_min", "ego_speed_max"}
    bare = TrafficSpec(**dict.fromkeys(numbers, 0), ego_speed_min=0, ego_speed_max=0)
    made = drive(DrivesSpec(traffic=bare, sensor=EXACT, sweeps=0), 0)
    assert made.kinds == ()
    assert len(made.turns[0].points) > 10_000
    assert {(turn.pose.s, turn.pose.yaw) for turn in made.turns} == {(0.0, 0.0)}
