"""Scans that are cut to a detector's range and never empty.

mmdet3d's networks end a scan without a point in an IndexError. Importing this module registers `PointsInRange`; put its
name in the place of `PointsRangeFilter` in a config.
"""

from typing import Any

from trainables.ops.setup import bridge

bridge.install()  # before mmdet3d is imported

from mmdet3d.datasets.transforms import PointsRangeFilter  # noqa: E402
from mmdet3d.registry import TRANSFORMS  # noqa: E402


@TRANSFORMS.register_module()
class PointsInRange(PointsRangeFilter):
    """`PointsRangeFilter` after which a scan holds at least one point.

    In training a scan without any is skipped: the data set draws another, as it does for a scan without objects. In
    validation, where every scan counts, it gets one point without reflectance in the middle of the range.
    """

    def transform(self, input_dict: dict[str, Any]) -> dict[str, Any] | None:
        """Keep the points inside the range; None skips the scan."""
        results = super().transform(input_dict)
        points = results["points"]
        if len(points):
            return results
        if "gt_bboxes_3d" in results:  # loaded for training alone
            return None
        middle = points.tensor.new_zeros(1, points.points_dim)
        middle[0, :3] = points.tensor.new_tensor((self.pcd_range[:3] + self.pcd_range[3:]) / 2)
        return {**results, "points": points.new_point(middle)}
