"""Everything that can be wrong with a nuScenes root is said in one line, and nothing is written or lost over it."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from nuscenes_tiny_root import OBJECTS, VERSION, change_table, table, write_tiny_root

from study.nouns.config import DatasetSpec
from study.nouns.errors import InputError
from study.nouns.lease_places import PREFIX
from trainables import datasets
from trainables.datasets import ready
from trainables.datasets.nuscenes import nuscenes_root
from trainables.datasets.nuscenes.scans import read_scan

NUSCENES = datasets.load("nuscenes")


@pytest.fixture
def root(tmp_path) -> Path:
    return write_tiny_root(tmp_path / "nuscenes")


def lying_in(root: Path) -> list[Path]:
    found = sorted(path for path in root.rglob("*") if path.name != "nuscenes_digest.json")
    return [path for path in found if not path.name.startswith(PREFIX)]


def refused(root: Path, complaint: str, **options) -> None:
    """Preparing says what is wrong in one line and writes nothing."""
    before = lying_in(root)
    with pytest.raises(InputError, match=complaint) as error:
        NUSCENES.prepare(root, NUSCENES.Options(**options))
    assert "\n" not in str(error.value)
    assert lying_in(root) == before


def test_a_root_that_is_not_there_or_empty_or_of_something_else_is_reported(tmp_path):
    refused(tmp_path / "nowhere", r"expected the root of nuScenes at .*nowhere; there is no such folder")
    refused(tmp_path, r"expected the tables of nuScenes at .*, in a folder like v1\.0-mini or .*; found nothing")
    (tmp_path / "samples").mkdir()
    refused(tmp_path, r"expected the tables of nuScenes at .*; found samples")
    with pytest.raises(InputError, match="expected the tables of nuScenes"):
        NUSCENES.check(tmp_path)


def test_a_version_that_is_not_there_is_reported(root):
    refused(root, r"unknown version in .*: 'v1\.0-tinny'\. Did you mean 'v1\.0-tiny'", version="v1.0-tinny")


def test_several_versions_are_told_apart_by_the_option(root):
    shutil.copytree(root / VERSION, root / "v1.0-other")
    refused(root, r"holds v1\.0-other, v1\.0-tiny; say which with --set version=v1\.0-other")
    NUSCENES.prepare(root, NUSCENES.Options(version=VERSION))
    NUSCENES.check(root)


def test_an_own_version_without_lists_of_scenes_is_reported(root):
    (root / VERSION / "splits.json").unlink()
    refused(root, r"must stand in .*splits\.json, as \{\"train\"", version=VERSION)
    refused(root, "expected the tables of nuScenes")


@pytest.mark.parametrize(
    ("lists", "complaint"),
    [
        ({"train": ["scene-9001", "scene-9002"], "val": ["scene-0003"]},
         "no scene of split train is in the tables of .*: it names scene-9001, scene-9002; there are scene-0001"),
        ({"train": ["scene-0001"], "val": ["scene-0001"]}, "for training or for validation; .* has scene-0001 in both"),
        ({"train": ["scene-0001"]}, r"splits\.json must hold"),
        ("not json", "cannot read them"),
    ],
)  # fmt: skip
def test_lists_of_scenes_that_cannot_be_used_are_reported(root, lists, complaint):
    (root / VERSION / "splits.json").write_text(lists if isinstance(lists, str) else json.dumps(lists))
    refused(root, complaint)


def test_a_version_of_nuscenes_whose_scenes_are_not_there_is_reported(tmp_path):
    root = write_tiny_root(tmp_path / "root", version="v1.0-mini")
    refused(root, r"no scene of split train is in the tables of .*v1\.0-mini: it names scene-0061.* and 5 more")


@pytest.mark.parametrize(
    ("name", "field", "asked"),
    [
        ("sample_annotation", "instance_token", "instance"),
        ("sample_annotation", "sample_token", "sample"),
        ("sample_annotation", "next", "sample_annotation"),
        ("sample_data", "ego_pose_token", "ego_pose"),
        ("sample_data", "calibrated_sensor_token", "calibrated_sensor"),
        ("sample", "scene_token", "scene"),
        ("instance", "category_token", "category"),
    ],
)
def test_a_token_that_leads_nowhere_is_reported_with_the_tables(root, name, field, asked):
    records = table(root, name)
    records[-1][field] = "nobody"
    change_table(root, name, records)
    refused(root, rf"{name}\.json in .* names the token 'nobody', which {asked}\.json does not have")


def test_a_table_that_is_missing_broken_or_lacks_a_field_is_reported(root):
    folder = root / VERSION
    whole = (folder / "ego_pose.json").read_text()
    records = table(root, "ego_pose")
    del records[3]["rotation"]
    change_table(root, "ego_pose", records)
    refused(root, r"every record of ego_pose\.json has the field 'rotation'; record 3 of .* has not")
    (folder / "ego_pose.json").write_text(whole[:-5])
    refused(root, r"a table of nuScenes is a JSON list of records; .*ego_pose\.json is no JSON")
    (folder / "ego_pose.json").write_text('{"token": 1}')
    refused(root, r"is a JSON list of records; .*ego_pose\.json holds something else")
    (folder / "ego_pose.json").unlink()
    refused(root, r"expected one of nuScenes' files at .*ego_pose\.json; No such file")


def test_a_sample_without_a_scan_of_the_lidar_is_reported(root):
    records = table(root, "sample_data")
    (own,) = [one for one in records if one["token"] == "scene-0001 data 1 0"]
    own["is_key_frame"] = False
    change_table(root, "sample_data", records)
    refused(root, r"every sample needs a keyframe of LIDAR_TOP; .* has none of 'scene-0001 sample 1'")


def test_an_object_with_two_attributes_is_reported(root):
    records = table(root, "sample_annotation")
    records[0]["attribute_tokens"] *= 2
    change_table(root, "sample_annotation", records)
    refused(root, "an object has at most one attribute; 'scene-0001 object 0 at 0' .* has vehicle.moving, vehicle")


def scan(root: Path, folder: str) -> Path:
    return sorted((root / folder / "LIDAR_TOP").iterdir())[0]


@pytest.mark.parametrize("folder", ["samples", "sweeps"])
def test_a_missing_scan_is_reported_before_and_after_preparing(root, folder):
    path = scan(root, folder)
    content = path.read_bytes()
    path.unlink()
    complaint = rf"are 14 scans; 1 of them are missing, the first is {path}"
    refused(root, complaint)
    path.write_bytes(content)
    nuscenes_root.prepare(root)
    path.unlink()
    with pytest.raises(InputError, match=complaint):
        NUSCENES.check(root)


@pytest.mark.parametrize("folder", ["samples", "sweeps"])
def test_a_scan_of_a_wrong_length_is_reported_with_its_file(root, folder):
    path = scan(root, folder)
    whole = path.stat().st_size
    os.truncate(path, whole - 6)
    refused(root, rf"a scan is rows of 20 bytes .*; {path} has {whole - 6}, 14 bytes too many")
    os.truncate(path, 0)
    refused(root, rf"a scan needs at least one point; {path} is empty")


def test_a_scan_that_holds_nan_is_reported_with_its_row(root):
    nuscenes_root.prepare(root)
    path = scan(root, "sweeps")
    points = np.fromfile(path, dtype=np.float32).reshape(-1, 5)
    points[7, 2] = np.nan
    points.tofile(path)
    with pytest.raises(InputError, match=r"must be finite; .* has NaN or infinity in 1 of \d+ points, first in row 7"):
        NUSCENES.check(root, deep=True)
    with pytest.raises(InputError, match="first in row 7"):
        read_scan(path)


def test_a_training_split_without_an_object_of_a_class_is_refused(tmp_path):
    root = write_tiny_root(tmp_path / "root", objects=OBJECTS[-2:])
    with pytest.raises(InputError, match="training needs a labeled object of a class"):
        nuscenes_root.prepare(root)


def test_a_root_of_another_version_than_mmdet3ds_info_files_is_refused(root):
    nuscenes_root.prepare(root)
    (root / "nuscenes_prepared.json").unlink()
    with pytest.raises(InputError, match=r"mmdet3d has prepared .* of version v1\.0-tiny; to prepare v1\.0-mini"):
        NUSCENES.prepare(root, NUSCENES.Options(version="v1.0-mini"))
    (root / "nuscenes_infos_val.pkl").write_bytes((root / "nuscenes_dbinfos_train.pkl").read_bytes())
    with pytest.raises(InputError, match=r"an info file of mmdet3d 1\.1 or later holds metainfo and data_list"):
        NUSCENES.check(root)


def test_a_run_is_refused_before_it_starts_where_the_root_is_not_prepared(root):
    spec = DatasetSpec(name="nuscenes", root=root)
    with pytest.raises(InputError, match=r"is not prepared: nuscenes_infos_train\.pkl, .* missing"):
        ready.checked(spec)
    nuscenes_root.prepare(root)
    assert ready.checked(spec).digest == NUSCENES.digest(root)
    with pytest.raises(InputError, match=r"a scan of nuScenes.* needs a prepared root"):
        NUSCENES.scan(None)
