"""PointPillars on KITTI (Lang et al., CVPR 2019): pillars of points, a 2D network on the bird's-eye view.

Students keep the depth and scale every width by 1/sqrt(compression): 4x halves, 16x quarters (the paper's Table 1).
"""

from collections.abc import Mapping
from typing import Any

from study.nouns.config import DetectorConfig
from trainables.detectors import DetectorSpec, Reading, scaled
from trainables.detectors.parts import anchors_from_above
from trainables.detectors.parts.taps import Tap
from trainables.features import Batch, Rows

LAYERS = (3, 5, 5)
"""Layers of the backbone's stages after their first."""
STRIDE = 8
"""Pillars along each side of the canvas come in multiples of the backbone's total stride."""


def scale(model: Any, factor: float) -> None:
    """Scale pillar encoder, backbone, neck and head."""
    pillar = [scaled(c, factor) for c in model.voxel_encoder.feat_channels]
    model.voxel_encoder.feat_channels = pillar
    model.middle_encoder.in_channels = pillar[-1]
    model.backbone.in_channels = pillar[-1]
    anchors_from_above.scale(model, factor)


def place(config: Any, detector: DetectorConfig) -> None:
    """Lay the canvas on another range or with another pillar size."""
    lay_canvas(config.model, detector)


def lay_canvas(model: Any, detector: DetectorConfig, prefix: str = "") -> None:
    """The same for any detector on pillars; the names of its parts begin with `prefix`."""
    limits, edge, columns, lines = anchors_from_above.place(model, detector, STRIDE)
    encoder = model[f"{prefix}voxel_encoder"]
    encoder.point_cloud_range = limits
    for part in (model.data_preprocessor.voxel_layer, encoder):
        part.voxel_size = [edge, edge, limits[5] - limits[2]]
    # No more pillars than cells: on a small canvas that spares clearing memory for pillars that cannot be.
    layer = model.data_preprocessor.voxel_layer
    layer.max_voxels = tuple(min(most, columns * lines) for most in layer.max_voxels)
    model[f"{prefix}middle_encoder"].output_shape = [lines, columns]


def rows(seen: Mapping[str, Any], batch: Batch, network: Any) -> tuple[Rows, ...]:
    """Pillars: rows shared by teacher and student, because the batch was voxelized once."""
    voxels = batch.inputs["voxels"]
    return (
        Rows(
            kind="pillars",
            values=seen["pillars"],
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
    kind="pillars",
    taps={"pillars": Tap("voxel_encoder"), **anchors_from_above.taps(LAYERS)},
    readings={"rows": Reading(("pillars",), rows), **anchors_from_above.readings(LAYERS)},
    forward=anchors_from_above.forward,
    share_counts=anchors_from_above.share_counts,
    targets=anchors_from_above.targets(),
)
