"""PointPillars on KITTI (Lang et al., CVPR 2019): pillars of points, a 2D network on the bird's-eye view.

Students keep the depth and scale every width by 1/sqrt(compression): 4x halves, 16x quarters (the paper's Table 1).
"""

from collections.abc import Mapping
from typing import Any

from study.spec import DetectorConfig
from trainables.detector import DetectorSpec, grid, scaled
from trainables.features import Batch, Rows
from trainables.taps import Tap

STRIDE = 8
"""Pillars along each side of the canvas come in multiples of the backbone's total stride."""


def scale(model: Any, factor: float) -> None:
    """Scale pillar encoder, backbone, neck and head."""
    pillar = [scaled(c, factor) for c in model.voxel_encoder.feat_channels]
    stages = [scaled(c, factor) for c in model.backbone.out_channels]
    branches = [scaled(c, factor) for c in model.neck.out_channels]
    model.voxel_encoder.feat_channels = pillar
    model.middle_encoder.in_channels = pillar[-1]
    model.backbone.in_channels = pillar[-1]
    model.backbone.out_channels = stages
    model.neck.in_channels = stages
    model.neck.out_channels = branches
    model.bbox_head.in_channels = sum(branches)
    model.bbox_head.feat_channels = sum(branches)


def place(model: Any, detector: DetectorConfig) -> None:
    """Lay the canvas on another range or with another pillar size."""
    limits = list(detector.range or model.voxel_encoder.point_cloud_range)
    edge = detector.pillar or model.voxel_encoder.voxel_size[0]
    columns = grid(limits[0], limits[3], edge, STRIDE, "x")
    lines = grid(limits[1], limits[4], edge, STRIDE, "y")
    voxel = [edge, edge, limits[5] - limits[2]]
    for part in (model.data_preprocessor.voxel_layer, model.voxel_encoder):
        part.point_cloud_range = limits
        part.voxel_size = voxel
    # No more pillars than cells: on a small canvas that spares clearing memory for pillars that cannot be.
    layer = model.data_preprocessor.voxel_layer
    layer.max_voxels = tuple(min(most, columns * lines) for most in layer.max_voxels)
    model.middle_encoder.output_shape = [lines, columns]
    anchors = model.bbox_head.anchor_generator
    anchors.ranges = [[*limits[:2], low, *limits[3:5], high] for _, _, low, _, _, high in anchors.ranges]


def rows(taps: Mapping[str, Any], batch: Batch) -> tuple[Rows, ...]:
    """Pillars: rows shared by teacher and student, because the batch was voxelized once."""
    voxels = batch.inputs["voxels"]
    return (
        Rows(
            kind="pillars",
            values=taps["pillars"],
            scan=voxels["coors"][:, 0].long(),
            position=voxels["voxel_centers"],
            count=voxels["num_points"].float(),
        ),
    )


SPEC = DetectorSpec(
    title="PointPillars",
    config="pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py",
    scale=scale,
    place=place,
    taps={
        "pillars": Tap("voxel_encoder"),
        "backbone": Tap("backbone"),
        "neck": Tap("neck"),
        "head": Tap("bbox_head"),
    },
    kind="pillars",
    row_taps=("pillars",),
    rows=rows,
)
