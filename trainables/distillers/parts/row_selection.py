"""Which rows are distilled: N of each scan, or N of a whole batch."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from study.nouns.errors import InputError

Selection = Literal["top", "bottom", "mixed", "drawn", "random"]
Scope = Literal["scan", "batch"]


@dataclass(frozen=True)
class Chosen:
    """The distilled rows of one row set, scan after scan."""

    rows: Tensor
    """N, int64: indices into all rows of the batch."""
    per_scan: list[int]
    """How many of them lie in each scan."""
    starts: list[int]
    """Where the rows of each scan begin, and where the last one's end."""

    def counts(self, scope: Scope) -> list[int]:
        """How many there are in each scan that has any, or in the whole batch."""
        return [n for n in self.per_scan if n] if scope == "scan" else [len(self.rows)]


def select(
    importance: Tensor,
    samples: float,
    selection: Selection,
    shortfall: Literal["clamp", "raise"],
    generator: torch.Generator,
) -> Tensor:
    """Indices of the rows that are distilled. Of equally important rows the first counts as more important.

    Args:
        importance: R.
        samples: N rows, or a fraction of R when below 1.
        selection: `top` the most important; `bottom` the least; `mixed` half of the most and half of the least (of an
            odd N one more of the most); `drawn` half of the most, the others drawn from the rest; `random` all drawn.
        shortfall: what happens when fewer than N rows exist.
        generator: random stream of `random` and `drawn`.

    Returns:
        min(N, R) indices, int64, without repetition.

    Raises:
        InputError: shortfall is `raise` and R < N.
    """
    rows = len(importance)
    wanted = int(samples) if samples >= 1 else max(1, round(samples * rows))
    if wanted > rows and shortfall == "raise":
        raise InputError(
            f"parameters.samples={wanted} rows were asked for, {rows} exist in this step (the last batch of an epoch "
            "may be smaller than the others); parameters.shortfall=clamp takes those"
        )
    n = min(wanted, rows)
    if selection == "random":
        return torch.randperm(rows, generator=generator).to(importance.device, non_blocking=True)[:n]
    order = importance.detach().argsort(descending=True, stable=True)
    if selection == "drawn":
        top = (n + 1) // 2
        drawn = torch.randperm(rows - top, generator=generator).to(importance.device, non_blocking=True)[: n - top]
        return torch.cat([order[:top], order[top:][drawn]])
    least = {"top": 0, "mixed": n // 2, "bottom": n}[selection]
    return torch.cat([order[: n - least], order[rows - least :]])


def choose(
    importance: list[Tensor], scan: list[Tensor], scans: int, scope: Scope, select: Callable[[Tensor], Tensor]
) -> list[Chosen]:
    """Choose from several row sets of one batch; waits for the device once.

    Args:
        importance: R per row set.
        scan: R per row set: which scan a row belongs to, ascending.
        scans: B, of the batch.
        scope: whether N rows are chosen in each scan, or in the batch.
        select: importance of some rows to indices of those that are chosen.
    """
    edges = torch.arange(scans + 1, device=scan[0].device)
    starts = [torch.searchsorted(of_row.contiguous(), edges) for of_row in scan]
    if scope == "batch":
        whole = [select(values).sort().values for values in importance]
        within = [torch.searchsorted(rows, start) for rows, start in zip(whole, starts, strict=True)]
        bounds = torch.stack([*starts, *within]).tolist()
        outer, inner = bounds[: len(whole)], bounds[len(whole) :]
        each = zip(whole, inner, outer, strict=True)
        return [Chosen(rows, [b - a for a, b in pairwise(own)], all_rows) for rows, own, all_rows in each]
    chosen = []
    for values, bounds in zip(importance, torch.stack(starts).tolist(), strict=True):
        each_scan = [select(values[a:b]) + a if b > a else edges[:0] for a, b in pairwise(bounds)]
        chosen.append(Chosen(torch.cat(each_scan), list(map(len, each_scan)), bounds))
    return chosen
