"""Fill numba's disk cache: compile all that loading and training need, once, at set-up.

`python -m trainables.ops.setup.warm_up` prints the seconds it took. numba compiles for the types and memory layouts
it meets, so mmdet3d's own transforms run here on a tiny database, with the varieties that real frames bring: scenes of
no, one and several objects. Without a cache every process would compile anew.
"""

import contextlib
import logging
import pickle
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.ops.ball_query import balls
from trainables.ops.interpolation import three_interpolate_backward, three_interpolate_forward, three_nearest
from trainables.ops.iou3d import aligned_nms
from trainables.ops.point_sampling import furthest_points, furthest_rows
from trainables.ops.points_in_boxes import first_boxes, points_in_boxes
from trainables.ops.rotated_boxes import intersection_areas, rotated_nms
from trainables.ops.setup.bridge import install
from trainables.ops.voxelization import hard_voxelize

CLASSES = ["Pedestrian", "Cyclist", "Car"]


def warm() -> float:
    """Compile everything that training with ground-truth sampling will call.

    Leaves numpy's global random state as it was. Cheap when the cache is filled already.

    Returns:
        Seconds it took, the import of mmdet3d included.
    """
    start = time.perf_counter()
    install()
    with _undisturbed(), tempfile.TemporaryDirectory() as folder:
        _compile_operators()
        _compile_augmentation(Path(folder))
    return time.perf_counter() - start


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    random_state, silenced = np.random.get_state(), logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(silenced)
        np.random.set_state(random_state)


def _row_of_cars(count: int) -> NDArray[np.float32]:
    """(count, 7) LiDAR boxes 10 m apart, ahead of the sensor."""
    boxes = np.zeros((count, 7), np.float32)
    boxes[:, 0] = 10.0 + 10.0 * np.arange(count)
    boxes[:, 2:] = [-1.0, 3.9, 1.6, 1.5, 0.1]
    return boxes


def _compile_operators() -> None:
    boxes = _row_of_cars(3)
    bev, scores = boxes[:, [0, 1, 3, 4, 6]], np.array([0.9, 0.8, 0.7], np.float32)
    rotated_nms(bev, scores, 0.5)
    aligned_nms(bev[:, :4], scores, 0.5)
    intersection_areas(bev.astype(np.float64), bev.astype(np.float64))
    points_in_boxes(boxes[:, :3], boxes)
    first_boxes(boxes[:, :3], boxes)
    furthest_points(boxes[:, :3], 2)
    furthest_rows(np.ones((3, 3), np.float32), 2)
    balls(boxes[:, :3], boxes[:, :3], 20.0, 2)
    distances, indices = (torch.from_numpy(found)[None] for found in three_nearest(boxes[:, :3], boxes[:, :3]))
    features = torch.ones(1, 1, 3)
    three_interpolate_forward(features, indices, distances, torch.empty(1, 1, 3), 1, 1, 3, 3)
    three_interpolate_backward(features, indices, distances, torch.zeros(1, 1, 3), 1, 1, 3, 3)
    hard_voxelize(np.pad(boxes[:, :3], ((0, 0), (0, 1))), (1, 1, 1), (0, -5, -3, 50, 5, 1), 4, 10)


def _compile_augmentation(folder: Path) -> None:
    from mmdet3d.registry import TRANSFORMS
    from mmdet3d.structures import LiDARInstance3DBoxes, LiDARPoints

    np.zeros((5, 4), np.float32).tofile(folder / "car.bin")
    cars = [
        {"name": "Car", "path": "car.bin", "box3d_lidar": box, "num_points_in_gt": 5, "difficulty": 0}
        for box in _row_of_cars(8) + np.array([0, 10, 0, 0, 0, 0, 0], np.float32)
    ]
    (folder / "database.pkl").write_bytes(pickle.dumps({"Car": cars}))
    sampler = {"data_root": str(folder), "info_path": str(folder / "database.pkl"), "rate": 1.0, "prepare": {}}
    sample = TRANSFORMS.build(
        {"type": "ObjectSample", "db_sampler": {**sampler, "sample_groups": {"Car": 5}, "classes": CLASSES}}
    )
    noise = TRANSFORMS.build({"type": "ObjectNoise", "num_try": 2})
    for count in (0, 1, 3):
        # Columns chosen by a list, as LoadPointsFromFile does, lie one after the other in memory (Fortran order).
        points = np.pad(_row_of_cars(count + 1)[:, :3], ((0, 0), (0, 1)))[:, [0, 1, 2, 3]]
        scene = {
            "points": LiDARPoints(points, points_dim=4),
            "gt_bboxes_3d": LiDARInstance3DBoxes(_row_of_cars(count)),
            "gt_labels_3d": np.full(count, CLASSES.index("Car")),
        }
        noise(dict(scene))
        noise(sample(scene))


if __name__ == "__main__":
    print(f"numba code is compiled and cached: {warm():.1f} s")
