"""Maps of the bird's-eye view that a 2D network passes on: the backbone's stages, its norms, the neck; cells as rows.

mmdet3d builds PointPillars, SECOND and CenterPoint from one backbone. In its detectors that may see images too, the
names of what sees the points begin with `pts_`: the `prefix`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from study.nouns.config import DetectorConfig
from study.nouns.errors import InputError
from trainables.detectors import Reading, grid
from trainables.detectors.parts.taps import Tap
from trainables.features import Batch, Map, Rows


def taps(layers: Sequence[int], prefix: str = "") -> dict[str, Tap]:
    """Taps of a backbone whose stages have so many layers after their first, and of the neck."""
    # Each ReLU overwrites what the norm before it gave out.
    norms = {_norm(stage): Tap(name, clone=True) for stage, name in enumerate(_last_norms(layers, prefix))}
    return {"backbone": Tap(f"{prefix}backbone"), **norms, "neck": Tap(f"{prefix}neck")}


def readings(layers: Sequence[int], prefix: str = "") -> dict[str, Reading]:
    """`stages`, `before_relu` and `neck`; of a neck with several levels the first, which has the smallest cells."""
    names = _last_norms(layers, prefix)

    def before_relu(seen: Mapping[str, Any], batch: Batch, network: Any) -> tuple[Map, ...]:
        return tuple(
            map_of(seen[_norm(stage)], network, network.get_submodule(name)) for stage, name in enumerate(names)
        )

    return {
        "stages": Reading(("backbone",), lambda seen, batch, network: stages(seen, network)),
        "before_relu": Reading(tuple(_norm(stage) for stage in range(len(layers))), before_relu),
        "neck": Reading(("neck",), lambda seen, batch, network: map_of(seen["neck"][0], network)),
    }


def stages(seen: Mapping[str, Any], network: Any) -> tuple[Map, ...]:
    """The backbone's outputs."""
    return tuple(map_of(values, network) for values in seen["backbone"])


def map_of(values: Tensor, network: Any, norm: Any = None) -> Map:
    """A map on the network's range, with the batch norm that made it where that is given."""
    batch, _, height, width = values.shape
    x_low, y_low, _, x_high, y_high, _ = (float(v) for v in network.data_preprocessor.voxel_layer.point_cloud_range)
    x = x_low + (torch.arange(width, device=values.device) + 0.5) * (x_high - x_low) / width
    y = y_low + (torch.arange(height, device=values.device) + 0.5) * (y_high - y_low) / height
    centers = torch.stack([x.expand(height, width), y[:, None].expand(height, width), x.new_zeros(height, width)], -1)
    affine = {} if norm is None else {"scale": norm.weight.detach(), "shift": norm.bias.detach()}
    return Map(values, centers.flatten(0, 1).expand(batch, -1, -1), **affine)


def cells(features: Map) -> Rows:
    """Every cell of a map as a row: B*H*W x C."""
    batch, _, height, width = features.values.shape
    return Rows(
        kind="cells",
        values=features.values.flatten(2).transpose(1, 2).flatten(0, 1),
        scan=torch.arange(batch, device=features.values.device).repeat_interleave(height * width),
        position=features.position.flatten(0, 1),
    )


def forward_points(network: Any, batch: Batch) -> None:
    """Backbone, neck and head of a detector that may see images too, and here sees none."""
    network.pts_bbox_head(network.extract_feat(batch.inputs, None)[1])


def place(model: Any, detector: DetectorConfig, multiple: int) -> tuple[list[float], float, int, int]:
    """Lay the voxel grid on another range or with another voxel size.

    Args:
        multiple: cells along x and y come in multiples of this, the network's total stride.

    Returns:
        The range, the edge of a voxel in x and y (both in m), and the cells along x and along y.

    Raises:
        InputError: the cells do not fit, or a number of points was given.
    """
    if detector.points is not None:
        raise InputError(f"detector.points is for detectors of raw points; {detector.name} takes every point")
    layer = model.data_preprocessor.voxel_layer
    limits = list(detector.range or layer.point_cloud_range)
    edge = detector.pillar or layer.voxel_size[0]
    columns = grid(limits[0], limits[3], edge, multiple, "x")
    lines = grid(limits[1], limits[4], edge, multiple, "y")
    layer.point_cloud_range = limits
    return limits, edge, columns, lines


def fix_height(detector: DetectorConfig, limits: Sequence[float], height: float, layers: int) -> None:
    """Check that a range is as high as an encoder's layers of voxels, whose number its strides fix.

    Raises:
        InputError: it is not.
    """
    if abs((limits[5] - limits[2]) / height - layers) > 1e-3:
        raise InputError(
            f"detector.range of {detector.name} must be {layers * height:g} m high ({layers} voxels of {height:g} m), "
            f"got z from {limits[2]:g} to {limits[5]:g} m"
        )


def _last_norms(layers: Sequence[int], prefix: str) -> list[str]:
    """Names of the last norm of each stage, which is (convolution, norm, ReLU) times layers + 1."""
    return [f"{prefix}backbone.blocks.{stage}.{3 * more + 1}" for stage, more in enumerate(layers)]


def _norm(stage: int) -> str:
    return f"norm{stage}"
