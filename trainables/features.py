"""What distillation sees of a detector: named outputs, comparable rows, and the batch they came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Row-wise features of one detector: pillars, voxels, bird's-eye-view cells or points.

    Row r of the student and row r of the teacher describe the same place, as both saw the same voxels.
    """

    kind: str
    """`pillars`, `cells` or `points`."""
    values: Tensor
    """R x C features, of all scans of the batch one after another."""
    scan: Tensor
    """R, int64: which scan of the batch a row belongs to, ascending."""
    position: Tensor
    """R x 3, m: center of the row's voxel, or the point itself."""
    count: Tensor | None = None
    """R: LiDAR points in the row's voxel; None where rows are not voxels of points."""


@dataclass(frozen=True)
class Features:
    """What was read from one detector in one forward pass."""

    taps: Mapping[str, Any]
    rows: tuple[Rows, ...] = ()


@dataclass(frozen=True)
class Batch:
    """One preprocessed batch, as teacher and student both received it."""

    inputs: Mapping[str, Any]
    """mmdet3d's batch_inputs_dict: `points` and, for voxel detectors, `voxels`."""
    samples: list[Any] = field(default_factory=list)
    """mmdet3d's Det3DDataSample per scan, with the ground truth."""
