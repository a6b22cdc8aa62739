"""Small features and batches that tests of distillation share."""

import torch

from trainables.features import Batch, Features, Rows


def rows(channels: int, scans: list[int], *, kind: str = "pillars", seed: int = 0, dtype=torch.float64) -> Rows:
    """Random rows of a batch with `scans` rows per scan; counts differ within a scan, as ranking needs."""
    generator = torch.Generator().manual_seed(seed)
    total = sum(scans)
    place = torch.Generator().manual_seed(99)
    count = torch.cat([torch.randperm(40, generator=place)[:n] + 1 for n in scans]) if total else torch.zeros(0)
    return Rows(
        kind=kind,
        values=torch.rand(total, channels, generator=generator, dtype=dtype),
        scan=torch.repeat_interleave(torch.arange(len(scans)), torch.tensor(scans)),
        position=torch.rand(total, 3, generator=place, dtype=dtype) * 40,
        count=count.to(dtype) if kind == "pillars" else None,
    )


def pair(scans: list[int], *, kind: str = "pillars", narrow: int = 4, wide: int = 6, dtype=torch.float64):
    """Student's and teacher's features of one batch; the student's want gradients."""
    student = rows(narrow, scans, kind=kind, seed=1, dtype=dtype)
    student.values.requires_grad_()
    teacher = rows(wide, scans, kind=kind, seed=2, dtype=dtype)
    return Features(rows=(student,)), Features(rows=(teacher,))


BATCH = Batch({})
