"""The checked transforms: equal points, and a clear line or another scan instead of a traceback or NaN losses."""

import numpy as np
import pytest
import torch
from kitti_tiny_root import tiny_scan

import trainables.datasets.points_in_range  # noqa: F401  registered by name
from study.nouns.errors import InputError
from trainables.datasets.kitti.loading import TRANSFORMS

SETTINGS = {"coord_type": "LIDAR", "load_dim": 4, "use_dim": 4}


def load(transform: str, path) -> torch.Tensor:
    step = TRANSFORMS.build({"type": f"mmdet3d.{transform}", **SETTINGS})
    return step({"lidar_points": {"lidar_path": str(path)}})["points"].tensor


def test_checked_points_equal_those_of_the_stock_transform(tmp_path):
    tiny_scan().tofile(tmp_path / "000000.bin")
    assert torch.equal(
        load("CheckedLoadPoints", tmp_path / "000000.bin"), load("LoadPointsFromFile", tmp_path / "000000.bin")
    )


def test_a_scan_truncated_after_preparation_fails_with_its_path(tmp_path):
    (tmp_path / "000000.bin").write_bytes(tiny_scan().tobytes()[:-2])
    with pytest.raises(InputError, match=r"000000.bin has 414, 14 bytes too many: it is truncated"):
        load("CheckedLoadPoints", tmp_path / "000000.bin")


def test_nan_points_written_after_preparation_fail_with_their_path(tmp_path):
    np.full((3, 4), np.nan, dtype=np.float32).tofile(tmp_path / "000000.bin")
    with pytest.raises(InputError, match=r"000000.bin has NaN or infinity in 3 of 3 points"):
        load("CheckedLoadPoints", tmp_path / "000000.bin")


RANGE = [0, -10, -3, 20, 10, 1]


def in_range(transform: str, points: torch.Tensor, **results):
    from mmdet3d.structures import LiDARPoints

    step = TRANSFORMS.build({"type": f"mmdet3d.{transform}", "point_cloud_range": RANGE})
    return step({"points": LiDARPoints(points, points_dim=4), **results})


def test_a_scan_with_points_in_range_is_cut_as_mmdet3d_cuts_it():
    points = torch.as_tensor(tiny_scan().reshape(-1, 4))
    ours, theirs = (
        in_range(transform, points)["points"].tensor for transform in ("PointsInRange", "PointsRangeFilter")
    )
    assert 0 < len(ours) < len(points)
    assert torch.equal(ours, theirs)


def test_a_scan_without_points_in_range_is_skipped_in_training():
    assert in_range("PointsInRange", torch.full((5, 4), 99.0), gt_bboxes_3d=[]) is None


def test_a_scan_without_points_in_range_is_validated_with_one_in_the_middle():
    left = in_range("PointsInRange", torch.full((5, 4), 99.0))["points"].tensor
    assert left.tolist() == [[10.0, 0.0, -1.0, 0.0]]
