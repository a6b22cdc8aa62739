"""One frame's entry in an info file, as mmdet3d 1.4's `KittiDataset` and `KittiMetric` read it (info format 1.1).

The facts (difficulty levels, box conventions, which points count) are those of mmdet3d's own create_data.py; fields
that only image-based detectors read (cameras 0, 1 and 3, `cam_instances`, `center_2d`, `depth`) are left out.
Differs from create_data.py: a box exactly 40 or 25 pixels high has the difficulty of KITTI's devkit. DontCare
regions may stand anywhere in a label file, not only at its end, and the category DontCare is always declared (there it
is missing when the last frame has none, and evaluation then fails).
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainables.datasets.kitti.raw_files import Calibration, Labels

CATEGORIES = ("Pedestrian", "Cyclist", "Car", "Van", "Truck", "Person_sitting", "Tram", "Misc")
LABEL_OF = {name: label for label, name in enumerate(CATEGORIES)} | {"DontCare": -1}
METAINFO = {"categories": LABEL_OF, "dataset": "kitti", "info_version": "1.1"}

DIFFICULTY_LEVELS = ((40, 0, 0.15), (25, 1, 0.30), (25, 2, 0.50))
"""Easy, moderate, hard: smallest height in the image (pixels), largest occlusion level, largest truncated share."""

NEAREST, FARTHEST = 0.001, 100.0  # depth in front of the camera that counts as "in the image", m


def frame_info(
    frame: str,
    labels: Labels,
    calibration: Calibration,
    size: tuple[int, int],
    points_inside: NDArray[np.int64],
    plane: list[float] | None = None,
) -> dict[str, Any]:
    """The entry of one frame.

    Args:
        frame: six digits.
        labels: M rows.
        calibration: of this frame.
        size: image width and height, pixels.
        points_inside: (M,) LiDAR points in each box; -1 for DontCare.
        plane: a, b, c, d of the road in the camera frame; needed by ground-truth sampling with `use_ground_plane`.
    """
    lidar2cam = calibration.R0_rect.astype(np.float32) @ calibration.Tr_velo_to_cam.astype(np.float32)
    road = {} if plane is None else {"plane": plane}
    return road | {
        "sample_idx": int(frame),
        "images": {
            "CAM2": {
                "img_path": f"{frame}.png",
                "width": size[0],
                "height": size[1],
                "cam2img": calibration.P2.tolist(),
                "lidar2cam": lidar2cam.tolist(),
                "lidar2img": (calibration.P2 @ lidar2cam).tolist(),
            },
            "R0_rect": calibration.R0_rect.astype(np.float32).tolist(),
        },
        "lidar_points": {
            "num_pts_feats": 4,
            "lidar_path": f"{frame}.bin",
            "Tr_velo_to_cam": calibration.Tr_velo_to_cam.astype(np.float32).tolist(),
        },
        "instances": _instances(labels, points_inside),
    }


def _instances(labels: Labels, points_inside: NDArray[np.int64]) -> list[dict[str, Any]]:
    boxes = np.column_stack([labels.location, labels.dimensions, labels.rotation_y])
    levels = difficulty(labels)
    objects = labels.is_object
    index = np.where(objects, np.cumsum(objects) - 1, -1)
    return [
        {
            "bbox": labels.bbox[row].tolist(),
            "bbox_label": LABEL_OF[name],
            "bbox_label_3d": LABEL_OF[name],
            "bbox_3d": boxes[row].tolist(),
            "num_lidar_pts": int(points_inside[row]),
            "difficulty": int(levels[row]),
            "truncated": float(labels.truncated[row]),
            "occluded": int(labels.occluded[row]),
            "alpha": float(labels.alpha[row]),
            "score": float(labels.score[row]),
            "index": int(index[row]),
            "group_id": row,
        }
        for row, name in enumerate(labels.names)
    ]


def difficulty(labels: Labels) -> NDArray[np.int64]:
    """(M,) 0 easy, 1 moderate, 2 hard, -1 none of them (never evaluated)."""
    return level_of(labels.bbox[:, 3] - labels.bbox[:, 1], labels.occluded, labels.truncated)


def level_of(height: ArrayLike, occluded: ArrayLike, truncated: ArrayLike) -> NDArray[np.int64]:
    """Difficulty of labels as KITTI's devkit counts them: 0 easy, 1 moderate, 2 hard, -1 none of them.

    Args:
        height: of the box in the image, pixels; a box exactly as high as a limit counts.
        occluded: level of occlusion.
        truncated: share outside the image.
    """
    level = np.full(np.shape(height), -1)
    for number, (smallest, occlusion, truncation) in reversed(list(enumerate(DIFFICULTY_LEVELS))):
        fits = (np.asarray(height) >= smallest) & (np.asarray(occluded) <= occlusion)
        level[fits & (np.asarray(truncated) <= truncation)] = number
    return level


def lidar_boxes(labels: Labels, calibration: Calibration) -> NDArray[np.float64]:
    """Every row's 3D box in the LiDAR frame.

    Returns:
        (M, 7) bottom center x, y, z, length, width, height in m, yaw in rad in [-pi, pi).
    """
    to_lidar = np.linalg.inv(calibration.lidar_to_camera)
    centers = labels.location @ to_lidar[:3, :3].T + to_lidar[:3, 3]
    yaw = -labels.rotation_y - np.pi / 2  # camera: around y (down) from x (right); LiDAR: around z (up) from x (ahead)
    yaw -= np.floor(yaw / (2 * np.pi) + 0.5) * 2 * np.pi
    return np.column_stack([centers, labels.dimensions[:, [0, 2, 1]], yaw])


def inside_image(points: NDArray[np.float32], calibration: Calibration, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which points project into the image, at most 100 m in front of the camera.

    Args:
        points: (P, 4) LiDAR frame.
        size: image width and height, pixels.

    Returns:
        (P,) mask.
    """
    to_image = (calibration.P2 @ calibration.lidar_to_camera)[:3]
    u, v, depth = to_image[:, :3] @ points[:, :3].T.astype(np.float64) + to_image[:, 3:]
    width, height = size
    in_depth = (depth > NEAREST) & (depth < FARTHEST)
    return in_depth & (u > 0) & (u < width * depth) & (v > 0) & (v < height * depth)
