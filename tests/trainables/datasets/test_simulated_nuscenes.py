"""The data set of simulated drives: prepared, read and drawn as nuScenes is."""

import re
from pathlib import Path

import numpy as np
import pytest

from study.nouns.config import DatasetSpec
from study.nouns.errors import InputError
from study.nouns.metrics import judge
from study.nouns.overrides import override, validated
from trainables import datasets
from trainables.datasets import ready
from trainables.datasets.nuscenes.prepared_files import infos
from trainables.datasets.nuscenes.scans import swept
from trainables.datasets.simulated_nuscenes.drive import drive
from trainables.datasets.simulated_nuscenes.drives_spec import DrivesSpec, RingSensorSpec

DATA_SET = datasets.load("simulated_nuscenes")
SPEC = DrivesSpec(train_scenes=2, val_scenes=2, keyframes=2, sweeps=2, sensor=RingSensorSpec(columns=120))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drives")
    DATA_SET.prepare(folder, SPEC)
    return folder


def test_simulated_drives_are_prepared_with_the_sweeps_that_belong_to_each_keyframe(root) -> None:
    DATA_SET.check(root, deep=True)
    for split in ("train", "val"):
        listed = infos(root, split)["data_list"]
        assert len(listed) == 4
        for info in listed:
            ages = [info["timestamp"] - sweep["timestamp"] for sweep in info["lidar_sweeps"]]
            assert ages == pytest.approx([0.05, 0.1], abs=1e-5)
            assert len(info["instances"]) > 5


def test_all_sweeps_up_to_the_keyframe_before_are_used_where_all_are_kept(tmp_path) -> None:
    spec = SPEC.model_copy(update={"train_scenes": 1, "val_scenes": 1, "sweeps": 9})
    DATA_SET.prepare(tmp_path, spec)
    for info in infos(tmp_path, "val")["data_list"]:
        ages = [info["timestamp"] - sweep["timestamp"] for sweep in info["lidar_sweeps"]]
        assert ages == pytest.approx([0.05 * k for k in range(1, 11)], abs=1e-5)


def test_info_files_tell_the_velocities_that_were_simulated(root) -> None:
    moving = 0
    for place, info in enumerate(infos(root, "val")["data_list"]):
        made = drive(SPEC, 700 + place // 2)
        turn = [turn for turn in made.turns if turn.keyframe is not None][place % 2]
        seen = np.flatnonzero(turn.returned)
        assert len(seen) == len(info["instances"])
        told = np.array([one["velocity"] for one in info["instances"]])
        # In the LiDAR's frame a speed ahead is along y, and one to the left against x.
        yaw = made.yaws[seen] - turn.pose.yaw
        speed = np.linalg.norm(made.velocities[seen], axis=1)
        known = np.isfinite(told).all(axis=1)
        expected = np.stack([-speed * np.sin(yaw), speed * np.cos(yaw)], 1)
        assert told[known] == pytest.approx(expected[known], abs=1e-4)
        turned = np.array([one["bbox_3d"][6] for one in info["instances"]]) - yaw - np.pi / 2
        assert np.cos(turned) == pytest.approx(1, abs=1e-6)
        moving += np.count_nonzero(speed[known])
    assert moving > 10


def test_sweeps_that_mmdet3d_puts_together_are_those_of_the_simulation(root) -> None:
    info = infos(root, "val")["data_list"][3]
    made = drive(SPEC, 701)
    ours, theirs = made.swept(len(made.turns) - 1, 2), swept(root, info)
    ours = ours[~((np.abs(ours[:, :2]) < 1).all(axis=1))]
    assert ours.shape == theirs.shape
    for age in (0, 0.05, 0.1):
        a, b = (points[np.abs(points[:, 4] - age) < 0.01, :4] for points in (ours, theirs))
        assert len(a) > 1000
        assert a == pytest.approx(b, abs=2e-3)


def test_a_scan_is_there_with_and_without_a_root(root) -> None:
    assert DATA_SET.scan(root).shape[1] == 5
    alone = DATA_SET.scan(None)
    assert alone.dtype == np.float32
    assert alone.shape[1] == 5
    assert 250_000 < len(alone) < 11 * 34_688
    assert len(set(np.round(alone[:, 4], 3).tolist())) == 11


def test_a_picture_shows_keyframes_and_its_format_is_checked(root, tmp_path) -> None:
    path = DATA_SET.draw(root, tmp_path / "some" / "drives.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match=r"expected a picture like street\.png.*got .*drives\.boat"):
        DATA_SET.draw(root, tmp_path / "drives.boat")


def test_a_report_counts_keyframes_and_sets_another_root_beside(root) -> None:
    alone, both = DATA_SET.report(root, SPEC), DATA_SET.report(root, SPEC, root)
    assert re.search(r"keyframes +4$", alone, re.MULTILINE)
    assert re.search(r"sweeps before a keyframe +2\.0  +2\.0$", both, re.MULTILINE)
    assert all(f"{name}: objects" in alone for name in ("car", "bus", "barrier"))
    with pytest.raises(InputError, match="expected the root"):
        DATA_SET.report(root, SPEC, root / "nowhere")


def test_it_is_judged_as_nuscenes_and_a_written_root_is_recognized_as_such(root) -> None:
    judged = judge(DATA_SET.evaluator.metrics)
    assert judged is not None
    assert judged.name == "NDS"
    assert datasets.recognized(root) == "nuscenes"
    assert DATA_SET.digest(root) == ""
    datasets.load("nuscenes").check(root)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"scenes": 3}, r"unknown key 'dataset\.options\.scenes'"),
        ({"train_scene": 3}, r"Did you mean 'dataset\.options\.train_scenes'"),
        ({"keyframes": 1}, r"dataset\.options\.keyframes: .*\(got 1\)"),
        ({"traffic": {"buses": -1}}, r"dataset\.options\.traffic\.buses: .*\(got -1\)"),
        ({"sensor": {"columns": "many"}}, r"dataset\.options\.sensor\.columns: .*many"),
        ({"sweeps": 0, "lead_in_sweeps": 3}, "must not be above the 0 that a keyframe can use"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, complaint) -> None:
    with pytest.raises(InputError, match=complaint) as refused:
        ready.checked(DatasetSpec(name="simulated_nuscenes", options=options))
    assert "\n" not in str(refused.value)


def test_options_make_the_key_and_are_set_by_their_dotted_names() -> None:
    filled = ready.checked(DatasetSpec(name="simulated_nuscenes"))
    assert filled.options["sensor"]["columns"] == 542
    spec = override(validated(DrivesSpec, {}), {"sensor.columns": 1084, "sweeps": 9})
    assert (spec.sensor.columns, spec.reach, len(spec.turns)) == (1084, 10, 11 + 10 + 10)
