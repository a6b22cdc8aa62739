"""How the paper's GFLOPs and parameters arise, found by trying conventions until all eighteen numbers agreed.

GFLOPs: mmdet3d 1.0's tools/analysis_tools/get_flops.py, which asks mmcv 1.x's counter (mmcv/cnn/utils/flops_counter.py)
about one pass over a cloud of 40,000 points of memory that nobody has written to, in effect one point 40,000 times. So
voxel detectors have one voxel and only their dense part is in the number; sparse convolutions would not be anyway, as
the counter does not know them. PointRCNN reads 40,000 points instead of its 16,384, and its released second stage
(mmdet3d/models/roi_heads/point_rcnn_roi_head.py, `forward_dummy`) refines 512 random boxes. The counter takes a
multiply-add for one operation and adds two per batch-normalized value and one per value of a ReLU or a bias.

Parameters: the released detectors hold the adapters of the distillation and are counted with them.

Counted so, every number of the paper comes out to the last digit it prints (tests/trainables/costs/test_costs.py):
PointPillars 34.33, 8.99, 2.45; SECOND 69.82, 17.82, 4.64; PointRCNN 104.92, 13.72, 7.13. Other conventions miss some:
multiply-adds alone give PointPillars 2.42 at 16x, with batch norm (mmengine's counter) 2.44, both printed as 2.4;
SECOND's sparse convolutions add 2.6 to 69.8; PointRCNN's teacher has 16.3 without its second stage, 38.4 with the 128
boxes of training, 99.0 on 16,384 points.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from study.nouns.config import DetectorConfig

POINTS = 40_000

_DENSE = "one voxel, so that only backbone, neck and head count"
_PLUS = "+2 per batch-normalized value, +1 per value of a ReLU or a bias; parameters with the released adapters"
CONVENTIONS = {
    "pointpillars": f"{_DENSE}; {_PLUS} (at 4x SECOND's)",
    "second": f"{_DENSE}, without the sparse convolutions; {_PLUS}",
    "pointrcnn": f"40,000 points instead of 16,384, 512 boxes in the second stage; {_PLUS}",
}
"""The above, per detector."""

_OF_SECOND = ((128, 32), (256, 32), (64, 32), (128, 32))
ADAPTERS: dict[tuple[str, float], tuple[tuple[int, int], ...]] = {
    ("pointpillars", 1): ((64, 32), (32, 32)),
    ("pointpillars", 4): _OF_SECOND,  # its released config says `type="SECOND"`
    ("pointpillars", 16): ((64, 16), (16, 16)),
    ("second", 1): ((64, 32), (32, 32)),  # PointPillars', which are in the class of both
    ("second", 4): _OF_SECOND,
    ("second", 16): ((128, 32), (256, 32), (32, 32), (64, 32)),
    ("pointrcnn", 1): ((128, 45), (45, 45)),  # commented lines show that its class once built them for teachers too
    ("pointrcnn", 8): ((128, 45), (45, 45)),
    ("pointrcnn", 16): ((128, 32), (32, 32)),
}
"""Rows' width and graph's width of each 1x1 convolution on pairs of rows, of the detectors of the paper's Table 1."""


def adapters(config: DetectorConfig, *, teacher: bool) -> int:
    """Parameters of the adapters (convolution without bias, batch norm) in the released detector; 0 in any other."""
    pairs = ADAPTERS.get((config.name, 1 if teacher else config.compression), ())
    return sum(2 * rows * graph + 2 * graph for rows, graph in pairs)


@contextmanager
def as_released(network: Any, frame: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The frame with the first of its points 40,000 times instead of its points.

    Within, a second stage gets all the proposals it takes: they do not suppress each other.
    """
    points = {"points": [scan[:1].repeat(POINTS, 1) for scan in frame["inputs"]["points"]]}
    suppression = network.rpn_head.test_cfg.nms_cfg if hasattr(network, "rpn_head") else {}
    before = dict(suppression)
    if suppression:
        suppression.update(nms_pre=suppression["nms_post"], iou_thr=2.0)  # no boxes overlap more than wholly
    try:
        yield {**frame, "inputs": points}
    finally:
        suppression.update(before)
