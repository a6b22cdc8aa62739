"""The one checkpoint that a run continues from, and what it knows of the run besides weights.

It is written by an atomic rename: a run killed at any moment continues from a whole epoch with everything that was
known of it, and a run killed after its last epoch needs nothing but this file to be recorded.
"""

from pathlib import Path

import torch
from mmengine.runner import Runner

from study.nouns.frozen import Frozen
from study.nouns.records import EpochRecord
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
    return folder / "latest.pth"


def read(folder: Path) -> SoFar:
    """What the newest checkpoint of a run knows; of a run without one, nothing."""
    path = latest(folder)
    if not path.exists():
        return SoFar()
    return SoFar.model_validate(torch.load(path, map_location="cpu", weights_only=True)["meta"]["so_far"])


def write(runner: Runner, folder: Path, so_far: SoFar) -> None:
    """Put a checkpoint in the place of the last one."""
    meta = {"epoch": len(so_far.epochs), "iter": so_far.steps, "so_far": so_far.model_dump(mode="json")}
    partial = folder / "latest.partial"
    runner.save_checkpoint(str(partial.parent), partial.name, meta=meta)
    partial.replace(latest(folder))
