"""From nuScenes' tables to what training and evaluation read: equal to mmdet3d's converter, and completed."""

import importlib
import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from nuscenes_tiny_root import CAMERAS, MINI, VERSION, change_table, table, write_tiny_root

from study.nouns.errors import InputError
from trainables import datasets
from trainables.datasets.nuscenes import ground_truth, nuscenes_root, prepared_files
from trainables.datasets.nuscenes.scans import read_scan, swept
from trainables.ops.points_in_boxes import points_in_boxes

import mmdet3d  # isort: skip - after the operators are plugged in
from mmengine.registry import init_default_scope  # isort: skip

NUSCENES = datasets.load("nuscenes")
TRAIN, VAL = "nuscenes_infos_train.pkl", "nuscenes_infos_val.pkl"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A prepared root of nuScenes' own version v1.0-mini."""
    root = write_tiny_root(tmp_path_factory.mktemp("data") / "nuscenes", version="v1.0-mini", scenes=MINI)
    nuscenes_root.prepare(root)
    return root


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> Path:
    """The same tables, prepared by mmdet3d's own converter, which looks for them in ./data/nuscenes."""
    here = tmp_path_factory.mktemp("converter")
    root = write_tiny_root(here / "data" / "nuscenes", version="v1.0-mini", scenes=MINI)
    tools = Path(mmdet3d.__path__[0]) / ".mim" / "tools" / "dataset_converters"
    before = Path.cwd()
    os.chdir(here)
    sys.path.insert(0, str(tools))
    try:
        importlib.import_module("nuscenes_converter").create_nuscenes_infos("./data/nuscenes", "nuscenes", "v1.0-mini")
        for name in (TRAIN, VAL):
            importlib.import_module("update_infos_to_v2").update_nuscenes_infos(
                f"./data/nuscenes/{name}", "./data/nuscenes"
            )
    finally:
        sys.path.remove(str(tools))
        os.chdir(before)
    return root


def infos(root: Path, name: str) -> dict:
    return pickle.loads((root / name).read_bytes())


def files(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob("nuscenes_*") if path.is_file()}


@pytest.mark.parametrize("name", [TRAIN, VAL])
def test_info_files_equal_those_of_mmdet3ds_converter(root, converted, name):
    ours, theirs = infos(root, name), infos(converted, name)
    for field in ("dataset", "version", "info_version"):
        assert ours["metainfo"][field] == theirs["metainfo"][field]
    assert len(ours["data_list"]) == len(theirs["data_list"]) == 6
    for one, other in zip(ours["data_list"], theirs["data_list"], strict=True):
        assert set(one) - set(other) <= {"images"}
        for field in ("sample_idx", "token", "timestamp", "ego2global", "lidar_points"):
            assert one[field] == other[field]
        assert len(one.get("lidar_sweeps", ())) == len(other.get("lidar_sweeps", ()))
        for sweep, same in zip(one.get("lidar_sweeps", ()), other.get("lidar_sweeps", ()), strict=True):
            assert (sweep["timestamp"], sweep["sample_data_token"]) == (same["timestamp"], same["sample_data_token"])
            np.testing.assert_allclose(
                sweep["lidar_points"]["lidar2sensor"], same["lidar_points"]["lidar2sensor"], atol=2e-6
            )
            assert same["lidar_points"]["lidar_path"].endswith("/" + sweep["lidar_points"]["lidar_path"])
        assert len(one["instances"]) == len(other["instances"]) > 0
        for instance, same in zip(one["instances"], other["instances"], strict=True):
            exact = ("bbox_label", "bbox_label_3d", "num_lidar_pts", "num_radar_pts", "bbox_3d_isvalid")
            assert [instance[field] for field in exact] == [same[field] for field in exact]
            np.testing.assert_allclose(instance["bbox_3d"], same["bbox_3d"], atol=1e-9)
            np.testing.assert_allclose(instance["velocity"], same["velocity"], atol=1e-9)


def test_an_object_of_one_keyframe_has_no_velocity_and_one_of_no_class_has_no_label(root):
    instances = [one for info in infos(root, TRAIN)["data_list"] for one in info["instances"]]
    cones = [one for one in instances if one["bbox_label"] == 8]
    assert len(cones) == 2
    assert np.isnan([one["velocity"] for one in cones]).all()
    assert sum(one["bbox_label"] == -1 for one in instances) == 12  # debris and racks


