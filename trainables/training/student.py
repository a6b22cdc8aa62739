"""One run in training: what it alone owns, while batches and teacher serve others too.

Its detector and adapters, their optimizer and schedule, its random streams, its journal and its checkpoint. What it
does depends on none of its neighbors, so it may join them, leave them and go on alone after any epoch.
"""

from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce_params, get_rank, is_distributed, is_main_process

from study.nouns.config import TrialConfig
from trainables import detectors
from trainables.features import Batch, Made, uses
from trainables.training.building import build_model
from trainables.training.checkpoints import latest
from trainables.training.checkpoints.latest import SoFar
from trainables.training.checkpoints.writing import export_detector
from trainables.training.clipping import count_on, counts_of, tally_of
from trainables.training.epochs import Journal, Trained
from trainables.training.failing import DivergedError
from trainables.training.machine import host_memory_mb
from trainables.training.processes.shared_step import shared
from trainables.training.schedule import Schedule, lay_schedule
from trainables.training.seeds import OwnStreams
from trainables.training.student_model import StudentModel, parameter_count
from trainables.training.teaching import Teaching


class Student:
    """A run, built and where its newest checkpoint left it."""

    def __init__(self, config: TrialConfig, folder: Path, teaching: Teaching | None, steps: int) -> None:
        """Build it.

        Args:
            config: the run, its parameters complete.
            folder: where the run keeps its files.
            teaching: of the trained detector that it learns from, on its device; None where it learns alone.
            steps: of an epoch.

        Raises:
            InputError: unknown names, a range that does not fit, mixed precision without a GPU.
        """
        self.config, self.folder = config, folder
        training, spec = config.training, detectors.load(config.detector.name)
        cfg = spec.load(config.detector, teacher=config.method == "teacher")
        lay_schedule(cfg, training)
        self.model: StudentModel = build_model(config, cfg.model, teaching)
        self.network = shared(self.model, spec, sync_batch_norm=training.sync_batch_norm)
        self.schedule = Schedule(cfg, self.network, steps)
        if training.clip_adapters_apart and self.model.distiller is not None:
            self.schedule.optimizer.apart = list(self.model.distiller.parameters())
        self.streams = OwnStreams(config.seed)
        self.averaged = False
        """Whether the processes that train it have averaged its buffers after the steps of the epoch under way."""
        self.used: list[Made] = []
        """What its last step used of what is made once for all."""
        checkpoint = latest.load(folder)
        self._midway: list[dict[str, Any]] | None = checkpoint.get("midway") if checkpoint else None
        """Where each process that trains it was in its next epoch, if that was under way."""
        self.journal = Journal(checkpoint["meta"]["so_far"] if checkpoint else SoFar())
        if checkpoint:
            self.model.load_state_dict(checkpoint["state_dict"])
            self.schedule.resume(checkpoint)

    @property
    def done(self) -> int:
        """Epochs that are behind it."""
        return len(self.journal.epochs)

    @property
    def is_due(self) -> bool:
        """Whether it is validated after the epoch under way."""
        training, epoch = self.config.training, self.done + 1
        return epoch % training.validate_every == 0 or epoch == training.epochs

    def begin(self) -> None:
        """Its next epoch begins."""
        self.journal.begin()
        self.averaged = False
        self.network.train()
        seed = self.streams.start(self.done)
        if (method := self.model.distiller) is not None:
            method.generator.manual_seed(seed)
            method.epoch, method.epochs = self.done, self.config.training.epochs
        if self._midway is not None:
            self._go_on(self._midway[get_rank()])
            self._midway = None

    def step(self, batch: Batch) -> None:
        """Learn from one batch.

        Raises:
            DivergedError: the loss is not finite.
        """
        start = perf_counter()
        with self.streams.resumed(), uses() as self.used:
            with self.schedule.optimizer.optim_context(self.network):
                losses = self.network(batch)
            loss, terms = self.model.student.parse_losses(losses)
            self.schedule.step(loss)
        self.journal.losses.add(terms, self.done + 1)
        took = perf_counter() - start
        self.journal.stepped(took - sum(made.seconds for made in self.used if made.start >= start))

    def end_steps(self) -> None:
        """All batches of the epoch are behind it."""
        if is_distributed() and not self.averaged:
            all_reduce_params(self.network.buffers(), op="mean")
        self.averaged = True

    def close(self, metrics: dict[str, float]) -> None:
        """The epoch is over: write it down, and keep a checkpoint.

        Raises:
            DivergedError: a weight is not finite. A checkpoint of it would lead nowhere.
        """
        self.schedule.end_epoch()
        self.journal.close(metrics, tally_of(self.schedule.optimizer))
        self._keep()

    def keep(self) -> None:
        """Keep a checkpoint between two steps, or before the validation of the epoch is over.

        All processes that train it call this after the same step: what differs between them is kept of each.

        Raises:
            DivergedError: a weight is not finite.
        """
        method = self.model.distiller
        midway = {
            "journal": self.journal.state(),
            "streams": self.streams.state(),
            "generator": None if method is None else method.generator.get_state(),
            "gradients": counts_of(self.schedule.optimizer),
            "averaged": self.averaged,
            "buffers": {name: buffer.cpu() for name, buffer in self.model.named_buffers()} if is_distributed() else {},
        }
        self._keep(midway=all_gather_object(midway))

    def _go_on(self, midway: dict[str, Any]) -> None:
        self.journal.resume(midway["journal"])
        self.streams.resume(midway["streams"])
        if self.model.distiller is not None:
            self.model.distiller.generator.set_state(midway["generator"])
        count_on(self.schedule.optimizer, midway["gradients"])
        self.averaged = midway["averaged"]
        for name, buffer in midway["buffers"].items():
            self.model.get_buffer(name).copy_(buffer)

    def _keep(self, **more: Any) -> None:
        self._look_at_weights()
        if is_main_process():
            state = self.model.state_dict()  # not copied: it carries the version of sparse kernels' layout
            for name, tensor in state.items():
                state[name] = tensor.cpu()
            latest.write(self.folder, self.journal.so_far, {"state_dict": state, **self.schedule.state(), **more})

    def _look_at_weights(self) -> None:
        """What breaks memory between two steps breaks no loss.

        Raises:
            DivergedError: a weight, or a number that a layer keeps, is not finite.
        """
        if not torch.stack([one.isfinite().all() for one in (*self.model.parameters(), *self.model.buffers())]).all():
            raise DivergedError(f"the weights are not finite after epoch {self.done}")

    def finish(self) -> Trained:
        """The last epoch is over: export the detector, and say what the training leaves.

        Raises:
            DivergedError: a weight is not finite. The exported detector is then without a record.
        """
        network, so_far = self.model.student, self.journal.so_far
        if is_main_process():
            export_detector(self.config, network, self.folder)
        self._look_at_weights()
        size = {"params_m": parameter_count(network) / 1e6, "host_memory_mb": host_memory_mb()}
        facts = {**size, "steps": float(so_far.steps), **so_far.gradients.facts}
        return Trained(epochs=so_far.epochs, facts=facts, peak_memory_mb=so_far.peak_memory_mb)
