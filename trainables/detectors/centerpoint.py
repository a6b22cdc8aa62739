"""CenterPoint on nuScenes (Yin et al., CVPR 2021): sparse 3D convolutions on voxels of ten sweeps, centers of boxes.

The published students (Yang et al., NeurIPS 2022; RDD, ICCV 2023) shrink encoder, 2D network and head by factors of
their own. They are 2x (S), 3x (XS) and 8x (XXS) here, close to what they save of 8.94 M parameters: 4.34, 3.13 and 1.09
are left. Any other compression divides every width by its square root. No released code distills rows of CenterPoint;
they are the cells of both backbone stages, as of SECOND, whose backbone it has.
"""

from collections.abc import Mapping
from typing import Any

from study.nouns.config import DetectorConfig
from trainables.detectors import DetectorSpec, Factor, Reading, scaled
from trainables.detectors.parts import centers_from_above, maps_from_above
from trainables.detectors.parts.taps import Tap
from trainables.features import Batch, Rows

PREFIX = "pts_"
LAYERS = (5, 5)
"""Layers of the backbone's stages after their first."""
STRIDE = 16
"""Voxels along x and y come in multiples of the total stride: 8 in the sparse encoder, 2 in the backbone."""
LAYERS_OF_VOXELS = 40
"""Voxels along z for which the encoder's strides leave two layers, as the published backbone expects."""
BASE = 16
"""Width of the sparse encoder's first layer, which mmdet3d's config leaves at its default."""
PUBLISHED = {2.0: (1.0, 0.5, 0.5), 3.0: (0.75, 0.5, 0.5), 8.0: (0.5, 0.25, 0.25)}
"""Factors of the sparse encoder, of backbone and neck, and of the head: the students S, XS and XXS."""
MARGIN = 10.0
"""Boxes may have their centers so far beyond the range, in m, as mmdet3d's config has it."""


def shrink(compression: float) -> Factor:
    """Factor of every width, or those of the three parts."""
    return PUBLISHED.get(compression, compression**-0.5)


def scale(model: Any, factor: Factor) -> None:
    """Scale sparse encoder, backbone and neck, and head; the voxel encoder takes means and has no width."""
    encode, flat, find = factor if isinstance(factor, tuple) else (factor,) * 3
    encoder, backbone, neck, head = (
        model.pts_middle_encoder, model.pts_backbone, model.pts_neck, model.pts_bbox_head
    )  # fmt: skip
    encoder.base_channels = scaled(BASE, encode)
    encoder.encoder_channels = tuple(tuple(scaled(c, encode) for c in stage) for stage in encoder.encoder_channels)
    encoder.output_channels = scaled(encoder.output_channels, encode)
    backbone.in_channels = 2 * encoder.output_channels
    backbone.out_channels = neck.in_channels = [scaled(c, flat) for c in backbone.out_channels]
    neck.out_channels = [scaled(c, flat) for c in neck.out_channels]
    head.in_channels = sum(neck.out_channels)
    head.share_conv_channel = head.separate_head.head_conv = scaled(head.share_conv_channel, find)


def place(config: Any, detector: DetectorConfig) -> None:
    """Lay the voxels on another range (8 m high, as the layers along z are fixed) or with another edge in x and y.

    Raises:
        InputError: the range has another height, or does not hold whole strides.
    """
    model = config.model
    limits, edge, columns, lines = maps_from_above.place(model, detector, STRIDE)
    layer, coder = model.data_preprocessor.voxel_layer, model.pts_bbox_head.bbox_coder
    learns, tests = model.train_cfg.pts, model.test_cfg.pts
    maps_from_above.fix_height(detector, limits, layer.voxel_size[2], LAYERS_OF_VOXELS)
    layer.voxel_size = learns.voxel_size = [edge, edge, layer.voxel_size[2]]
    coder.voxel_size = tests.voxel_size = [edge, edge]
    learns.point_cloud_range = limits
    coder.pc_range = tests.pc_range = limits[:2]
    low, high = coder.post_center_range[2::3]
    beyond = [*(v - MARGIN for v in limits[:2]), low, *(v + MARGIN for v in limits[3:5]), high]
    coder.post_center_range = tests.post_center_limit_range = beyond
    model.pts_middle_encoder.sparse_shape = [LAYERS_OF_VOXELS + 1, lines, columns]
    learns.grid_size = [columns, lines, LAYERS_OF_VOXELS]
    coder.max_num = min(coder.max_num, columns * lines // coder.out_size_factor**2)  # the coder asks for so many cells


def rows(seen: Mapping[str, Any], batch: Batch, network: Any) -> tuple[Rows, ...]:
    """Cells of every backbone stage."""
    return tuple(maps_from_above.cells(level) for level in maps_from_above.stages(seen, network))


SPEC = DetectorSpec(
    title="CenterPoint",
    config="centerpoint/centerpoint_voxel01_second_secfpn_8xb4-cyclic-20e_nus-3d.py",
    scale=scale,
    shrink=shrink,
    place=place,
    kind="cells",
    # The head's loss overwrites its heatmaps, and adds to what the head gave out.
    taps={**maps_from_above.taps(LAYERS, PREFIX), "head": Tap("pts_bbox_head", clone=True)},
    readings={
        "rows": Reading(("backbone",), rows),
        **maps_from_above.readings(LAYERS, PREFIX),
        "predictions": Reading(("head",), centers_from_above.predictions),
    },
    forward=maps_from_above.forward_points,
    share_counts=centers_from_above.share_counts,
    targets=centers_from_above.TARGETS,
    classes=("car", "truck", "construction_vehicle", "bus", "trailer", "barrier", "motorcycle", "bicycle",
             "pedestrian", "traffic_cone"),
    sizes=(1.0, *PUBLISHED),
)  # fmt: skip
