"""How far the student's rows (or graphs) are from the teacher's."""

from typing import Literal

import torch
from torch import Tensor

RowDistance = Literal["norm", "mse"]


def row_distance(student: Tensor, teacher: Tensor, distance: RowDistance) -> Tensor:
    """D of each row: `norm`, ||d|| (its mean over K edges), or `mse`, the mean of d^2.

    Args:
        student, teacher: N x C', or N x K x C' graphs that were not aggregated.

    Returns:
        N.
    """
    difference = student - teacher
    if distance == "mse":
        return difference.square().flatten(1).mean(1)
    norms = torch.linalg.vector_norm(difference, dim=-1)  # subgradient 0 at 0, unlike a square root by hand
    return norms.reshape(len(norms), -1).mean(1)


def whole_distance(student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    """||d|| over every row of every part: the Frobenius norm of the whole batch."""
    return torch.linalg.vector_norm(
        torch.stack([torch.linalg.vector_norm(s - t) for s, t in zip(student, teacher, strict=True)])
    )
