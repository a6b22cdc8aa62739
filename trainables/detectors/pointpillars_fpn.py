"""PointPillars-FPN on nuScenes (mmdet3d's HV-FPN baseline): pillars of ten sweeps, a feature pyramid, boxes that move.

Students keep the depth; fractions of widths are cut off. At 2x PointDistiller (Zhang et al., 2022, Table 4) divides
every width by 1.4, at 4x by 2; any other compression divides by its square root. PointDistiller's rows are the cells of
the pyramid's finest level, as in its released code.
"""

from collections.abc import Mapping
from typing import Any

from study.nouns.config import DetectorConfig
from trainables.detectors import DetectorSpec, Reading
from trainables.detectors.parts import anchors_from_above, maps_from_above
from trainables.detectors.pointpillars import LAYERS, lay_canvas
from trainables.features import Batch, Rows

PREFIX = "pts_"
PUBLISHED = {2.0: 1 / 1.4}


def shrink(compression: float) -> float:
    """Factor of every width."""
    return PUBLISHED.get(compression, compression**-0.5)


def scale(model: Any, factor: float) -> None:
    """Scale pillar encoder, backbone, pyramid and head."""

    def cut(channels: int) -> int:
        return max(1, int(channels * factor + 1e-9))

    pillar = [cut(c) for c in model.pts_voxel_encoder.feat_channels]
    model.pts_voxel_encoder.feat_channels = pillar
    model.pts_middle_encoder.in_channels = pillar[-1]
    backbone, pyramid, head = model.pts_backbone, model.pts_neck, model.pts_bbox_head
    backbone.in_channels = pillar[-1]
    backbone.out_channels = pyramid.in_channels = [cut(c) for c in backbone.out_channels]
    pyramid.out_channels = head.in_channels = head.feat_channels = cut(pyramid.out_channels)


def place(config: Any, detector: DetectorConfig) -> None:
    """Lay the canvas on another range or with another pillar size."""
    lay_canvas(config.model, detector, PREFIX)


def rows(seen: Mapping[str, Any], batch: Batch, network: Any) -> tuple[Rows, ...]:
    """Cells of the pyramid's finest level."""
    return (maps_from_above.cells(maps_from_above.map_of(seen["neck"][0], network)),)


SPEC = DetectorSpec(
    title="PointPillars-FPN",
    config="pointpillars/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py",
    scale=scale,
    shrink=shrink,
    place=place,
    kind="cells",
    taps=anchors_from_above.taps(LAYERS, PREFIX),
    readings={"rows": Reading(("neck",), rows), **anchors_from_above.readings(LAYERS, PREFIX)},
    forward=maps_from_above.forward_points,
    share_counts=anchors_from_above.share_counts,
    targets=anchors_from_above.targets(PREFIX),
    classes=("car", "truck", "trailer", "bus", "construction_vehicle", "bicycle", "motorcycle", "pedestrian",
             "traffic_cone", "barrier"),
    sizes=(1.0, 2.0, 4.0),
    # Its class for several modalities (mvx_two_stage.py) has graphs of 64 channels, and never applies its weights.
    released={"pointdistiller": {"graph_channels": 64, "reweight_over": "none"}},
)  # fmt: skip
