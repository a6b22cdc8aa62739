"""Statistics worked out by hand on a few points, and the resemblance of the simulator to real frames."""

import numpy as np
import pytest

from trainables.datasets.simulated.camera import KITTI_CAMERA
from trainables.datasets.simulated.frames import Frame, read_frames
from trainables.datasets.simulated.simulation_spec import SimulationSpec
from trainables.datasets.simulated.simulator import simulate
from trainables.datasets.simulated.statistics import Statistics, compare, pillar_counts, statistics


def tiny() -> Frame:
    """Four points in view (two in one pillar) and one behind the camera; a car ahead that holds three of them."""
    points = [[15.0, 0.0, -1, 0.2], [15.01, 0.01, -1, 0.2], [16.5, 0.5, -1, 0.4], [40, 1, 0, 0.8], [-10, 0, -1, 0.5]]
    return Frame(
        np.array(points, np.float32),
        np.array([[16.0, 0, -1.7, 4, 2, 1.5, 0.1]]),
        ("Car",),
        np.zeros(1),
        np.zeros(1, int),
        np.array([[500.0, 150, 600, 200]]),
        np.zeros((0, 4)),
        KITTI_CAMERA,
    )


def test_pillars_are_squares_of_16_centimeters() -> None:
    points = np.array([[0.01, 0.01], [0.15, 0.15], [0.17, 0.01], [-0.01, 0.01]])
    assert sorted(pillar_counts(points)) == [1, 1, 2]


def test_statistics_of_a_tiny_cloud_by_hand() -> None:
    found = statistics([tiny()])
    assert (found.points, found.points_in_view, found.pillars) == (5, 4, 3)
    assert found.single_point_share == pytest.approx(2 / 3)
    assert found.within == pytest.approx((0, 0.75, 0.75, 1))
    assert found.intensity == pytest.approx(0.4)
    assert found.objects["Car"] == {"easy": 1, "moderate": 1, "hard": 1}
    assert found.object_points["Car"]["10-20 m"] == (1, 3)
    assert found.object_points["Pedestrian"]["10-20 m"] == (0, 0)


def test_no_frames_have_no_statistics() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        statistics([])


def test_the_table_puts_simulated_beside_real() -> None:
    lines = compare(statistics([tiny()]), statistics([tiny()])).splitlines()
    assert lines[0].split() == ["simulated", "real"]
    assert lines[2].split()[-2:] == ["5", "5"]


@pytest.fixture(scope="module")
def made() -> Statistics:
    return statistics([simulate(SimulationSpec(), i) for i in range(60)])


@pytest.fixture(scope="module")
def real(real_data) -> Statistics:
    return statistics(read_frames(real_data / "kitti_mini"))


@pytest.mark.real
def test_simulated_frames_resemble_real_ones_within_a_quarter(real: Statistics, made: Statistics) -> None:
    assert made.points == pytest.approx(real.points, rel=0.25)
    assert made.points_in_view == pytest.approx(real.points_in_view, rel=0.25)
    assert made.pillars == pytest.approx(real.pillars, rel=0.25)
    assert made.single_point_share == pytest.approx(real.single_point_share, rel=0.25)
    assert made.intensity == pytest.approx(real.intensity, rel=0.25)


@pytest.mark.real
def test_cars_return_as_many_points_as_real_ones_within_a_factor_of_two(real: Statistics, made: Statistics) -> None:
    for span in ("10-20 m", "20-30 m", "30-40 m", "40-60 m"):
        assert 0.5 < made.object_points["Car"][span][1] / real.object_points["Car"][span][1] < 2


def test_every_class_and_difficulty_has_hundreds_of_objects_in_the_default_validation_split() -> None:
    spec = SimulationSpec()
    sample = statistics([simulate(spec, spec.train_frames + i) for i in range(0, spec.val_frames, 5)])
    assert min(sample.objects[name][d] * spec.val_frames for name in sample.objects for d in sample.objects[name]) > 100
