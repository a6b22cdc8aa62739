"""A run's length, learning rates and precision, laid into mmdet3d's config of its detector, and built from it."""

from typing import Any

import torch
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS

from study.nouns.config import TrainingConfig
from study.nouns.errors import InputError
from trainables.training import clipping  # noqa: F401  registered by name

LONGEST_WARM_UP = 0.05
"""Share of a training that a phase counted in steps may take. mmdet3d's 1,000 steps are made for data sets of which an
epoch has a thousand: on a small one they would never end."""


def lay_schedule(cfg: Any, training: TrainingConfig) -> None:
    """Stretch the config's schedule to the run's epochs, and its learning rates to the run's.

    Raises:
        InputError: mixed precision was asked for and there is no GPU.
    """
    stretch = training.epochs / cfg.train_cfg.max_epochs
    raise_by = (training.learning_rate or cfg.optim_wrapper.optimizer.lr) / cfg.optim_wrapper.optimizer.lr
    if training.scale_learning_rate:
        raise_by *= training.batch_size * training.devices / cfg.auto_scale_lr.base_batch_size
    cfg.train_cfg.max_epochs = training.epochs
    cfg.train_cfg.val_interval = training.validate_every
    cfg.optim_wrapper.optimizer.lr *= raise_by
    for scheduler in cfg.param_scheduler:
        for name in {"begin", "end", "T_max"}.intersection(scheduler):
            scheduler[name] = scheduler[name] * stretch
        if "milestones" in scheduler:
            scheduler.milestones = [round(epoch * stretch) for epoch in scheduler.milestones]
        if "eta_min" in scheduler and scheduler.type.endswith("LR"):
            scheduler.eta_min *= raise_by
    if training.amp and not torch.cuda.is_available():
        raise InputError("training.amp=true needs a GPU, and this run has none: it would train in float32 all the same")
    cfg.optim_wrapper.type = "CountedAmpOptimWrapper" if training.amp else "CountedOptimWrapper"
    if torch.cuda.is_available():
        cfg.optim_wrapper.optimizer.fused = True  # one kernel for all weights


class Schedule:
    """The optimizer of a network, and what changes its values from step to step, as mmdet3d's config says."""

    def __init__(self, cfg: Any, network: torch.nn.Module, steps: int) -> None:
        """Build both.

        Args:
            cfg: mmdet3d's config with the run's schedule laid in.
            network: what is trained, on its device.
            steps: of an epoch.
        """
        self.optimizer: OptimWrapper = build_optim_wrapper(network, cfg.optim_wrapper)
        phases = cfg.param_scheduler if has_a_step_for_each_phase(cfg.param_scheduler, steps) else []
        given = {"optimizer": self.optimizer, "epoch_length": steps}
        end = cfg.train_cfg.max_epochs
        for phase in phases:
            if not phase.get("by_epoch", True) and not phase.get("convert_to_iter_based", False):
                phase.end = max(2, round(min(phase.end, LONGEST_WARM_UP * end * steps)))  # of a part it would overshoot
        self.phases = [PARAM_SCHEDULERS.build({"end": end, **phase}, default_args=given) for phase in phases]

    def step(self, loss: torch.Tensor) -> None:
        """Go one step down the gradient of the loss."""
        self.optimizer.update_params(loss)
        for phase in self.phases:
            if not phase.by_epoch:
                phase.step()

    def end_epoch(self) -> None:
        """All steps of an epoch are done."""
        for phase in self.phases:
            if phase.by_epoch:
                phase.step()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it, under mmengine's names."""
        return {"optimizer": self.optimizer.state_dict(), "param_schedulers": [p.state_dict() for p in self.phases]}

    def resume(self, checkpoint: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        for phase, state in zip(self.phases, checkpoint["param_schedulers"], strict=True):
            phase.load_state_dict(state)


def has_a_step_for_each_phase(schedulers: list[Any], steps: int) -> bool:
    """Whether every phase of a schedule in epochs has at least one of an epoch's `steps`; else no rate ever changes."""
    spans = [(phase.begin, phase.end) for phase in schedulers if "begin" in phase and "end" in phase]
    spans += [(0, phase.T_max) for phase in schedulers if "T_max" in phase]
    return all(int(end * steps) > int(begin * steps) for begin, end in spans)
