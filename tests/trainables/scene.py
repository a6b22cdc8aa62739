"""Small features and batches that tests of distillation share."""

import torch

from trainables.features import Batch, Features, Map, Rows


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


BATCH = Batch({"points": [torch.zeros(0, 4)] * 2})
"""Two scans, of which nothing but their number is read."""


def map_of(
    channels: int, places: tuple[int, ...], *, scans: int = 2, seed: int = 0, normed: bool = False, cell: float = 1.0
) -> Map:
    """A random map in float64, mostly positive: a grid (H, W) whose first cell's center is (0, 0), or (P,) points.

    `normed` adds a batch norm's weight and bias, as maps before their ReLU have.
    """
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(scans, channels, *places, generator=generator, dtype=torch.float64) + 0.3
    if len(places) == 2:
        y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) * cell for n in places), indexing="ij")
        position = torch.stack([x, y, torch.zeros_like(x)], dim=-1).flatten(0, 1).expand(scans, -1, -1)
    else:
        place = torch.Generator().manual_seed(99)
        position = torch.rand(scans, *places, 3, generator=place, dtype=torch.float64) * 10
    affine = torch.randn(2, channels, generator=generator, dtype=torch.float64) if normed else (None, None)
    return Map(values, position, *affine)


def map_pair(places: tuple[int, ...], *, narrow: int = 3, wide: int = 5, normed: bool = False, scans: int = 2):
    """Student's and teacher's map of one batch; the student's wants gradients."""
    student = map_of(narrow, places, scans=scans, seed=1, normed=normed)
    student.values.requires_grad_()
    return student, map_of(wide, places, scans=scans, seed=2, normed=normed)
