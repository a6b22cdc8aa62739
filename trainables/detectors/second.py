"""SECOND on KITTI (Yan et al., Sensors 2018): sparse 3D convolutions on voxels, a 2D network on the bird's-eye view.

Students keep the depth and scale every width by 1/sqrt(compression): 4x halves, 16x quarters (the paper's Table 1). The
voxel encoder takes means and has no width. PointDistiller's rows are the cells of both backbone stages.
"""

from collections.abc import Mapping
from typing import Any

from study.nouns.config import DetectorConfig
from trainables.detectors import DetectorSpec, Reading, scaled
from trainables.detectors.parts import anchors_from_above, maps_from_above
from trainables.features import Batch, Rows

LAYERS = (5, 5)
"""Layers of the backbone's stages after their first."""
STRIDE = 16
"""Voxels along x and y come in multiples of the total stride: 8 in the sparse encoder, 2 in the backbone."""
LAYERS_OF_VOXELS = 40
"""Voxels along z for which the encoder's strides leave two layers, as the published backbone expects."""
BASE, STAGES, OUTPUT = 16, ((16,), (32, 32, 32), (64, 64, 64), (64, 64, 64)), 128
"""Widths of mmdet3d's SparseEncoder, which its config leaves at their defaults."""


def scale(model: Any, factor: float) -> None:
    """Scale sparse encoder, backbone, neck and head."""
    encoder = model.middle_encoder
    encoder.base_channels = scaled(BASE, factor)
    encoder.encoder_channels = tuple(tuple(scaled(c, factor) for c in stage) for stage in STAGES)
    encoder.output_channels = scaled(OUTPUT, factor)
    model.backbone.in_channels = 2 * encoder.output_channels
    anchors_from_above.scale(model, factor)


def place(config: Any, detector: DetectorConfig) -> None:
    """Lay the voxels on another range (4 m high, as the layers along z are fixed) or with another edge in x and y.

    Raises:
        InputError: the range has another height, or does not hold whole strides.
    """
    model = config.model
    limits, edge, columns, lines = anchors_from_above.place(model, detector, STRIDE)
    layer = model.data_preprocessor.voxel_layer
    maps_from_above.fix_height(detector, limits, layer.voxel_size[2], LAYERS_OF_VOXELS)
    layer.voxel_size = [edge, edge, layer.voxel_size[2]]
    model.middle_encoder.sparse_shape = [LAYERS_OF_VOXELS + 1, lines, columns]


def rows(seen: Mapping[str, Any], batch: Batch, network: Any) -> tuple[Rows, ...]:
    """Cells of every backbone stage."""
    return tuple(maps_from_above.cells(level) for level in maps_from_above.stages(seen, network))


SPEC = DetectorSpec(
    title="SECOND",
    config="second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py",
    scale=scale,
    place=place,
    kind="cells",
    taps=anchors_from_above.taps(LAYERS),
    readings={"rows": Reading(("backbone",), rows), **anchors_from_above.readings(LAYERS)},
    forward=anchors_from_above.forward,
    share_counts=anchors_from_above.share_counts,
    targets=anchors_from_above.targets(),
)
