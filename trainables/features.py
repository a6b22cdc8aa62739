"""What distillation sees of a detector: rows, maps and predictions that teacher and student both have.

A `DetectorSpec` says how each is read out of its network; a `Distiller` says by name which it reads.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

import torch
from torch import Tensor

NOT_READ: Any = None
"""Stands where a method did not ask for a feature."""

T = TypeVar("T")


@dataclass
class Made:
    """What was worked out once, when, what it took, and how many have used it."""

    value: Any
    start: float
    seconds: float
    users: int = 0


_used: list[Made] | None = None


@contextmanager
def uses() -> Iterator[list[Made]]:
    """Counts what is used inside of what is made once; the list holds it, for its costs."""
    global _used  # noqa: PLW0603  whoever uses something is deep inside a network
    used: list[Made] = []
    before, _used = _used, used
    try:
        yield used
        for made in used:
            made.users += 1
    finally:
        _used = before


@dataclass(frozen=True)
class _Known:
    """Something that several students look at, with what was worked out of it."""

    _made: dict[Hashable, Made] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, name: Hashable, make: Callable[[], T]) -> T:
        """What follows from this alone: made for the first who asks under the name, and changed by nobody."""
        if name not in self._made:
            start = perf_counter()
            self._made[name] = Made(make(), start, perf_counter() - start)
        made = self._made[name]
        if _used is not None and not any(made is other for other in _used):
            _used.append(made)
        return made.value


@dataclass(frozen=True)
class Rows:
    """Row-wise features of one detector: pillars, bird's-eye-view cells or points.

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
class Map:
    """Features at every place of each scan: a bird's-eye-view grid, or a set of points."""

    values: Tensor
    """B x C x H x W (H along y, W along x), or B x C x P."""
    position: Tensor
    """B x P x 3, m: the places in the order of `values.flatten(2)`; grids lie at z = 0."""
    scale: Tensor | None = None
    """C: weight of the batch norm that made `values`; only of maps before their ReLU."""
    shift: Tensor | None = None
    """C: its bias."""


@dataclass(frozen=True)
class Predictions:
    """What the dense head (of two-stage detectors: the proposal head) says of every anchor or point."""

    logits: Tensor
    """B x A x classes, before the sigmoid."""
    codes: Tensor
    """B x A x code size: boxes as the head encodes them."""
    decode: Callable[[int, Tensor], Tensor]
    """(scan, M indices of anchors) -> M x 7 boxes: center x, y, z, length, width, height in m, yaw in rad; M x 9 where
    the head sees how objects move: the velocity along x and y in m/s."""
    directions: Tensor | None = None
    """B x A x 2 logits of the heading's half circle; None where the head has none."""
    half_circle: float = 0.0
    """Where the first of the two half circles begins, rad."""
    angle: int | None = None
    """Which column of the codes is an angle in rad, known up to half a turn; None where none is."""
    assign: Callable[["Batch"], Tensor] = NOT_READ
    """A batch with ground truth -> B x A, int64: the class that the head learns there, -1 nothing, -2 left out."""
    foreground: Callable[["Batch"], Tensor] | None = None
    """A batch with ground truth -> B x A: how near an anchor is to an object's center, 1 on it, 0 far from any (the
    heatmaps' targets); None where anchors overlap objects instead."""
    at_a_place: int = 1
    """Anchors that stand at one place, one after the other. Of heads that find centers: one for each group of
    classes, which has logits of its own classes alone (-20 for the others)."""


@dataclass(frozen=True)
class Features(_Known):
    """What was read from one detector in one forward pass; what nobody asked for is `NOT_READ`."""

    rows: tuple[Rows, ...] = NOT_READ
    """PointDistiller's rows; several sets where the detector has several levels."""
    stages: tuple[Map, ...] = NOT_READ
    """Outputs of the backbone's stages, after their ReLU."""
    before_relu: tuple[Map, ...] = NOT_READ
    """The same before their ReLU, with the batch norm's weight and bias."""
    neck: Map = NOT_READ
    """What the head sees."""
    predictions: Predictions = NOT_READ


@dataclass(frozen=True)
class Batch(_Known):
    """One preprocessed batch, as teacher and students received it."""

    inputs: Mapping[str, Any]
    """mmdet3d's batch_inputs_dict: `points` and, for voxel detectors, `voxels`."""
    samples: list[Any] = field(default_factory=list)
    """mmdet3d's Det3DDataSample per scan, with the ground truth."""

    @property
    def scans(self) -> int:
        """How many there are."""
        return len(self.inputs["points"])

    def objects(self, scan: int) -> tuple[Tensor, Tensor]:
        """Ground truth of a scan.

        Returns:
            M x 7 boxes as `Predictions.decode` gives them (mmdet3d's own z is the bottom's), and M labels, int64.
        """
        truth = self.samples[scan].gt_instances_3d
        boxes = truth.bboxes_3d
        return torch.cat([boxes.gravity_center, boxes.tensor[:, 3:7]], dim=1), truth.labels_3d
