"""Everything that can be wrong with a KITTI root is said in one line, and the root's identity is its content."""

import os
import shutil
import time
from pathlib import Path

import pytest
from kitti_tiny_root import write_tiny_root

from study.nouns.config import DatasetSpec
from study.nouns.errors import InputError
from study.nouns.records import StudyFiles
from trainables.datasets import ready
from trainables.datasets.kitti import root as kitti


@pytest.fixture
def prepared(tmp_path):
    root = write_tiny_root(tmp_path / "kitti")
    kitti.prepare(root)
    return root


def test_a_prepared_root_passes(prepared):
    kitti.check(prepared, deep=True)


def test_a_missing_root_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"expected a KITTI data root at .*nowhere; there is no such folder"):
        kitti.check(tmp_path / "nowhere")


def test_an_empty_root_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"expected a KITTI data root at .*; the folder is empty"):
        kitti.check(tmp_path)


def test_a_root_of_another_layout_is_reported_with_what_was_found(tmp_path):
    (tmp_path / "samples").mkdir()
    with pytest.raises(
        InputError, match=r"expected training/velodyne, training/label_2, training/calib; found samples"
    ):
        kitti.check(tmp_path)


def test_a_root_without_split_lists_is_told_where_to_put_them(prepared):
    shutil.rmtree(prepared / "ImageSets")
    with pytest.raises(InputError, match=r"split list .* at .*ImageSets/train.txt; there is none"):
        kitti.check(prepared)


def test_an_empty_split_list_is_reported(prepared):
    (prepared / "ImageSets" / "val.txt").write_text("\n")
    with pytest.raises(InputError, match=r"at least one frame; .*val.txt has none"):
        kitti.check(prepared)


def test_a_line_that_is_no_frame_is_reported_with_its_number(prepared):
    (prepared / "ImageSets" / "val.txt").write_text("000003\n000004.bin\n")
    with pytest.raises(InputError, match=r"found '000004.bin' in .*val.txt, line 2"):
        kitti.check(prepared)


@pytest.mark.parametrize("file", ["velodyne/000004.bin", "label_2/000004.txt", "calib/000004.txt"])
def test_a_listed_frame_without_a_file_is_reported(prepared, file):
    (prepared / "training" / file).unlink()
    with pytest.raises(
        InputError, match=rf"name 5 frames; 1 of them have no file in .*, the first is {file.split('/')[1]}"
    ):
        kitti.check(prepared)


def test_an_unprepared_root_is_told_the_command(tmp_path):
    root = write_tiny_root(tmp_path / "kitti")
    with pytest.raises(
        InputError, match=rf"is not prepared: .* missing. Run `python run_study.py prepare kitti {root}`"
    ):
        kitti.check(root)


def test_a_lost_reduced_cloud_is_reported(prepared):
    (prepared / "training" / "velodyne_reduced" / "000002.bin").unlink()
    with pytest.raises(
        InputError, match=r"1 frames have no file in training/velodyne_reduced, the first is 000002.bin"
    ):
        kitti.check(prepared)


def test_labels_changed_after_preparation_are_reported(prepared):
    (prepared / "training" / "label_2" / "000004.txt").write_text("")
    with pytest.raises(InputError, match="its labels or split lists have changed since"):
        kitti.check(prepared)


@pytest.mark.parametrize("folder", ["velodyne", "velodyne_reduced"])
def test_a_deep_check_finds_a_truncated_scan(prepared, folder):
    scan = prepared / "training" / folder / "000002.bin"
    scan.write_bytes(scan.read_bytes()[:-1])
    with pytest.raises(InputError, match=rf"{folder}/000002.bin has .* it is truncated"):
        kitti.check(prepared, deep=True)


def test_a_quick_check_reads_no_scan(prepared):
    (prepared / "training" / "velodyne" / "000002.bin").write_bytes(b"?")
    kitti.check(prepared)


def test_the_digest_has_twelve_hexadecimal_characters(prepared):
    assert len(bytes.fromhex(kitti.digest(prepared))) == 6


def test_the_digest_stays_when_the_root_moves(prepared):
    before = kitti.digest(prepared)
    assert kitti.digest(prepared.rename(prepared.parent / "moved")) == before


def test_the_digest_changes_with_a_label(prepared):
    before = kitti.digest(prepared)
    label = prepared / "training" / "label_2" / "000004.txt"
    label.write_text(label.read_text().replace("10.00", "10.01"))
    assert kitti.digest(prepared) != before


def test_the_digest_changes_when_a_frame_changes_sides(prepared):
    before = kitti.digest(prepared)
    (prepared / "ImageSets" / "train.txt").write_text("000000\n000001\n")
    (prepared / "ImageSets" / "val.txt").write_text("000002\n000003\n000004\n")
    assert kitti.digest(prepared) != before


def age(root) -> None:
    """Let the labels have been written an hour ago."""
    for label in (root / "training" / "label_2").iterdir():
        os.utime(label, (time.time() - 3600,) * 2)


def opened_labels(monkeypatch) -> list[Path]:
    """Every label that is read from now on."""
    opened, read = [], Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: (opened.append(path) if path.parent.name == "label_2" else None, read(path))[1]
    )
    return opened


def test_labels_are_read_once_for_the_digest_of_a_root(prepared, monkeypatch):
    age(prepared)
    before = kitti.digest(prepared)
    opened = opened_labels(monkeypatch)
    assert kitti.digest(prepared) == before
    kitti.check(prepared)
    assert opened == []


def test_a_label_that_changes_under_an_old_digest_is_noticed(prepared):
    age(prepared)
    before = kitti.digest(prepared)
    label = prepared / "training" / "label_2" / "000001.txt"
    label.write_text(label.read_text().replace("10.00", "10.01"))
    assert kitti.digest(prepared) != before


def test_a_digest_is_not_kept_while_labels_are_being_written(prepared, monkeypatch):
    kitti.digest(prepared)
    opened = opened_labels(monkeypatch)
    kitti.digest(prepared)
    assert len(opened) == 5


def test_a_digest_that_cannot_be_kept_is_computed(prepared):
    age(prepared)
    before = kitti.digest(prepared)
    (prepared / "kitti_digest.json").write_text("{")
    assert kitti.digest(prepared) == before


def test_a_run_that_was_planned_with_other_labels_does_not_start(prepared, tmp_path):
    spec = ready.checked(DatasetSpec(name="kitti", root=prepared))
    files = StudyFiles(tmp_path, "any")
    assert ready.ensure(spec, files) == prepared
    label = prepared / "training" / "label_2" / "000001.txt"
    label.write_text(label.read_text().replace("10.00", "10.01"))
    kitti.prepare(prepared)
    with pytest.raises(InputError, match=r"which now holds .* have changed since"):
        ready.ensure(spec, files)