def test_a_keyframe_names_as_many_sweeps_as_are_asked_for(root, tmp_path):
    counts = [len(info.get("lidar_sweeps", ())) for info in infos(root, TRAIN)["data_list"]]
    assert counts == [0, 3, 6] * 2
    other = write_tiny_root(tmp_path / "root")
    nuscenes_root.prepare(other, max_sweeps=2)
    assert [len(info.get("lidar_sweeps", ())) for info in infos(other, TRAIN)["data_list"]] == [0, 2, 2] * 2
    before = prepared_files.digest(other)
    nuscenes_root.prepare(other, max_sweeps=4)
    assert [len(info.get("lidar_sweeps", ())) for info in infos(other, TRAIN)["data_list"]] == [0, 3, 4] * 2
    assert prepared_files.digest(other) != before


def test_sweeps_come_to_lie_on_what_stands_still_although_the_vehicle_turns(root):
    info = infos(root, TRAIN)["data_list"][2]
    points = swept(root, info)
    (parked,) = [one for one in info["instances"] if one["bbox_label"] == 0 and abs(one["velocity"][0]) < 1e-6]
    box = np.array(parked["bbox_3d"])
    box[2] -= box[5] / 2
    inside = points[points_in_boxes(points[:, :3], box[None])[0]]
    ages = sorted({round(float(age), 2) for age in inside[:, 4]})
    assert ages == [0, 0.05, 0.1, 0.5, 0.55, 0.6, 1.0]
    assert len(inside) == 7 * 9


def test_every_object_of_a_class_is_in_the_database_with_its_points_and_no_other(root):
    database = infos(root, "nuscenes_dbinfos_train.pkl")
    assert list(database) == list(ground_truth.CLASSES)
    assert {name: len(objects) for name, objects in database.items() if objects} == {
        "car": 12, "truck": 6, "bicycle": 12, "pedestrian": 6, "traffic_cone": 2
    }  # fmt: skip
    for objects in database.values():
        for one in objects:
            points = np.fromfile(root / one["path"], dtype=np.float32).reshape(-1, 5)
            assert len(points) == one["num_points_in_gt"] > 0
            size = one["box3d_lidar"][3:6]
            assert np.abs(points[:, :2]).max() < np.hypot(*size[:2]) / 2
            assert -1e-4 < points[:, 2].min() <= points[:, 2].max() < size[2] + 1e-4
    assert np.isfinite([one["box3d_lidar"] for objects in database.values() for one in objects]).all()


def test_the_database_equals_mmdet3ds_where_labels_are_of_a_class(root, converted):
    init_default_scope("mmdet3d")
    tools = Path(mmdet3d.__path__[0]) / ".mim" / "tools" / "dataset_converters"
    sys.path.insert(0, str(tools.parent.parent))
    try:
        made = importlib.import_module("tools.dataset_converters.create_gt_database").create_groundtruth_database
    finally:
        sys.path.remove(str(tools.parent.parent))
    made("NuScenesDataset", str(converted), "nuscenes", str(converted / TRAIN))
    ours, theirs = (infos(folder, "nuscenes_dbinfos_train.pkl") for folder in (root, converted))
    for name in ("car", "truck", "bicycle", "pedestrian", "traffic_cone"):
        assert len(ours[name]) == len(theirs[name])
        for one, other in zip(ours[name], theirs[name], strict=True):
            assert one["image_idx"] == other["image_idx"]
            np.testing.assert_allclose(one["box3d_lidar"], other["box3d_lidar"], atol=1e-6)
            points, same = (
                np.fromfile(folder / info["path"], dtype=np.float32).reshape(-1, 5)
                for folder, info in ((root, one), (converted, other))
            )
            now, then = points[points[:, 4] == 0], same[same[:, 4] == 0]  # sweeps lie elsewhere there
            np.testing.assert_allclose(now, then, atol=2e-5)


def test_what_is_ready_is_left_untouched(root):
    before = files(root)
    nuscenes_root.prepare(root)
    NUSCENES.check(root, deep=True)
    assert {name: at for name, at in files(root).items() if name != "nuscenes_digest.json"} == {
        name: at for name, at in before.items() if name != "nuscenes_digest.json"
    }


@pytest.mark.parametrize("died", [1, 8, 14])
def test_an_interrupted_preparation_is_noticed_and_completed(tmp_path, died):
    root, whole = (write_tiny_root(tmp_path / name) for name in ("root", "whole"))
    nuscenes_root.prepare(whole)
    told: list[str] = []

    def die(what: str, done: int, total: int) -> None:
        told.append(what)
        if len(told) == died:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nuscenes_root.prepare(root, progress=die)
    with pytest.raises(InputError, match=r"is not prepared: .* Run `python run_study\.py prepare nuscenes"):
        NUSCENES.check(root)
    nuscenes_root.prepare(root)
    NUSCENES.check(root, deep=True)
    for name in files(whole):
        if name not in ("nuscenes_digest.json", "nuscenes_prepared.json"):
            assert (root / name).read_bytes() == (whole / name).read_bytes()
    assert NUSCENES.digest(root) == NUSCENES.digest(whole)


