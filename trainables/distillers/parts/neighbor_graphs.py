"""Graphs over rows: which rows matter, who their neighbors are, and the dynamic graph convolution on the edges.

The convolution (Wang et al., "Dynamic Graph CNN", 2019) is a 1x1 convolution on the concatenated edge (center,
neighbor), batch norm over all edges, and ReLU. As it is linear in both halves, every row is projected once and the
projections are gathered: W [x_i; x_j] = W_c x_i + W_n x_j, a fraction of the arithmetic on N x K x 2C edges.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from study.nouns.errors import InputError
from trainables.ops.neighbors import nearest, nearest_in_space

Selection = Literal["top", "random", "mixed"]


def select(
    importance: Tensor,
    samples: float,
    selection: Selection,
    shortfall: Literal["clamp", "raise"],
    generator: torch.Generator,
) -> Tensor:
    """Indices of the rows that are distilled.

    Args:
        importance: R.
        samples: N rows, or a fraction of R when below 1.
        selection: `top` the most important; `random`; `mixed` half and half, without repetition.
        shortfall: what happens when fewer than N rows exist.
        generator: random stream of `random` and `mixed`.

    Returns:
        min(N, R) indices, int64.

    Raises:
        InputError: shortfall is `raise` and R < N.
    """
    rows = len(importance)
    wanted = int(samples) if samples >= 1 else max(1, round(samples * rows))
    if wanted > rows and shortfall == "raise":
        raise InputError(f"samples={wanted} rows were asked for, {rows} exist; parameters.shortfall=clamp takes those")
    n = min(wanted, rows)
    if selection == "random":
        return torch.randperm(rows, generator=generator).to(importance.device)[:n]
    order = importance.detach().argsort(descending=True, stable=True)
    top = n if selection == "top" else (n + 1) // 2
    rest = order[top:]
    drawn = torch.randperm(len(rest), generator=generator).to(rest.device)[: n - top]
    return torch.cat([order[:top], rest[drawn]])


def neighbors_of(chosen: Tensor, rows: Tensor, position: Tensor | None, k: int) -> Tensor:
    """N x min(k, R) indices of the rows nearest to each chosen row, itself included.

    Args:
        chosen: N indices into the rows.
        rows: R x C teacher's features, where nearness is measured unless positions are given.
        position: R x 3, m, or None.
        k: K neighbors.
    """
    if position is not None:
        return nearest_in_space(position[chosen], position, min(k, len(position)))
    return nearest(rows[chosen], rows, min(k, len(rows)))


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

    def forward(self, values: list[Tensor], chosen: list[Tensor], neighbors: list[Tensor]) -> list[Tensor]:
        """Edge features of several graphs sets (one per scan), normalized together.

        Args:
            values: R_b x C rows per scan.
            chosen: N_b centers per scan.
            neighbors: N_b x K_b neighbors per scan.

        Returns:
            N_b x K_b x C' per scan.
        """
        edges = [self._project(*graph) for graph in zip(values, chosen, neighbors, strict=True)]
        flat = torch.cat([edge.flatten(0, 1) for edge in edges])
        if self.training and len(flat) < 2:
            raise ValueError("batch norm over edges needs at least two edges")
        flat = F.relu(self.norm(flat))
        parts = flat.split([edge.shape[0] * edge.shape[1] for edge in edges])
        return [part.view_as(edge) for part, edge in zip(parts, edges, strict=True)]

    def _project(self, values: Tensor, chosen: Tensor, neighbors: Tensor) -> Tensor:
        if self.edge == "concat":
            return self.center(values[chosen]).unsqueeze(1) + self.neighbor(values)[neighbors]
        # [x_i - x_j; x_i] with the two halves of W in that order
        projected = self.neighbor(values)
        return (self.center(values[chosen]) + projected[chosen]).unsqueeze(1) - projected[neighbors]
