"""FitNets: the student's map regresses the teacher's through a trained 1x1 convolution (Romero et al., ICLR 2015).

Romero, Ballas, Kahou, Chassang, Gatta and Bengio, "FitNets: Hints for Thin Deep Nets". The form followed is that of the
benchmark by Tian et al., github.com/HobbitLong/RepDistiller at b84f547c5db6 (distiller_zoo/FitNet.py, `ConvReg` in
models/util.py, run_cifar_distill.sh): the mean over all elements of (R(S) - T)^2 times 100, R being convolution, batch
norm and ReLU, trained together with the task.

Differs from the paper, as RepDistiller does: it trains the lower half of the student on the hint first (two stages).
Differs from RepDistiller: on a bird's-eye view most places are empty and dominate the mean, so `mask` can leave them
out. R ends in a ReLU and cannot reproduce negative values: right for the maps read here, which come after one.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from trainables.distillers import Distiller
from trainables.distillers.parts.boxes import inside
from trainables.distillers.parts.regions import cell_size
from trainables.features import Batch, Features, Map


class FitNet(Distiller):
    """Mean of (R(S) - T)^2 over channels and places, of the backbone's last stage or of the neck."""

    constant = 100.0  # RepDistiller's weight of the mean squared error
    weight_range = (1e-1 / constant, 1e2 / constant)

    class Parameters(Frozen):
        """Where the hint is taken, and which places count."""

        weight: float = Field(1.0, ge=0, description="multiple of RepDistiller's constant, 100")
        tap: Literal["stages", "neck"] = Field("stages", description="the backbone's last stage, or the neck")
        mask: Literal["none", "nonempty", "foreground"] = Field(
            "none", description="places that count: all, those that hold LiDAR points, those on an object"
        )

    @classmethod
    def reads_with(cls, parameters: Any) -> tuple[str, ...]:
        """The tap."""
        return (parameters.tap,)

    @classmethod
    def complete(cls, parameters: dict[str, Any], kind: str) -> dict[str, Any]:
        """Refuses a mask that chooses nothing: where places are points, none of them is empty."""
        whole = super().complete(parameters, kind)
        if kind == "points" and whole["mask"] == "nonempty":
            raise InputError("parameters.mask=nonempty needs a grid; every place of this detector holds a point")
        return whole

    def __init__(self, parameters: Parameters, student: Features, teacher: Features) -> None:
        super().__init__(parameters, student, teacher)
        narrow, wide = (self._hint(features).values.shape[1] for features in (student, teacher))
        self.regressor = nn.Sequential(nn.Conv1d(narrow, wide, 1), nn.BatchNorm1d(wide), nn.ReLU())

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """`kd_loss`, and the share of the places that count."""
        ours, theirs = self._hint(student), self._hint(teacher)
        regressed = self.regressor(ours.values.flatten(2))
        places = None if self.options.mask == "none" else self._places(theirs, batch)
        terms = {"kd_loss": hint_loss(regressed, theirs.values.flatten(2), places)}
        if places is not None:
            terms["places_in_effect"] = places.float().mean()
        return terms

    def _hint(self, features: Features) -> Map:
        return features.neck if self.options.tap == "neck" else features.stages[-1]

    def _places(self, read: Map, batch: Batch) -> Tensor:
        """B x P, true where a place counts."""
        scans = range(len(read.values))
        if self.options.mask == "nonempty":
            return torch.stack([holds_points(read, scan, batch.inputs["points"][scan]) for scan in scans])
        return torch.stack([on_objects(read, scan, batch.objects(scan)[0]) for scan in scans])


def hint_loss(regressed: Tensor, teacher: Tensor, places: Tensor | None = None) -> Tensor:
    """Mean of the squared difference over channels and places.

    Args:
        regressed: B x C x P student's map, already of the teacher's width.
        teacher: B x C x P.
        places: B x P, true where a place counts; None counts all. The loss of no place is zero.
    """
    if places is None:
        return F.mse_loss(regressed, teacher.detach())
    squares = (regressed - teacher.detach()).square().sum(1)
    return (squares * places).sum() / (places.sum() * teacher.shape[1]).clamp(min=1)


def holds_points(read: Map, scan: int, points: Tensor) -> Tensor:
    """Which cells of a grid hold points.

    Args:
        read: a map of B x C x H x W.
        scan: of the batch.
        points: N x (3 or more), x, y, z in m first.

    Returns:
        H*W, bool.
    """
    height, width = read.values.shape[2:]
    position = read.position[scan].view(height, width, 3)
    edge = cell_size(read, scan)
    column, line = ((points[:, :2] - position[0, 0, :2]) / edge + 0.5).floor().unbind(1)
    on_grid = (column >= 0) & (column < width) & (line >= 0) & (line < height)
    cell = (line * width + column).where(on_grid, height * width).long()  # beyond the grid: one cell more, cut off
    return torch.zeros(height * width + 1, dtype=torch.bool, device=points.device).index_fill(0, cell, True)[:-1]


def on_objects(read: Map, scan: int, boxes: Tensor) -> Tensor:
    """Which places lie on an object: points inside its box; cells whose center is over it or within half a cell of it.

    The half cell keeps objects that are smaller than a cell.

    Args:
        read: a map.
        scan: of the batch.
        boxes: M x 7, center x, y, z, length, width, height in m, yaw in rad.

    Returns:
        P, bool.
    """
    position = read.position[scan]
    if read.values.dim() == 3:
        return inside(position, boxes).any(1)
    grown = boxes.clone()
    grown[:, 3:5] += cell_size(read, scan).amin()
    return inside(position[:, :2], grown).any(1)  # a grid has no height
