"""What mmcv 2.1.0's own compiled CPU operators answer, kept in operators.npz for a comparison without a compiler.

Made with a full mmcv in an environment of its own, within ten minutes on one core (g++ 12; torch is written in C++20):

    python3.11 -m venv build/mmcv
    build/mmcv/bin/pip install torch==2.13.0 numpy==2.4.6 "setuptools<81" wheel ninja psutil
    build/mmcv/bin/pip download mmcv==2.1.0 --no-binary mmcv --no-deps --no-build-isolation -d build
    tar -xf build/mmcv-2.1.0.tar.gz -C build
    sed -i s/-std=c++17/-std=c++20/ build/mmcv-2.1.0/setup.py
    MMCV_WITH_OPS=1 FORCE_CUDA=0 build/mmcv/bin/pip install --no-build-isolation build/mmcv-2.1.0
    build/mmcv/bin/python tests/golden/make_operators.py

These are all operators of trainables/ops that mmcv has a CPU kernel for. The test calls `answers` with the kept inputs,
through the same functions of mmcv, while the bridge serves them. nms_rotated's CPU kernel also drops boxes whose IoU
equals the threshold, which does not happen with random boxes.
"""

from pathlib import Path

import numpy as np
import torch

FILE = Path(__file__).parent / "operators.npz"
PILLARS = {"voxel_size": [0.16, 0.16, 4.0], "point_cloud_range": [0.0, -6.4, -3.0, 12.8, 6.4, 1.0]}
SECOND = {"voxel_size": [0.05, 0.05, 0.1], "point_cloud_range": [0.0, -6.4, -3.0, 12.8, 6.4, 1.0]}


def inputs() -> dict[str, np.ndarray]:
    """Random scans and boxes, crowded enough that caps are reached and most boxes overlap another."""
    generator = np.random.default_rng(20)
    near_sensor = generator.normal([5, 0, -1, 0.5], [3, 2, 0.8, 0.2], (2500, 4))
    low, high = [-6, -6, 0.5, 0.3, -7], [6, 6, 5, 3, 7]
    boxes = generator.uniform(low, high, (60, 5))
    lidar_low, lidar_high = [0, -5, -3, 1, 0.5, 0.5, -7], [10, 5, 0, 6, 3, 3, 7]
    corner = generator.uniform(0, 30, (60, 2))
    corners = np.hstack([corner, corner + generator.uniform(0.5, 9, (60, 2))])
    made = {
        "scan": near_sensor,
        "boxes": boxes,
        "others": boxes + generator.uniform(-0.25, 0.25, (60, 5)),
        "crowd": np.repeat(boxes, 5, axis=0) + generator.normal(0, 0.1, (300, 5)),
        "corners": np.repeat(corners, 5, axis=0) + generator.uniform(-0.2, 0.2, (300, 4)),
        "scores": generator.permutation(300) / 300,
        "lidar_boxes": generator.uniform(lidar_low, lidar_high, (40, 7)),
    }
    return {name: values.astype(np.float32) for name, values in made.items()}


def answers(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What mmcv's operators, whoever serves them, make of the inputs."""
    from mmcv.ops import Voxelization, box_iou_rotated, nms, nms_rotated, points_in_boxes_cpu

    tensors = {name: torch.from_numpy(values) for name, values in given.items()}
    boxes, others, crowd, scores = (tensors[name] for name in ("boxes", "others", "crowd", "scores"))
    found = {
        "iou": box_iou_rotated(boxes, others),
        "iof": box_iou_rotated(boxes, others, mode="iof"),
        "aligned iou": box_iou_rotated(boxes, others, aligned=True),
        "points in boxes": points_in_boxes_cpu(tensors["scan"][None, :, :3], tensors["lidar_boxes"][None]),
    }
    for threshold in (0.01, 0.1, 0.3, 0.8, 0.85):  # those of PointPillars, PointRCNN's heads and its RPN
        found[f"rotated nms {threshold}"] = nms_rotated(crowd, scores, threshold)[1]
        for offset in (0, 1):
            found[f"nms {threshold} {offset}"] = nms(tensors["corners"], scores, threshold, offset)[1]
    for name, grid in (("pillars", PILLARS), ("second", SECOND)):
        found[f"dynamic {name}"] = Voxelization(**grid, max_num_points=-1, max_voxels=-1)(tensors["scan"])
        for cap in (300, 16000):
            voxels = Voxelization(**grid, max_num_points=3, max_voxels=cap)(tensors["scan"])
            for part, values in zip(("points", "cells", "counts"), voxels, strict=True):
                found[f"hard {name} {cap} {part}"] = values
    return {name: values.numpy() for name, values in found.items()}


def main() -> None:
    import mmcv

    given, found = inputs(), {}
    for name, values in answers(given).items():
        found[f"answer {name}"] = values.astype(np.bool_) if name == "points in boxes" else values
    np.savez_compressed(FILE, **given, **found)
    print(f"{len(found)} answers of mmcv {mmcv.__version__} ({mmcv.__file__}), {FILE.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
