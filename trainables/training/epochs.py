"""What a run writes down while it trains: one record per epoch, and a checkpoint after each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from study.nouns.frozen import Frozen
from study.nouns.records import EpochRecord
from trainables.training.checkpoints import latest
from trainables.training.checkpoints.latest import SoFar
from trainables.training.clipping import tally_of
from trainables.training.losses import EpochLosses
from trainables.training.machine import peak_memory_mb


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
        self.folder = folder
        self.read = read
        self.tell = tell
        self.so_far: SoFar = latest.read(folder)
        self._losses = EpochLosses()
        self._durations: list[float] = []
        self._start = self._step_start = perf_counter()

    @property
    def epochs(self) -> tuple[EpochRecord, ...]:
        """The records of all epochs so far."""
        return self.so_far.epochs

    def before_train_epoch(self, runner: Runner) -> None:
        """Forget the last epoch."""
        self._losses = EpochLosses()
        self._durations.clear()
        self._start = perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """The batch is loaded, the step begins."""
        self._step_start = perf_counter()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Add up the losses of a step.

        Raises:
            DivergedError: the loss is not finite.
        """
        self._losses.add(outputs, runner.epoch + 1)
        self._durations.append(perf_counter() - self._step_start)

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
        record = EpochRecord(
            epoch=epoch, losses=self._losses.means(), metrics=metrics, seconds=perf_counter() - self._start,
            step_seconds=median(self._durations),
        )  # fmt: skip
        self.so_far = SoFar(
            epochs=(*self.epochs, record),
            steps=runner.iter,
            peak_memory_mb=max(self.so_far.peak_memory_mb, peak_memory_mb()),
            gradients=self.so_far.gradients + tally_of(runner.optim_wrapper),
        )
        if is_main_process():
            latest.write(runner, self.folder, self.so_far)
            self.tell(record)
