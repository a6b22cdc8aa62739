"""One LiDAR frame with its labels, as KITTI's files hold it, simulated or real."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainables.datasets.kitti.infos import lidar_boxes
from trainables.datasets.kitti.raw_files import read_calibration, read_labels, read_scan
from trainables.datasets.simulated.camera import Camera, wrap
from trainables.ops.points_in_boxes import points_in_boxes


@dataclass(frozen=True)
class Frame:
    """A scan and the M labeled objects that the camera sees.

    Attributes:
        points: (P, 4) float32 x, y, z [m] and intensity in 0..1, LiDAR frame.
        boxes: (M, 7) x, y, z of the bottom center [m], length, width, height [m], yaw [rad], LiDAR frame.
        names: class of each object.
        truncation: (M,) share of the 2D box that lies outside the picture.
        occlusion: (M,) 0 fully visible, 1 partly, 2 largely occluded, 3 almost hidden.
        boxes_2d: (M, 4) x1, y1, x2, y2 in the picture [pixels].
        dont_care: (D, 4) 2D boxes of what is too far or too hidden to be labeled.
        camera: its calibration.
    """

    points: np.ndarray
    boxes: np.ndarray
    names: tuple[str, ...]
    truncation: np.ndarray
    occlusion: np.ndarray
    boxes_2d: np.ndarray
    dont_care: np.ndarray
    camera: Camera

    def points_in_boxes(self) -> np.ndarray:
        """Number of points inside each box: (M,)."""
        return points_in_boxes(self.points[:, :3], self.boxes).sum(axis=1)

    def label_lines(self) -> str:
        """The label file: type, truncated, occluded, alpha, 2D box, h w l, x y z, rotation_y."""
        lines = []
        where = self.camera.rectified(self.boxes[:, :3])
        turn = wrap(-self.boxes[:, 6] - np.pi / 2)
        alpha = wrap(turn - np.arctan2(where[:, 0], where[:, 2]))
        for i, name in enumerate(self.names):
            size = self.boxes[i, [5, 4, 3]]
            numbers = [alpha[i], *self.boxes_2d[i], *size, *where[i], turn[i]]
            text = " ".join(f"{v:.2f}" for v in numbers)
            lines.append(f"{name} {self.truncation[i]:.2f} {self.occlusion[i]} {text}\n")
        unknown = "-1 -1 -1 -1000 -1000 -1000 -10"
        lines += [f"DontCare -1 -1 -10 {' '.join(f'{v:.2f}' for v in box)} {unknown}\n" for box in self.dont_care]
        return "".join(lines)


def read_frames(root: Path, numbers: list[str] | None = None) -> list[Frame]:
    """Frames of a KITTI root that has image_sizes.json; all of training/velodyne, or the named ones ("000042")."""
    sizes = json.loads((root / "image_sizes.json").read_text())
    folder = root / "training"
    return [_read(folder, n, sizes[n]) for n in numbers or sorted(p.stem for p in folder.glob("velodyne/*.bin"))]


def _read(folder: Path, number: str, size: tuple[int, int]) -> Frame:
    calibration = read_calibration(folder / "calib" / f"{number}.txt")
    labels = read_labels(folder / "label_2" / f"{number}.txt")
    known = labels.is_object
    return Frame(
        points=read_scan(folder / "velodyne" / f"{number}.bin"),
        boxes=lidar_boxes(labels, calibration)[known],
        names=tuple(name for name in labels.names if name != "DontCare"),
        truncation=labels.truncated[known],
        occlusion=labels.occluded[known],
        boxes_2d=labels.bbox[known],
        dont_care=labels.bbox[~known],
        camera=Camera(
            calibration.P2[:3],
            calibration.R0_rect[:3, :3],
            calibration.Tr_velo_to_cam[:3],
            width=size[0],
            height=size[1],
        ),
    )
