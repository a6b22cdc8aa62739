"""Noise contrastive estimation between embeddings, and what it needs (Tian, Krishnan and Isola, ICLR 2020)."""

import torch
from mmengine.dist import all_gather_object, is_distributed
from torch import Tensor


def contrastive_loss(scores: Tensor, counted: Tensor, rows: int) -> Tensor:
    """Noise contrastive loss: the mean over U units of -log of telling positive and negatives from uniform noise.

    With m negatives, noise density 1 / n and epsilon 1e-7, per unit
    -log(p / (p + m / n + epsilon)) - sum over negatives of log((m / n) / (p_k + m / n + epsilon)).

    Args:
        scores: U x (1 + K), the positive's first.
        counted: U x K, bool: the negatives that count, m of each unit.
        rows: n.
    """
    noise = counted.sum(1, keepdim=True).to(scores) / rows
    positive, negative = scores[:, :1], scores[:, 1:]
    told = (positive / (positive + noise + 1e-7)).log().sum()
    told = told + torch.where(counted, noise / (negative + noise + 1e-7), 1).log().sum()
    return -told / max(len(scores), 1)


def normalized(vectors: Tensor) -> Tensor:
    """U x d vectors of length 1; of one without length the gradient is finite."""
    return vectors * (vectors.square().sum(1, keepdim=True) + 1e-12).rsqrt()


def random_rows(rows: int, size: int) -> Tensor:
    """n x d, the code's random start of a memory."""
    bound = (3 / size) ** 0.5
    return torch.empty(rows, size).uniform_(-bound, bound)


def of_all_processes(*tensors: Tensor) -> list[Tensor]:
    """Tensors of all processes, one after the other in the processes' order, so that every one stores the same."""
    if not is_distributed():
        return list(tensors)
    gathered = all_gather_object([tensor.cpu() for tensor in tensors])
    return [torch.cat(parts).to(t.device) for parts, t in zip(zip(*gathered, strict=True), tensors, strict=True)]