def test_changed_tables_are_noticed_and_prepared_anew(tmp_path):
    root = write_tiny_root(tmp_path / "root")
    nuscenes_root.prepare(root)
    before = NUSCENES.digest(root)
    annotations = table(root, "sample_annotation")
    annotations[0]["size"][0] *= 2
    change_table(root, "sample_annotation", annotations)
    with pytest.raises(InputError, match="its tables have changed since"):
        NUSCENES.check(root)
    nuscenes_root.prepare(root)
    assert infos(root, TRAIN)["data_list"][0]["instances"][0]["bbox_3d"][4] == annotations[0]["size"][0]
    assert NUSCENES.digest(root) != before


def test_cameras_need_not_be_there(root, tmp_path):
    bare = write_tiny_root(tmp_path / "bare", version="v1.0-mini", scenes=MINI)
    kept = [record for record in table(bare, "sample_data", "v1.0-mini") if "CAM" not in record["token"]]
    change_table(bare, "sample_data", kept, "v1.0-mini")
    for name in ("sensor", "calibrated_sensor"):
        records = table(bare, name, "v1.0-mini")
        change_table(bare, name, [one for one in records if not any(c in one["token"] for c in CAMERAS)], "v1.0-mini")
    nuscenes_root.prepare(bare)
    assert (bare / VAL).read_bytes() == (root / VAL).read_bytes()


def test_a_root_that_mmdet3d_has_prepared_is_taken_as_it_is(converted, tmp_path):
    root = tmp_path / "nuscenes"
    shutil.copytree(converted, root)
    kept = {name: (root / name).read_bytes() for name in (TRAIN, VAL)}
    nuscenes_root.prepare(root)
    NUSCENES.check(root, deep=True)
    assert {name: (root / name).read_bytes() for name in (TRAIN, VAL)} == kept
    assert prepared_files.prepared_version(root) == "v1.0-mini"
    assert NUSCENES.scan(root).shape[1] == 5
    attributes = {name for asked in ground_truth.read(root, "val") for name in asked.attributes}
    assert "vehicle.moving" in attributes
    before = NUSCENES.digest(root)
    shutil.move(root, tmp_path / "elsewhere")
    assert NUSCENES.digest(tmp_path / "elsewhere") == before


def test_info_files_are_enough_where_the_tables_are_gone(root, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(root, bare)
    shutil.rmtree(bare / "v1.0-mini")
    for name in ("nuscenes_prepared.json", "nuscenes_truth_train.pkl", "nuscenes_truth_val.pkl"):
        (bare / name).unlink()
    nuscenes_root.prepare(bare)
    NUSCENES.check(bare)
    for own, told in zip(ground_truth.read(bare, "val"), ground_truth.read(root, "val"), strict=True):
        assert own.kinds == told.kinds
        np.testing.assert_allclose(own.translation, told.translation, atol=1e-3)
        np.testing.assert_allclose(own.velocity, told.velocity, atol=0.1)  # without the vehicle's tilt
        np.testing.assert_allclose(own.size, told.size)
        assert set(own.attributes) == {""}


def test_a_root_that_cannot_be_written_is_prepared_elsewhere(tmp_path):
    root = write_tiny_root(tmp_path / "root")
    NUSCENES.prepare(root, NUSCENES.Options(), into=tmp_path / "into")
    NUSCENES.check(tmp_path / "into", deep=True)
    assert not list(root.glob("nuscenes_*"))
    NUSCENES.prepare(root, NUSCENES.Options(), into=tmp_path / "into")


def test_a_root_is_recognized_by_its_tables(root, tmp_path):
    assert datasets.recognized(root) == "nuscenes"
    assert datasets.recognized(write_tiny_root(tmp_path / "own")) == "nuscenes"


def test_scenes_of_own_versions_are_split_as_their_lists_say(tmp_path):
    scenes = {"train": ["scene-0002"], "val": ["scene-0003", "scene-0004"]}
    root = write_tiny_root(tmp_path / "root")
    (root / VERSION / "splits.json").write_text(json.dumps(scenes))
    nuscenes_root.prepare(root)
    assert {info["token"][:10] for info in infos(root, TRAIN)["data_list"]} == {"scene-0002"}
    assert {asked.scene for asked in ground_truth.read(root, "val")} == {
        "token of scene-0003", "token of scene-0004"
    }  # fmt: skip


def test_a_scan_holds_the_points_of_its_file(root):
    info = infos(root, VAL)["data_list"][0]
    path = root / "samples" / "LIDAR_TOP" / info["lidar_points"]["lidar_path"]
    assert read_scan(path).tobytes() == path.read_bytes()
