"""Regions of a bird's-eye view: places laid evenly over boxes, and what a map holds there, read between its cells.

Places are counted in cells along x and along y; the center of a map's first cell is (0, 0).
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.features import Map

Shape = Literal["box", "upright", "gaussian"]

LEAST_OVERLAP, LEAST_RADIUS = 0.1, 2
"""Of CenterPoint's Gaussians: the overlap that a box whose corners lie within the radius keeps, and cells."""


def cell_size(read: Map, scan: int) -> Tensor:
    """Length of a cell along x and along y, m; infinite along an axis of one cell."""
    height, width = read.values.shape[2:]
    position = read.position[scan].view(height, width, 3)
    extent = position[-1, -1] - position[0, 0]
    each = [
        extent[axis] / (n - 1) if n > 1 else extent.new_full((), float("inf")) for axis, n in enumerate((width, height))
    ]
    return torch.stack(each)


def places_over(boxes: Tensor, shape: Shape, grid: int, read: Map, scan: int) -> Tensor:
    """M x grid^2 x 2 places of M x 7 boxes: the centers of grid x grid equal parts of each region.

    Args:
        boxes: center x, y, z, length, width, height in m, yaw in rad.
        shape: `box`, length times width and turned with the box; `upright`, the rectangle along x and y around that;
            `gaussian`, the square of 2r + 1 cells around the cell that holds the center (`gaussian_radius`).
        grid: places along each side.
        read: the map whose cells are counted.
        scan: of the batch.
    """
    first, cell = read.position[scan][0, :2].to(boxes), cell_size(read, scan).to(boxes)
    steps = (torch.arange(grid, device=boxes.device, dtype=boxes.dtype) + 0.5) / grid - 0.5
    offsets = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).flatten(0, 1)
    center = ((boxes[:, :2] - first) / cell)[:, None]
    if shape == "gaussian":
        length, width = (boxes[:, 3:5] / cell).unbind(1)
        side = 2 * gaussian_radius(length, width).floor().clamp(min=LEAST_RADIUS) + 1
        return (center + 0.5).floor() + offsets * side[:, None, None]
    cosine, sine = boxes[:, 6:7].cos(), boxes[:, 6:7].sin()
    length, width = boxes[:, 3:4], boxes[:, 4:5]
    x, y = offsets.unbind(1)
    if shape == "upright":
        spread = [x * (length * cosine.abs() + width * sine.abs()), y * (length * sine.abs() + width * cosine.abs())]
    else:
        along, across = x * length, y * width
        spread = [along * cosine - across * sine, along * sine + across * cosine]
    return center + torch.stack(spread, dim=-1) / cell


def gaussian_radius(length: Tensor, width: Tensor, overlap: float = LEAST_OVERLAP) -> Tensor:
    """How far corners may move so that a box keeps an overlap, as mmdet3d's `gaussian_radius` works it out (CornerNet).

    Args:
        length, width: M each, in cells.
        overlap: intersection over union.

    Returns:
        M, in cells.
    """
    around, area = length + width, length * width
    cases = [
        (1.0, around, area * (1 - overlap) / (1 + overlap)),
        (4.0, 2 * around, area * (1 - overlap)),
        (4 * overlap, -2 * overlap * around, -area * (1 - overlap)),
    ]
    radii = [(b + (b.square() - 4 * a * c).sqrt()) / 2 for a, b, c in cases]
    return torch.stack(radii).amin(0)


def sampled(read: Map, scan: int, places: Tensor) -> Tensor:
    """What a scan's map holds at M x P x 2 places, M x C x P: between the four nearest cells linearly, beyond it 0."""
    height, width = read.values.shape[2:]
    at = torch.stack([(2 * places[..., 0] + 1) / width - 1, (2 * places[..., 1] + 1) / height - 1], dim=-1)
    values = read.values[scan].unsqueeze(0)
    return F.grid_sample(values, at.to(values).unsqueeze(0), align_corners=False)[0].transpose(0, 1)
