"""Simulated drives on a disk, read by nuScenes' own development kit."""

import contextlib
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from nuscenes import NuScenes
from nuscenes.utils.data_classes import LidarPointCloud
from nuscenes.utils.geometry_utils import points_in_box
from nuscenes.utils.splits import create_splits_scenes
from pyquaternion import Quaternion

from study.nouns.errors import InputError
from trainables.datasets.simulated_nuscenes import drives_root
from trainables.datasets.simulated_nuscenes.drive import Drive, drive
from trainables.datasets.simulated_nuscenes.drives_root import VERSION, scene_names, write
from trainables.datasets.simulated_nuscenes.drives_spec import DrivesSpec, RingSensorSpec
from trainables.datasets.simulated_nuscenes.scene_tables import token
from trainables.datasets.simulated_nuscenes.vehicles import KINDS

EXACT = DrivesSpec(train_scenes=2, val_scenes=1, sensor=RingSensorSpec(range_noise_m=0, dropout=0))
TINY = DrivesSpec(train_scenes=1, val_scenes=1, keyframes=2, sweeps=1, sensor=RingSensorSpec(columns=60))


def load(root: Path) -> NuScenes:
    with contextlib.redirect_stdout(io.StringIO()):
        return NuScenes(VERSION, str(root))


@pytest.fixture(scope="module")
def kit(tmp_path_factory) -> NuScenes:
    return load(write(EXACT, tmp_path_factory.mktemp("drives")))


@pytest.fixture(scope="module")
def drives() -> list[Drive]:
    return [drive(EXACT, number) for number in scene_names(EXACT)]


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_the_development_kit_reads_scenes_of_its_own_splits_in_chains_without_gaps(kit) -> None:
    splits = create_splits_scenes()
    assert [scene["name"] for scene in kit.scene] == [*splits["train"][:2], splits["val"][0]]
    for scene in kit.scene:
        sample = kit.get("sample", scene["first_sample_token"])
        times = [sample["timestamp"]]
        while sample["next"]:
            sample = kit.get("sample", sample["next"])
            times.append(sample["timestamp"])
        assert sample["token"] == scene["last_sample_token"]
        assert np.diff(times).tolist() == [500_000] * 2
        data = kit.get("sample_data", sample["data"]["LIDAR_TOP"])
        backwards = [data]
        while data["prev"]:
            data = kit.get("sample_data", data["prev"])
            assert kit.get("sample_data", data["next"]) == backwards[-1]
            backwards.append(data)
        assert [record["is_key_frame"] for record in backwards] == [True, False, False] * 3
        assert [times[-1] - record["timestamp"] for record in backwards[:4]] == [0, 50_000, 100_000, 500_000]
        for record in backwards:
            owner = kit.get("sample", record["sample_token"])
            assert 0 <= owner["timestamp"] - record["timestamp"] <= 100_000, "a sweep belongs to the next keyframe"
            assert kit.get("ego_pose", record["ego_pose_token"])["timestamp"] == record["timestamp"]


def test_the_development_kit_estimates_the_velocities_that_were_simulated(kit, drives) -> None:
    moving = 0
    for made in drives:
        yaw = made.course[0]
        turned = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        for m, velocity in enumerate(made.velocities @ turned.T):
            for k in range(3):
                annotation = token(made.number, "annotation", m, k)
                if annotation in kit._token2ind["sample_annotation"]:
                    estimated = kit.box_velocity(annotation)
                    if not np.isnan(estimated).any():
                        assert estimated == pytest.approx(velocity, abs=1e-6)
                        moving += np.linalg.norm(velocity) > 0.5
    assert moving > 60


def test_boxes_in_the_lidar_s_frame_hold_the_points_that_their_annotations_count(kit) -> None:
    checked = 0
    for sample in kit.sample:
        path, boxes, _ = kit.get_sample_data(sample["data"]["LIDAR_TOP"])
        points = LidarPointCloud.from_file(path).points[:3]
        assert len(boxes) == len(sample["anns"]) > 10
        for box, annotation in zip(boxes, (kit.get("sample_annotation", t) for t in sample["anns"]), strict=True):
            count = annotation["num_lidar_pts"]
            assert count >= 1
            box.wlh = box.wlh + 0.006  # points are rounded to a millimeter
            inside = int(points_in_box(box, points).sum())
            assert inside >= count
            if annotation["category_name"] == "vehicle.bus.rigid" and count > 300:
                assert inside < 1.1 * count + 10
            checked += count > 20
    assert checked > 60


def test_swept_points_of_a_moving_object_coincide_when_they_are_moved_by_its_velocity(kit, drives) -> None:
    """The kit puts sweeps together by the poses; what then is smeared moves at the velocity that the kit estimates."""
    checked = lagging = 0
    for made, k in ((made, k) for made in drives for k in range(3)):
        sample = kit.get("sample", token(made.number, "sample", k))
        last = next(i for i, turn in enumerate(made.turns) if turn.keyframe == k)
        cloud, ages = LidarPointCloud.from_file_multisweep(kit, sample, "LIDAR_TOP", "LIDAR_TOP", nsweeps=3)
        assert sorted(set(np.round(ages[0], 3))) == pytest.approx([0, 0.05, 0.1])
        pose = kit.get("ego_pose", kit.get("sample_data", sample["data"]["LIDAR_TOP"])["ego_pose_token"])
        into_lidar = Quaternion(axis=[0, 0, 1], radians=np.pi / 2) * Quaternion(pose["rotation"]).inverse
        _, boxes, _ = kit.get_sample_data(sample["data"]["LIDAR_TOP"])
        box_of = dict(zip(sample["anns"], boxes, strict=True))
        for m in np.flatnonzero(np.linalg.norm(made.velocities, axis=1) > 4):
            annotation = token(made.number, "annotation", m, k)
            if annotation not in box_of or np.isnan(kit.box_velocity(annotation)).any():
                continue
            box, velocity = box_of[annotation], into_lidar.rotate(kit.box_velocity(annotation))
            box.wlh = box.wlh + 0.006  # points are rounded to a millimeter
            old = np.abs(ages[0] - 0.1) < 0.01
            where, before = cloud.points[:3, old], made.turns[last - 2].returned[m]
            moved = points_in_box(box, where + velocity[:, None] * ages[:, old]).sum()
            assert moved >= before, "all points of two turns before are where it is now"
            if before > 40:
                checked += 1
                lagging += points_in_box(box, where).sum() < before
    assert checked >= 8
    assert lagging >= checked / 3, "unmoved, those that drive away trail behind their boxes"


