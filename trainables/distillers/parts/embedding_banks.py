"""CRD's banks: the code's own memory, with frames for images (github.com/HobbitLong/RepDistiller, crd/memory.py)."""

from typing import Any

import torch
from torch import Tensor, nn

from study.nouns.errors import InputError
from trainables.distillers.parts.contrast import normalized, of_all_processes, random_rows
from trainables.features import Batch, Map

UNUSED = -2


class Banks(nn.Module):
    """A row of each network's bank for each frame, found by its sample_idx."""

    student: Tensor
    teacher: Tensor
    names: Tensor
    """The sample_idx of the frame that has the row; rows are given to frames one after the other."""

    def __init__(self, options: Any) -> None:
        """Start from random rows, with CRD's complete hyper-parameters."""
        super().__init__()
        self.options = options
        self.register_buffer("student", random_rows(options.rows, options.dimensions))
        self.register_buffer("teacher", random_rows(options.rows, options.dimensions))
        self.register_buffer("names", torch.full((options.rows,), UNUSED))

    def units(self, narrow: Map, wide: Map, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Whole frames: B x C_s and B x C_t means over all places, and the frames' B rows.

        A frame that is new takes the next free row, in the same order in every process. Waits for the device once.

        Raises:
            InputError: a frame without sample_idx, or more frames than rows.
        """
        names = [sample.metainfo.get("sample_idx") for sample in batch.samples]
        if None in names:
            raise InputError("parameters.form=bank finds a frame by its sample_idx, and the data give none; use queue")
        row = {name: index for index, name in enumerate(self.names.tolist()) if name != UNUSED}
        for name in of_all_processes(torch.tensor(names, dtype=torch.long))[0].tolist():
            if name not in row:
                if len(row) == self.options.rows:
                    raise InputError(f"parameters.rows={len(row)} frames fit into the banks, but the data hold more")
                self.names[len(row)] = name
                row[name] = len(row)
        rows = torch.tensor([row[int(name)] for name in names], dtype=torch.long)
        mine, its = (read.values.flatten(2).mean(2) for read in (narrow, wide))
        return mine, its, rows

    def scores(
        self, ours: Tensor, theirs: Tensor, rows: Tensor, generator: torch.Generator
    ) -> tuple[list[Tensor], Tensor]:
        """Each network's B x (1 + K) scores, the positive first, and that every negative counts, B x K."""
        drawn = torch.randint(self.options.rows, (len(rows), self.options.negatives), generator=generator)
        read = torch.cat([rows[:, None], drawn], dim=1).to(ours.device, non_blocking=True)
        both = (ours, self.teacher), (theirs, self.student)
        scores = [
            (torch.einsum("bd,bkd->bk", own, memory[read]) / self.options.temperature).exp() for own, memory in both
        ]
        return scores, torch.ones(drawn.shape, dtype=torch.bool, device=ours.device)

    def settled(self) -> Tensor:
        """Bool: true, as the code keeps the scale of the first batch's scores."""
        return torch.ones((), dtype=torch.bool, device=self.names.device)

    def store(self, ours: Tensor, theirs: Tensor, rows: Tensor) -> None:
        """Move rows towards the embeddings; of a frame that is twice in a batch the last one counts."""
        kept, at = self.options.momentum, rows.to(ours.device, non_blocking=True)
        for memory, new in ((self.student, ours), (self.teacher, theirs)):
            moved = normalized(kept * memory[at] + (1 - kept) * new)
            for row, value in zip(rows.tolist(), moved, strict=True):
                memory[row] = value
