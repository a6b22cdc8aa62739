"""K nearest rows, in feature space and in space.

In feature space a chunked matrix product with `topk` is the fast way on every device (torch-cluster's `knn` is about
15 times slower in 64 dimensions on the CPU); in three dimensions torch-cluster's tree search is, where it is installed.
"""

import torch
from torch import Tensor

QUERIES_AT_ONCE = 1024
"""Bounds the distance matrix to 1024 x R floats."""


def nearest(queries: Tensor, rows: Tensor, k: int) -> Tensor:
    """Indices of the k nearest rows of each query, by Euclidean distance, nearest first.

    Args:
        queries: Q x C.
        rows: R x C, R >= k. A query that is itself among the rows finds itself.
        k: number of neighbors.

    Returns:
        Q x k, int64. Differentiable with respect to nothing.

    Raises:
        ValueError: k < 1 or k > R.
    """
    if not 1 <= k <= len(rows):
        raise ValueError(f"`1 <= k <= rows` must hold, but got k={k}, rows={len(rows)}")
    queries, rows = queries.detach(), rows.detach()
    square = rows.square().sum(1)
    # |q|^2 is the same for every row of a query and does not change the order.
    chunks = [
        _smallest(torch.addmm(square.unsqueeze(0), chunk, rows.t(), alpha=-2), k)
        for chunk in queries.split(QUERIES_AT_ONCE)
    ]
    return torch.cat(chunks) if chunks else rows.new_empty(0, k, dtype=torch.long)


def _smallest(distances: Tensor, k: int) -> Tensor:
    """Columns of the k smallest of each row, in order; on a CPU the first of equal ones, however many are asked for.

    `topk` names equal ones as they come, and others for another k: the first neighbors of many would not be those of
    few. A GPU would have to be waited for to know whether there are any.
    """
    values, columns = distances.topk(k, dim=1, largest=False)
    if distances.device.type != "cpu":
        return columns
    columns, order = columns.sort(dim=1)
    values, order = values.gather(1, order).sort(dim=1, stable=True)
    columns = columns.gather(1, order)
    last = values[:, -1:]
    torn = (distances == last).sum(1) > (values == last).sum(1)  # equal ones were left out
    if torn.any():
        columns[torn] = distances[torn].argsort(dim=1, stable=True)[:, :k]
    return columns


def nearest_in_space(queries: Tensor, rows: Tensor, k: int) -> Tensor:
    """`nearest` for Q x 3 and R x 3 positions in m, through torch-cluster where it serves."""
    if not 1 <= k <= len(rows):
        raise ValueError(f"`1 <= k <= rows` must hold, but got k={k}, rows={len(rows)}")
    # torch-cluster's CUDA kernel keeps its candidates in a fixed array of 100.
    if len(queries) == 0 or (rows.is_cuda and k > 100):
        return nearest(queries, rows, k)
    try:
        from torch_cluster import knn
    except ImportError:
        return nearest(queries, rows, k)
    pairs = knn(rows.detach().float().contiguous(), queries.detach().float().contiguous(), k)
    return pairs[1].view(len(queries), k)