def test_objects_have_categories_sizes_and_attributes_as_the_kit_knows_them(kit) -> None:
    assert {record["name"] for record in kit.category} == {kind.category for kind in KINDS.values()}
    for annotation in kit.sample_annotation:
        names = [kit.get("attribute", t)["name"] for t in annotation["attribute_tokens"]]
        bare = annotation["category_name"].startswith("movable_object")
        assert len(names) == (not bare)
        width, length, height = annotation["size"]
        if annotation["category_name"] != "movable_object.barrier":
            assert length > width * 0.7
        assert 0.7 < height < 5
        assert kit.get("visibility", annotation["visibility_token"])["level"].startswith("v")
    for instance in kit.instance:
        annotation, count = kit.get("sample_annotation", instance["first_annotation_token"]), 1
        while annotation["next"]:
            annotation, count = kit.get("sample_annotation", annotation["next"]), count + 1
        assert annotation["token"] == instance["last_annotation_token"]
        assert count == instance["nbr_annotations"]


def test_every_class_occurs_near_the_car_in_both_splits_of_the_default() -> None:
    spec = DrivesSpec(sweeps=0)
    for numbers in spec.numbers.values():
        near: Counter[str] = Counter()
        for number in numbers:
            made = drive(spec, number)
            for turn in made.turns:
                places = made.starts + made.velocities * turn.time
                far = np.hypot(places[:, 0] - turn.pose.s, places[:, 1] - turn.pose.t)
                near.update(np.array(made.kinds)[(far < 24) & (turn.returned >= 5)].tolist())
        assert set(near) == set(KINDS)
        assert min(near.values()) >= 10


def test_a_scan_is_about_as_dense_as_a_real_one() -> None:
    """The real keyframe of nuScenes' first scene: 34,688 points, 24 % of them on its own car; 6,522 pillars."""
    spec = DrivesSpec(sweeps=0, sensor=RingSensorSpec(columns=1084))
    counts = []
    for number in range(12):
        points = drive(spec, number).turns[0].points
        near = points[(np.abs(points[:, :2]) < 50).all(1) & (points[:, 2] > -5) & (points[:, 2] < 3)]
        pillars = len(np.unique(np.floor(near[:, :2] / 0.25), axis=0))
        counts.append((len(points), len(near), pillars, points[:, 3].mean()))
    whole, near, pillars, intensity = np.mean(counts, axis=0)
    assert 0.75 * 34_688 < whole < 34_688
    assert 0.75 * 32_242 < near < 32_242
    assert 0.7 * 6_522 < pillars < 1.1 * 6_522
    assert intensity == pytest.approx(20, abs=4)


def test_the_same_spec_writes_the_same_bytes_after_an_interruption_too(tmp_path) -> None:
    whole = contents(write(TINY, tmp_path / "whole"))
    assert "simulation.json" in whole
    assert len([name for name in whole if name.endswith(".bin")]) == 2 * 4

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(TINY, tmp_path / "part", stop)
    assert not (tmp_path / "part" / "simulation.json").exists()
    assert contents(write(TINY, tmp_path / "part")) == whole


def test_a_complete_root_is_left_as_it_is_and_a_lost_scan_is_made_again(tmp_path, monkeypatch) -> None:
    before = contents(write(TINY, tmp_path))
    lost = next((tmp_path / "sweeps" / "LIDAR_TOP").iterdir())
    lost.unlink()
    assert contents(write(TINY, tmp_path)) == before
    monkeypatch.setattr(drives_root, "drive", None)  # would fail if a scene were made
    write(TINY, tmp_path)


def test_progress_counts_every_scene(tmp_path) -> None:
    calls: list[tuple[int, int]] = []
    write(TINY, tmp_path, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 2), (2, 2)]


def test_other_data_is_not_written_over(tmp_path) -> None:
    write(TINY, tmp_path / "made")
    with pytest.raises(InputError, match=r"another simulation \(seed = 0 there, 7 asked for"):
        write(TINY.model_copy(update={"seed": 7}), tmp_path / "made")
    (tmp_path / "real" / "samples").mkdir(parents=True)
    with pytest.raises(InputError, match="no simulation wrote"):
        write(TINY, tmp_path / "real")


def test_scans_are_five_columns_of_float32_in_files_named_by_log_and_time(tmp_path) -> None:
    root = write(TINY, tmp_path)
    for record in json.loads((root / VERSION / "sample_data.json").read_text()):
        path = root / record["filename"]
        points = np.fromfile(path, np.float32).reshape(-1, 5)
        assert np.isfinite(points).all()
        assert path.name.endswith(f"__LIDAR_TOP__{record['timestamp']}.pcd.bin")
        assert path.parent.parent.name == ("samples" if record["is_key_frame"] else "sweeps")
