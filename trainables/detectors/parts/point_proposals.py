"""PointRCNN's proposal head for batches in which no point lies in an object.

mmdet3d's head divides by the number of such points: objects that no sampled point hits make the loss infinite.
Runs here use this class; exported configs name mmdet3d's own, whose weights are the same. (A scan without any object
never comes: mmdet3d's data sets draw another one in training.)
"""

from typing import Any

from trainables.ops.setup import bridge

bridge.install()  # before mmdet3d is imported

from mmdet3d.models.dense_heads import PointRPNHead  # noqa: E402
from mmdet3d.registry import MODELS  # noqa: E402


@MODELS.register_module()
class ObjectlessPointRPNHead(PointRPNHead):
    """mmdet3d's PointRPNHead, with a finite loss also where no point lies in an object."""

    def get_targets(self, points: Any, batch_gt_instances_3d: Any) -> Any:
        """Count one point of the background where no point of the batch lies in an object: a divisor of one."""
        boxes, labels, positive, negative, weights, places = super().get_targets(points, batch_gt_instances_3d)
        if not positive.any():
            positive[0, 0], negative[0, 0], labels[0, 0] = True, False, self.num_classes
        return boxes, labels, positive, negative, weights, places
