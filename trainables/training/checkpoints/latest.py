"""The one checkpoint that a run continues from, and what it knows of the run besides weights.

It is written by an atomic rename: a run killed at any moment continues from where it was written, after an epoch or
between two steps of one (`midway`), with everything that was known of it, and a run killed after its last epoch needs
nothing but this file to be recorded. Where a disk has damaged it, the run begins again; half right weights would be
worse. Its parts have the names of mmengine's own checkpoints: `meta`, `state_dict`, `optimizer`, `param_schedulers`.
"""

from pathlib import Path
from typing import Any

import torch

from study.nouns.frozen import Frozen
from study.nouns.records import LATEST, EpochRecord
from trainables.training.checkpoints.reading import is_damaged
from trainables.training.checkpoints.whole import save
from trainables.training.clipping import GradientTally


class SoFar(Frozen):
    """What is known of a run after some epochs."""

    epochs: tuple[EpochRecord, ...] = ()
    steps: int = 0
    peak_memory_mb: float = 0.0
    """The most that any of its processes took so far."""
    gradients: GradientTally = GradientTally()


def latest(folder: Path) -> Path:
    """Where a run keeps its newest checkpoint."""
    return folder / LATEST


def load(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint of a run, on the CPU, with a `SoFar` in `meta.so_far`; of a run without one, None.

    One that is damaged is deleted and said, and counts as none.
    """
    path = latest(folder)
    if not path.exists():
        return None
    if is_damaged(path):
        print(f"{path} is damaged: the run begins again")
        path.unlink(missing_ok=True)  # another process of the run may be faster
        return None
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    checkpoint["meta"]["so_far"] = SoFar.model_validate(checkpoint["meta"]["so_far"])
    return checkpoint


def write(folder: Path, so_far: SoFar, parts: dict[str, Any]) -> None:
    """Put a checkpoint in the place of the last one.

    Args:
        folder: of the run.
        so_far: what is known of it.
        parts: `state_dict` and the others; between two steps of an epoch `midway`, of each process that trains the run.
    """
    meta = {"epoch": len(so_far.epochs), "iter": so_far.steps, "so_far": so_far.model_dump(mode="json")}
    save({"meta": meta, **parts}, latest(folder))
