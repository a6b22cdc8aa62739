"""Rows of a table by their numbers, whose gradients are added up in the same order whatever the number of threads.

The gradient of `values[rows]` is torch's `index_put_` with `accumulate`, which on a CPU adds with atomic operations of
several threads as soon as there are 32,768 numbers: a row that was taken several times gets the sum in an order of
chance. That of an embedding is added row by row, in the order of `rows`: to the bit what one thread makes of
`values[rows]`, and on a GPU without the waiting for a sort of all indices that an `index_put_` is.
"""

import torch.nn.functional as F
from torch import Tensor


def gathered(values: Tensor, rows: Tensor) -> Tensor:
    """`values[rows]`.

    Args:
        values: R x C.
        rows: any shape, int64, each from 0 to R - 1.

    Returns:
        The shape of `rows`, times C.
    """
    return F.embedding(rows, values)
