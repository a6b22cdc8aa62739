"""The rotated IoU of KITTI's evaluation on the CPU.

Twin of `rotate_iou_gpu_eval` in mmdet3d 1.4's evaluation/functional/kitti_utils/rotate_iou.py, a numba.cuda kernel, so
that KITTI's average precision (Geiger et al., CVPR 2012) can be computed where there is no CUDA. Boxes lie in the
ground plane of the camera, x to the right and z ahead; a positive angle turns from the z axis towards the x axis.

Differs from the kernel: it computes in single precision and returns NaN for two boxes of no area; here 0, and double
precision as in KITTI's own devkit: in single precision a pair 5.5e-9 above the threshold of 0.7 counts as below it.

Measured on one core of a shared two-core machine (`python tests/benchmarks/bench_operators.py`):
400 x 100 boxes take 0.13 ms (Python loop: 1.6 s).
"""

import numpy as np
from numpy.typing import NDArray

from trainables.ops.rotated_boxes import intersection_areas, rotated_iou


def rotate_iou_gpu_eval(
    boxes: NDArray[np.floating], query_boxes: NDArray[np.floating], criterion: int = -1, device_id: int = 0
) -> NDArray[np.float64]:
    """Rotated overlap of every box with every query box.

    Args:
        boxes: (N, 5) boxes x, z, dx, dz (m), angle (rad, clockwise).
        query_boxes: (K, 5) boxes.
        criterion: -1 intersection over union, 0 over the area of the query box, 1 over the area of the box (in this
            order in mmdet3d's kernel), any other number the area of the intersection (m2).
        device_id: of no meaning here; kept because mmdet3d's signature has it.

    Returns:
        (N, K) overlaps.

    Raises:
        ValueError: a set is not (rows, 5).
    """
    places, queries = _counterclockwise("boxes", boxes), _counterclockwise("query_boxes", query_boxes)
    if criterion == -1:
        return rotated_iou(places, queries)
    if criterion == 0:
        return rotated_iou(queries, places, "iof").T
    if criterion == 1:
        return rotated_iou(places, queries, "iof")
    return intersection_areas(places, queries)


def _counterclockwise(name: str, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    rows = np.array(boxes, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 5:
        raise ValueError(f"{name} must be (rows, 5): x, z, dx, dz, angle; got {rows.shape}")
    rows[:, 4] *= -1
    return rows
