"""What a run writes down while it trains: losses, metrics, and one checkpoint that it can continue from.

The checkpoint is written at the end of an epoch, after its validation, by an atomic rename, and holds the journal
itself: a run killed at any moment continues from a whole epoch with everything that was known of it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from study.nouns.frozen import Frozen
from study.nouns.records import EpochRecord
from trainables.training.failing import DivergedError


class Trained(Frozen):
    """What a training leaves: its epochs, numbers about the run itself, and the most memory that it took, in MiB."""

    epochs: tuple[EpochRecord, ...]
    facts: dict[str, float]
    peak_memory_mb: float


class Journal(Hook):
    """Collects one `EpochRecord` per epoch and keeps the newest checkpoint.

    Where several processes train one run, each of them has one; the first writes and tells.
    """

    priority = "LOWEST"  # after the hooks that change what is saved

    def __init__(
        self, folder: Path, read: Callable[[Mapping[str, float]], dict[str, float]], tell: Callable[[EpochRecord], None]
    ) -> None:
        """Start from the checkpoint in `folder` where there is one.

        Args:
            folder: of the run.
            read: mmengine's result of a validation to the metrics of the data set's evaluator.
            tell: called with each new record.
        """
        self.path = folder / "latest.pth"
        self.read = read
        self.tell = tell
        self.epochs: list[EpochRecord] = []
        if self.path.exists():
            meta = torch.load(self.path, map_location="cpu", weights_only=True)["meta"]
            self.epochs = [EpochRecord.model_validate(epoch) for epoch in meta["journal"]]
        self._sums: dict[str, float] = defaultdict(float)
        self._steps = 0
        self._durations: list[float] = []
        self._start = self._step_start = perf_counter()

    def before_train_epoch(self, runner: Runner) -> None:
        """Forget the last epoch."""
        self._sums.clear()
        self._durations.clear()
        self._steps, self._start = 0, perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """The batch is loaded, the step begins."""
        self._step_start = perf_counter()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Add up the losses of a step.

        Raises:
            DivergedError: the loss is not finite.
        """
        values = {name: float(value) for name, value in outputs.items()}  # waits for the device
        self._durations.append(perf_counter() - self._step_start)
        if not math.isfinite(values["loss"]):
            terms = ", ".join(f"{name}={value:g}" for name, value in values.items())
            raise DivergedError(f"the loss is not finite in epoch {runner.epoch + 1}, step {batch_idx + 1}: {terms}")
        for name, value in values.items():
            self._sums[name] += value
        self._steps += 1

    def after_train_epoch(self, runner: Runner) -> None:
        """Close an epoch that is not validated."""
        epoch = runner.epoch + 1
        if epoch % runner.val_interval and epoch != runner.max_epochs:
            self._close(runner, epoch, {})

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Close an epoch with its validation."""
        self._close(runner, runner.epoch, self.read(metrics or {}))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Leave mmengine's log history out: it is an arbitrary pickle, and the journal holds what it says."""
        checkpoint["message_hub"] = {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}

    def _close(self, runner: Runner, epoch: int, metrics: dict[str, float]) -> None:
        sums, steps = zip(*all_gather_object((dict(self._sums), self._steps)), strict=True)
        losses = {name: sum(each.get(name, 0.0) for each in sums) / sum(steps) for name in sums[0]}
        record = EpochRecord(
            epoch=epoch, losses=losses, metrics=metrics, seconds=perf_counter() - self._start,
            step_seconds=median(self._durations),
        )  # fmt: skip
        self.epochs.append(record)
        if not is_main_process():
            return
        meta = {"epoch": epoch, "iter": runner.iter, "journal": [e.model_dump(mode="json") for e in self.epochs]}
        partial = self.path.with_name("latest.partial")
        runner.save_checkpoint(str(partial.parent), partial.name, meta=meta)
        partial.replace(self.path)
        self.tell(record)
