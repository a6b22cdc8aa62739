"""The checked loading transform: equal points, and a clear line instead of a traceback or NaN losses."""

import numpy as np
import pytest
import torch
from kitti_tiny_root import tiny_scan

from study.errors import InputError
from trainables.datasets.kitti_loading import TRANSFORMS

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
