"""What the camera sees of a box, and the label line that says so."""

import numpy as np
import pytest

from trainables.datasets.simulated.camera import KITTI_CAMERA, Camera, occlusion_level
from trainables.datasets.simulated.frames import Frame, read_frames
from trainables.datasets.simulated.simulation_spec import SensorSpec, SimulationSpec
from trainables.datasets.simulated.simulator import simulate, write

# 100 pixels a meter at 1 m, center of the picture at (500, 200); camera axes are x right = -y, y down = -z, z = x.
PLAIN = Camera(
    projection=np.array([[100.0, 0, 500, 0], [0, 100, 200, 0], [0, 0, 1, 0]]),
    rectification=np.eye(3),
    from_lidar=np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0]]),
    width=1000,
    height=400,
)


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    spec = SimulationSpec(seed=3, sensor=SensorSpec(field_of_view_deg=100))
    return [simulate(spec, i) for i in range(6)]


def test_the_outline_of_a_box_straight_ahead_is_its_rear_face() -> None:
    # 2 m wide, 4 m long, 1 m high, its rear 10 m ahead: 100 px/m / 10 m = 10 px/m.
    corners = PLAIN.corners(np.array([[12.0, 0, -0.5, 4, 2, 1, 0.0]]))[0]
    assert PLAIN.outline(corners) == pytest.approx([490, 195, 510, 205])


def test_a_box_across_shows_its_length() -> None:
    corners = PLAIN.corners(np.array([[11.0, 0, -0.5, 4, 2, 1, np.pi / 2]]))[0]
    assert PLAIN.outline(corners) == pytest.approx([480, 195, 520, 205])


def test_truncation_is_the_share_of_the_outline_outside_the_picture() -> None:
    inside, truncation = PLAIN.clip(np.array([-30.0, 100, 10, 200]))
    assert inside == pytest.approx([0, 100, 10, 200])
    assert truncation == pytest.approx(0.75)


def test_a_box_behind_the_camera_has_no_outline() -> None:
    assert PLAIN.outline(PLAIN.corners(np.array([[-12.0, 0, -0.5, 4, 2, 1, 0.0]]))[0]) is None


def test_a_box_beside_the_camera_is_cut_off_where_the_camera_stands() -> None:
    outline = PLAIN.outline(PLAIN.corners(np.array([[0.0, 3, -0.5, 4, 2, 1, 0.0]]))[0])
    assert outline is not None
    # Its right side, 2 m to the left, is 100 px left of the center at its front, 2 m ahead.
    assert outline[2] == pytest.approx(500 - 100)
    assert outline[0] < -1000


@pytest.mark.parametrize(("share", "level"), [(1.0, 0), (0.8, 0), (0.79, 1), (0.45, 1), (0.44, 2), (0.12, 2), (0.1, 3)])
def test_occlusion_levels_follow_the_visible_share(share: float, level: int) -> None:
    assert occlusion_level(share) == level


def test_corners_of_a_labeled_box_project_onto_its_2d_box(frames: list[Frame]) -> None:
    checked = 0
    for frame in frames:
        for corners, box in zip(KITTI_CAMERA.corners(frame.boxes), frame.boxes_2d, strict=True):
            if corners[:, 2].min() > 1:
                uv = np.clip(KITTI_CAMERA.pixels(corners)[:, :2], 0, [1241, 374])
                assert np.concatenate([uv.min(0), uv.max(0)]) == pytest.approx(box, abs=1e-6)
                checked += 1
    assert checked > 30


def test_every_labeled_box_holds_points(frames: list[Frame]) -> None:
    assert min(count for frame in frames for count in frame.points_in_boxes()) > 0


def test_all_three_classes_and_all_occlusion_levels_occur(frames: list[Frame]) -> None:
    assert {"Car", "Pedestrian", "Cyclist"} <= {name for frame in frames for name in frame.names}
    assert {0, 1, 2} <= {int(level) for frame in frames for level in frame.occlusion}


def test_truncated_objects_touch_the_edge_of_the_picture(frames: list[Frame]) -> None:
    cut = [(f.truncation[i], f.boxes_2d[i]) for f in frames for i in range(len(f.names)) if f.truncation[i] > 0.05]
    assert cut
    assert all(b[0] == 0 or b[1] == 0 or b[2] == 1241 or b[3] == 374 for _, b in cut)


def test_labels_and_boxes_survive_the_files(tmp_path, frames: list[Frame]) -> None:
    spec = SimulationSpec(seed=3, train_frames=1, val_frames=1, sensor=SensorSpec(field_of_view_deg=100))
    write(spec, tmp_path)
    read, made = read_frames(tmp_path, ["000001"])[0], frames[1]
    assert read.names == made.names
    assert read.boxes == pytest.approx(made.boxes, abs=0.02)
    assert read.boxes_2d == pytest.approx(made.boxes_2d, abs=0.006)
    assert (read.occlusion == made.occlusion).all()
    assert (read.points == made.points).all()
    assert len(read.dont_care) == len(made.dont_care)


def test_alpha_is_the_turn_seen_along_the_ray() -> None:
    box = np.array([[10.0, -10.0, -0.5, 4, 2, 1, 0.3]])
    frame = Frame(np.zeros((0, 4)), box, ("Car",), np.zeros(1), np.zeros(1, int), np.zeros((1, 4)), box[:0, :4], PLAIN)
    fields = frame.label_lines().split()
    assert float(fields[14]) == pytest.approx(-0.3 - np.pi / 2, abs=0.006)
    assert float(fields[3]) == pytest.approx(-0.3 - np.pi / 2 - np.pi / 4, abs=0.006)
    assert [float(v) for v in fields[8:14]] == pytest.approx([1, 2, 4, 10, 0.5, 10])
