"""A KITTI root small enough to work out by hand: one car in front of a LiDAR that looks where the camera looks.

The camera stands 0.08 m below and 0.27 m ahead of the LiDAR, without rotation: a LiDAR point (x, y, z) is at
(-y, -z - 0.08, x - 0.27) in the camera frame. The image has 1,000 x 400 pixels, the focal length is 500.
"""

import json
from pathlib import Path

import numpy as np

CAR = "Car 0.10 0 0.50 300.00 150.00 400.00 200.00 1.50 1.60 4.00 2.00 1.70 10.00 0.30"
DONT_CARE = "DontCare -1 -1 -10 500 150 520 170 -1 -1 -1 -1000 -1000 -1000 -10"
CALIBRATION = """P0: 500 0 500 0 0 500 200 0 0 0 1 0
P2: 500 0 500 0 0 500 200 0 0 0 1 0
R0_rect: 1 0 0 0 1 0 0 0 1
Tr_velo_to_cam: 0 -1 0 0 0 0 -1 -0.08 1 0 0 -0.27
"""
CAR_IN_LIDAR = (10.27, -2.0, -1.78, 4.0, 1.6, 1.5, -0.3 - np.pi / 2)  # by hand from CAR and CALIBRATION
POINTS_ON_CAR = 12


def tiny_scan() -> np.ndarray:
    """12 points in the car, 5 on the road beside it, 7 behind the LiDAR, 2 above the image."""
    on_car = np.column_stack(
        [np.linspace(10.0, 10.5, POINTS_ON_CAR), np.full(POINTS_ON_CAR, -2.0), np.full(POINTS_ON_CAR, -1.0)]
    )
    road = np.array([[20.0 + i, 3.0, -1.7] for i in range(5)])
    behind = np.array([[-10.0 - i, 1.0, -1.7] for i in range(7)])
    above = np.array([[5.0, 0.0, 4.0], [5.0, 1.0, 4.0]])
    points = np.concatenate([behind, on_car, above, road])
    return np.column_stack([points, np.linspace(0, 1, len(points))]).astype(np.float32)


def write_tiny_root(root: Path, train: int = 3, val: int = 2) -> Path:
    """Write `train` + `val` equal frames, numbered from 0, in KITTI's own layout."""
    names = [f"{number:06d}" for number in range(train + val)]
    for folder in ("velodyne", "label_2", "calib"):
        (root / "training" / folder).mkdir(parents=True)
    (root / "ImageSets").mkdir()
    (root / "ImageSets" / "train.txt").write_text("\n".join(names[:train]) + "\n")
    (root / "ImageSets" / "val.txt").write_text("\n".join(names[train:]) + "\n")
    (root / "image_sizes.json").write_text(json.dumps({name: [1000, 400] for name in names}))
    for name in names:
        tiny_scan().tofile(root / "training" / "velodyne" / f"{name}.bin")
        (root / "training" / "label_2" / f"{name}.txt").write_text(f"{DONT_CARE}\n{CAR}\n")
        (root / "training" / "calib" / f"{name}.txt").write_text(CALIBRATION)
    return root
