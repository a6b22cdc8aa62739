"""Preparing a KITTI root: numbers worked out by hand, and what interruptions and changes do."""

import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from kitti_tiny_root import CALIBRATION, CAR, CAR_IN_LIDAR, DONT_CARE, POINTS_ON_CAR, tiny_scan, write_tiny_root

from study.nouns.errors import InputError
from study.nouns.lease_places import PREFIX
from trainables.datasets.kitti import root as kitti
from trainables.datasets.kitti.infos import difficulty, lidar_boxes
from trainables.datasets.kitti.object_database import drawable_objects
from trainables.datasets.kitti.raw_files import read_calibration, read_labels, read_scan

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path):
    return write_tiny_root(tmp_path / "kitti")


@pytest.fixture
def prepared(root):
    kitti.prepare(root)
    return root


def infos(root: Path, split: str) -> dict:
    return pickle.loads((root / f"kitti_infos_{split}.pkl").read_bytes())


def made_files(root: Path) -> dict[str, bytes]:
    """Everything below `root` by relative path, but leases and the digest that is kept with the times of the labels."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name != "kitti_digest.json"]
    files = [path for path in files if not path.name.startswith(PREFIX)]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_a_camera_box_becomes_the_lidar_box_computed_by_hand(root):
    labels = read_labels(root / "training" / "label_2" / "000000.txt")
    calibration = read_calibration(root / "training" / "calib" / "000000.txt")
    np.testing.assert_allclose(lidar_boxes(labels, calibration)[1], CAR_IN_LIDAR, atol=1e-9)


@pytest.mark.parametrize(
    ("bottom", "occluded", "truncated", "level"),
    [
        (191, 0, 0.15, 0),
        (190, 0, 0, 0),
        (189.99, 0, 0, 1),
        (191, 1, 0, 1),
        (191, 0, 0.3, 1),
        (176, 2, 0.5, 2),
        (175, 0, 0, 1),
        (174.99, 0, 0, -1),
        (191, 3, 0, -1),
    ],
)
def test_difficulty_follows_height_occlusion_and_truncation(tmp_path, bottom, occluded, truncated, level):
    fields = CAR.split()
    fields[1], fields[2], fields[7] = str(truncated), str(occluded), str(bottom)
    (tmp_path / "label.txt").write_text(" ".join(fields))
    assert difficulty(read_labels(tmp_path / "label.txt")).tolist() == [level]


def test_the_reduced_cloud_holds_the_points_inside_the_image(prepared):
    reduced = read_scan(prepared / "training" / "velodyne_reduced" / "000001.bin")
    scan = tiny_scan()
    np.testing.assert_array_equal(reduced, scan[(scan[:, 0] > 0) & (scan[:, 2] < 0)])


def test_an_instance_carries_the_points_inside_its_box(prepared):
    instances = infos(prepared, "val")["data_list"][0]["instances"]
    assert [(o["bbox_label"], o["num_lidar_pts"], o["index"]) for o in instances] == [
        (-1, -1, -1),
        (2, POINTS_ON_CAR, 0),
    ]


def test_the_database_holds_each_object_around_its_bottom_center(prepared):
    entry = pickle.loads((prepared / "kitti_dbinfos_train.pkl").read_bytes())["Car"][1]
    back = read_scan(prepared / entry["path"])
    back[:, :3] += entry["box3d_lidar"][:3]
    scan = tiny_scan()
    np.testing.assert_allclose(back, scan[scan[:, 2] == -1.0], atol=1e-6)


def test_objects_that_sampling_can_draw_are_counted_for_each_class(prepared):
    assert drawable_objects(prepared, {"Car": 12, "Cyclist": 1}) == {"Car": 3, "Cyclist": 0}


def test_objects_with_too_few_points_cannot_be_drawn(prepared):
    assert drawable_objects(prepared, {"Car": 13}) == {"Car": 0}


def test_road_planes_enter_the_infos_where_they_are_given(root):
    (root / "training" / "planes").mkdir()
    for frame in range(5):
        plane = root / "training" / "planes" / f"{frame:06d}.txt"
        plane.write_text("# Plane\nWidth 4\nHeight 1\n0 -1 0 1.65\n")
    kitti.prepare(root)
    assert infos(root, "val")["data_list"][1]["plane"] == [0, -1, 0, 1.65]


def test_a_root_without_road_planes_says_so(prepared):
    assert not kitti.has_planes(prepared)


def test_progress_counts_the_frames_of_each_split(root):
    seen = []
    kitti.prepare(root, progress=lambda *step: seen.append(step))
    assert seen == [("train", 1, 3), ("train", 2, 3), ("train", 3, 3), ("val", 1, 2), ("val", 2, 2)]


def test_a_finished_root_is_left_untouched(prepared):
    before = {path: path.stat().st_mtime_ns for path in prepared.rglob("*") if path.is_file()}
    kitti.prepare(prepared, progress=lambda *step: pytest.fail(f"prepared again: {step}"))
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_changed_label_is_prepared_anew(prepared):
    (prepared / "training" / "label_2" / "000003.txt").write_text(DONT_CARE)
    kitti.prepare(prepared)
    assert len(infos(prepared, "val")["data_list"][0]["instances"]) == 1


def test_a_root_from_create_data_is_taken_as_it_is(prepared):
    (prepared / "kitti_prepared.json").unlink()
    kitti.prepare(prepared, progress=lambda *step: pytest.fail(f"prepared again: {step}"))


def test_a_root_from_create_data_passes_the_check(prepared):
    (prepared / "kitti_prepared.json").unlink()
    kitti.check(prepared, deep=True)


def test_info_files_of_an_old_mmdet3d_are_refused(prepared):
    (prepared / "kitti_prepared.json").unlink()
    (prepared / "kitti_infos_val.pkl").write_bytes(pickle.dumps([{"image": {}}]))
    with pytest.raises(InputError, match=r"holds metainfo and data_list; .*kitti_infos_val.pkl does not"):
        kitti.prepare(prepared)


def killed_in_preparation(root: Path, split: str, frame: int) -> None:
    """Prepare in another process that kills itself with SIGKILL once `frame` frames of `split` are done."""
    code = (
        "import os, signal; from pathlib import Path; from trainables.datasets.kitti import root as kitti\n"
        "def die(*step):\n"
        f"    if step[:2] == ({split!r}, {frame}): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"kitti.prepare(Path({str(root)!r}), progress=die)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False)
    assert ended.returncode == -signal.SIGKILL


def test_an_interrupted_preparation_is_completed(tmp_path, prepared):
    interrupted = write_tiny_root(tmp_path / "interrupted")
    killed_in_preparation(interrupted, "val", 1)
    kitti.prepare(interrupted)
    assert made_files(interrupted) == made_files(prepared)


def test_an_interrupted_preparation_over_an_older_one_is_noticed(prepared):
    label = prepared / "training" / "label_2" / "000000.txt"
    old = label.read_text()
    label.write_text(CAR)
    killed_in_preparation(prepared, "train", 1)
    label.write_text(old)
    with pytest.raises(InputError, match="is not prepared: its preparation was interrupted"):
        kitti.check(prepared)


def test_two_at_once_prepare_a_root_once(root):
    steps = []
    threads = [
        threading.Thread(target=kitti.prepare, args=(root,), kwargs={"progress": lambda *step: steps.append(step)})
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(steps) == 5


def test_a_root_can_be_prepared_into_another_folder(tmp_path, root):
    kitti.prepare(root, into=tmp_path / "elsewhere")
    kitti.check(tmp_path / "elsewhere", deep=True)


def test_preparing_into_another_folder_leaves_the_root_as_it_was(tmp_path, root):
    before = made_files(root)
    kitti.prepare(root, into=tmp_path / "elsewhere")
    assert made_files(root) == before


def test_a_folder_that_cannot_be_written_is_reported(tmp_path, root):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot link .*file/within/ImageSets to .*: Not a directory"):
        kitti.prepare(root, into=tmp_path / "file" / "within")


def test_a_write_that_fails_is_reported_with_its_path(root):
    np.tile(tiny_scan(), (20, 1)).tofile(root / "training" / "velodyne" / "000000.bin")  # larger than a lease
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))  # the kernel refuses bytes past the limit, as on a full disk
    try:
        with pytest.raises(InputError, match=r"cannot write .*velodyne_reduced/000000.bin: File too large"):
            kitti.prepare(root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_fails_leaves_no_partial_file(root):
    test_a_write_that_fails_is_reported_with_its_path(root)
    assert os.listdir(root / "training" / "velodyne_reduced") == []


def test_a_scan_outside_the_image_is_reported(root):
    backwards = CALIBRATION.replace("1 0 0 -0.27", "-1 0 0 -0.27").replace("0 -1 0 0", "0 1 0 0")
    (root / "training" / "calib" / "000001.txt").write_text(backwards)
    scan = tiny_scan()
    scan[scan[:, 0] > 0].tofile(root / "training" / "velodyne" / "000001.bin")
    with pytest.raises(InputError, match=r"none of .*000001.bin projects into it"):
        kitti.prepare(root)


def test_a_training_split_without_objects_is_reported(root):
    for frame in range(3):
        (root / "training" / "label_2" / f"{frame:06d}.txt").write_text(DONT_CARE)
    with pytest.raises(InputError, match=r"a labeled Pedestrian, Cyclist, Car; no frame of .*train.txt has one"):
        kitti.prepare(root)


def test_a_frame_without_image_size_is_reported(root):
    (root / "image_sizes.json").write_text(json.dumps({"000000": [1000, 400]}))
    with pytest.raises(InputError, match="frame 000001 needs an image size"):
        kitti.prepare(root)
