"""Graphs over rows: who the neighbors of a row are, and the dynamic graph convolution on the edges.

The convolution (Wang et al., "Dynamic Graph CNN", 2019) is a 1x1 convolution on the concatenated edge (center,
neighbor), batch norm over all edges, and ReLU. As it is linear in both halves, every row is projected once and the
projections are gathered: W [x_i; x_j] = W_c x_i + W_n x_j, a fraction of the arithmetic on N x K x 2C edges.
"""

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.distillers.parts.row_selection import Chosen, Scope
from trainables.features import Rows
from trainables.ops.gathered import gathered
from trainables.ops.neighbors import nearest, nearest_in_space


def neighbors_of(
    chosen: Chosen, teacher: Rows, k: int, scope: Scope, space: Literal["feature", "position"]
) -> list[Tensor]:
    """The rows nearest to each chosen row, itself included.

    Args:
        chosen: N rows.
        teacher: all R rows, in whose features (or at whose positions) nearness is measured.
        k: K neighbors.
        scope: whether they are rows of the same scan, or of the whole batch.
        space: `feature` or `position`.

    Returns:
        For each scan that has chosen rows, or for the batch: n x min(K, its rows) indices into all rows, int64.
    """
    where, search = (teacher.values, nearest) if space == "feature" else (teacher.position, nearest_in_space)
    starts = chosen.starts if scope == "scan" else [0, len(where)]
    counts = chosen.per_scan if scope == "scan" else [len(chosen.rows)]
    return [
        search(where[centers], where[first:end], min(k, end - first)) + first
        for centers, (first, end) in zip(chosen.rows.split(counts), pairwise(starts), strict=True)
        if len(centers)
    ]


class GraphConvolution(nn.Module):
    """1x1 convolution without bias on edges, batch norm over edges, ReLU."""

    def __init__(self, channels: int, out: int, edge: Literal["concat", "difference"] = "concat") -> None:
        super().__init__()
        self.center = nn.Linear(channels, out, bias=False)
        self.neighbor = nn.Linear(channels, out, bias=False)
        self.norm = nn.BatchNorm1d(out)
        self.edge = edge
        for half in (self.center, self.neighbor):  # as mmcv's ConvModule initializes its convolution
            nn.init.kaiming_normal_(half.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, values: Tensor, chosen: Tensor, neighbors: list[Tensor]) -> list[Tensor]:
        """Edge features of several sets of graphs (one per scan), normalized together.

        Args:
            values: R x C rows.
            chosen: N centers, those of one set after the other.
            neighbors: n x K neighbors of each set; K may differ.

        Returns:
            n x K x C' of each set.

        Raises:
            ValueError: there are fewer than two edges, which training cannot normalize.
        """
        centers, projected, sign = self.center(gathered(values, chosen)), self.neighbor(values), 1
        if self.edge == "difference":  # [x_i - x_j; x_i] with the two halves of W in that order
            centers, sign = centers + gathered(projected, chosen), -1
        each = zip(centers.split([len(near) for near in neighbors]), neighbors, strict=True)
        edges = [torch.add(center.unsqueeze(1), gathered(projected, near), alpha=sign) for center, near in each]
        flat = torch.cat([edge.flatten(0, 1) for edge in edges])
        if self.training and len(flat) < 2:
            raise ValueError("batch norm over edges needs at least two edges")
        parts = F.relu(self.norm(flat)).split([edge.shape[0] * edge.shape[1] for edge in edges])
        return [part.view_as(edge) for part, edge in zip(parts, edges, strict=True)]
