"""A run's length, learning rates and precision, laid into mmdet3d's config of its detector."""

from typing import Any

import torch

from study.nouns.config import TrainingConfig
from study.nouns.errors import InputError


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


def has_a_step_for_each_phase(schedulers: list[Any], steps: int) -> bool:
    """Whether every phase of a schedule in epochs has at least one of an epoch's `steps`."""
    spans = [(phase.begin, phase.end) for phase in schedulers if "begin" in phase and "end" in phase]
    spans += [(0, phase.T_max) for phase in schedulers if "T_max" in phase]
    return all(int(end * steps) > int(begin * steps) for begin, end in spans)
