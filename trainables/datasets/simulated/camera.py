"""KITTI's left color camera beside the LiDAR: what of a box is in the picture, and how KITTI would label it.

Boxes in the LiDAR frame are mmdet3d's: x, y, z of the bottom center, length, width, height, yaw from +x about +z. In
the camera frame (x right, y down, z forward) a box is h, w, l, the bottom center and rotation_y = -yaw - pi / 2.
Formats: readme.txt of KITTI's object development kit.
"""

from dataclasses import dataclass

import numpy as np

NEAR = 0.1  # nearest depth that is projected [m]
EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
# Share of an object's rays that must be free for "fully visible", "partly occluded", "largely occluded".
VISIBLE_SHARES = (0.8, 0.45, 0.12)


@dataclass(frozen=True)
class Camera:
    """Calibration of one frame.

    Attributes:
        projection: (3, 4) P2, rectified camera coordinates [m] to homogeneous pixels.
        rectification: (3, 3) R0_rect.
        from_lidar: (3, 4) Tr_velo_to_cam.
        width, height: size of the picture [pixels].
    """

    projection: np.ndarray
    rectification: np.ndarray
    from_lidar: np.ndarray
    width: int
    height: int

    def rectified(self, points: np.ndarray) -> np.ndarray:
        """LiDAR coordinates (P, 3) to rectified camera coordinates (P, 3) [m]."""
        return (points @ self.from_lidar[:, :3].T + self.from_lidar[:, 3]) @ self.rectification.T

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Rectified camera coordinates (P, 3) to u, v [pixels] and homogeneous depth [m]: (P, 3)."""
        homogeneous = points @ self.projection[:, :3].T + self.projection[:, 3]
        return np.column_stack([homogeneous[:, :2] / homogeneous[:, 2:], homogeneous[:, 2]])

    def sees(self, points: np.ndarray) -> np.ndarray:
        """Which LiDAR points (P, 3) fall into the picture: (P,) of bool."""
        camera = self.rectified(points[:, :3].astype(np.float64))
        seen = camera[:, 2] > NEAR
        u, v, _ = self.pixels(camera[seen]).T
        seen[seen] = (u >= 0) & (u < self.width) & (v >= 0) & (v < self.height)
        return seen

    def corners(self, boxes: np.ndarray) -> np.ndarray:
        """Corners (M, 8, 3) of LiDAR boxes (M, 7), in rectified camera coordinates, upright there as KITTI's are."""
        bottom = self.rectified(boxes[:, :3])
        forward, across = np.array([1, 1, -1, -1]) / 2, np.array([1, -1, -1, 1]) / 2
        turn = -boxes[:, 6:] - np.pi / 2
        along, aside = boxes[:, 3:4] * forward, boxes[:, 4:5] * across
        x, z = np.cos(turn) * along + np.sin(turn) * aside, -np.sin(turn) * along + np.cos(turn) * aside
        floor = np.stack([x, np.zeros_like(x), z], 2) + bottom[:, None]
        roof = floor - np.stack([np.zeros_like(x), np.broadcast_to(boxes[:, 5:6], x.shape), np.zeros_like(x)], 2)
        return np.concatenate([floor, roof], 1)

    def outline(self, corners: np.ndarray) -> np.ndarray | None:
        """The 2D box x1, y1, x2, y2 [pixels] around a box's corners (8, 3), not clipped to the picture.

        Parts behind the camera are cut off first; None where nothing is before it.
        """
        front = corners[:, 2] >= NEAR
        if not front.any():
            return None
        kept = [corners[front]]
        for a, b in EDGES:
            if front[a] != front[b]:
                share = (NEAR - corners[a, 2]) / (corners[b, 2] - corners[a, 2])
                kept.append((corners[a] + share * (corners[b] - corners[a]))[None])
        uv = self.pixels(np.concatenate(kept))[:, :2]
        return np.concatenate([uv.min(0), uv.max(0)])

    def clip(self, outline: np.ndarray) -> tuple[np.ndarray, float]:
        """A 2D box clipped to the picture, and its truncation: the share of its area that lies outside."""
        inside = np.clip(outline, 0, [self.width - 1, self.height - 1] * 2)
        whole = np.prod(outline[2:] - outline[:2])
        return inside, float(1 - np.prod(inside[2:] - inside[:2]) / whole)

    def text(self) -> str:
        """The calibration file. The right cameras are the left one: the LiDAR needs neither."""
        rows = {f"P{i}": self.projection for i in range(4)}
        rows |= {"R0_rect": self.rectification, "Tr_velo_to_cam": self.from_lidar, "Tr_imu_to_velo": np.eye(3, 4)}
        return "".join(f"{k}: {' '.join(f'{v:.12e}' for v in np.ravel(m))}\n" for k, m in rows.items())


# Numbers of KITTI's recording of September 26, 2011, to five digits.
KITTI_CAMERA = Camera(
    projection=np.array([[721.54, 0, 609.56, 44.857], [0, 721.54, 172.85, 0.21638], [0, 0, 1, 0.0027459]]),
    rectification=np.array(
        [[0.999924, 0.00983776, -0.00744505], [-0.00986980, 0.999942, -0.00427846], [0.00740253, 0.00435161, 0.999963]]
    ),
    from_lidar=np.array(
        [
            [0.00753374, -0.999971, -0.000616602, -0.00406977],
            [0.0148025, 0.000728073, -0.999890, -0.0763162],
            [0.999862, 0.00752379, 0.0148075, -0.271781],
        ]
    ),
    width=1242,
    height=375,
)


def occlusion_level(visible_share: float) -> int:
    """KITTI's level from the share of an object's rays that nothing blocks: 0 fully visible .. 3 almost hidden."""
    return sum(visible_share < limit for limit in VISIBLE_SHARES)


def wrap(angle: np.ndarray) -> np.ndarray:
    """Angles [rad] in -pi .. pi."""
    return angle - 2 * np.pi * np.round(angle / (2 * np.pi))
