"""CRD's queue: objects and places beside them, told from the embeddings of the last batches.

Ours, for detection; the code's memory of images is in parts/embedding_banks.py.
"""

from typing import Any

import torch
from torch import Tensor, nn

from trainables.distillers.parts.boxes import inside
from trainables.distillers.parts.contrast import random_rows
from trainables.features import Batch, Map

BACKGROUND, UNUSED = -1, -2


class Queue(nn.Module):
    """The last n embeddings of both networks, with the class of each."""

    student: Tensor
    teacher: Tensor
    classes: Tensor
    stored: Tensor
    """Rows ever written."""

    def __init__(self, options: Any) -> None:
        """Start from random rows, with CRD's complete hyper-parameters."""
        super().__init__()
        self.options = options
        self.register_buffer("student", random_rows(options.rows, options.dimensions))
        self.register_buffer("teacher", random_rows(options.rows, options.dimensions))
        self.register_buffer("classes", torch.full((options.rows,), UNUSED))
        self.register_buffer("stored", torch.zeros((), dtype=torch.long))

    def units(self, narrow: Map, wide: Map, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Objects of the batch with enough LiDAR points, and beside them drawn places outside of every box.

        A place may be drawn twice, and where boxes cover most of the map fewer are found. Waits for the device once.

        Returns:
            U x C_s and U x C_t vectors of both networks, and U classes. U is at most `units`, or as many as there are
            boxes where these are more.
        """
        mine, its, classes, held, free = [], [], [], [], []
        for scan in range(batch.scans):
            boxes, labels = batch.objects(scan)
            places = narrow.position[scan, :, :2]
            shares = places_of(places, boxes)
            mine.append(shares @ narrow.values[scan].flatten(1).T)
            its.append(shares @ wide.values[scan].flatten(1).T)
            classes.append(labels)
            points = inside(batch.inputs["points"][scan][:, :3], boxes).sum(0)
            held.append((points >= self.options.least_points) & (labels >= 0))
            free.append(~inside(places, boxes).any(1))
        everywhere = torch.cat(free)
        drawn = torch.randint(max(len(everywhere), 1), (2 * self.options.units,), generator=generator)
        drawn = drawn.to(everywhere.device, non_blocking=True)
        scan_of, place = drawn // len(free[0]), drawn % len(free[0])
        most = max(self.options.units, sum(map(len, classes)))
        mine.append(narrow.values.flatten(2)[scan_of, :, place])
        its.append(wide.values.flatten(2)[scan_of, :, place])
        classes.append(torch.full_like(place, BACKGROUND))
        kept = torch.cat([*held, everywhere[drawn]]).nonzero().squeeze(1)[:most]
        return torch.cat(mine)[kept], torch.cat(its)[kept], torch.cat(classes)[kept]

    def scores(
        self, ours: Tensor, theirs: Tensor, classes: Tensor, generator: torch.Generator
    ) -> tuple[list[Tensor], Tensor]:
        """Each network's U x (1 + K) scores, the positive first, and which negatives count, U x K."""
        drawn = torch.randperm(self.options.rows, generator=generator)[: self.options.negatives]
        drawn = drawn.to(ours.device, non_blocking=True)
        other = (classes[:, None] != self.classes[drawn]) | (not self.options.other_class)
        positive = (ours * theirs.detach()).sum(1, keepdim=True), (theirs * ours.detach()).sum(1, keepdim=True)
        negative = ours @ self.teacher[drawn].T, theirs @ self.student[drawn].T
        both = zip(positive, negative, strict=True)
        return [(torch.cat(pair, dim=1) / self.options.temperature).exp() for pair in both], other

    def settled(self) -> Tensor:
        """Bool: whether the queue is full, so that the scores' scale may be kept."""
        return self.stored >= self.options.rows

    def store(self, ours: Tensor, theirs: Tensor, classes: Tensor) -> None:
        """Write embeddings over the oldest."""
        ours, theirs, classes = (new[-self.options.rows :] for new in (ours, theirs, classes))
        at = (self.stored + torch.arange(len(classes), device=classes.device)) % self.options.rows
        self.student[at], self.teacher[at], self.classes[at] = ours, theirs, classes
        self.stored += len(classes)


def places_of(places: Tensor, boxes: Tensor) -> Tensor:
    """M x P shares of M boxes in P places, each row adding up to 1.

    Equal shares of the places inside a box seen from above; where there are none, the place nearest to its center.

    Args:
        places: P x 2, m.
        boxes: M x 7.
    """
    within = inside(places, boxes).T
    nearest = torch.cdist(boxes[:, :2], places.to(boxes)).argmin(1) if len(boxes) else within.new_zeros(0).long()
    alone = torch.zeros_like(within).scatter(1, nearest[:, None], 1)
    shares = torch.where(within.any(1, keepdim=True), within, alone).to(places)
    return shares / shares.sum(1, keepdim=True)
