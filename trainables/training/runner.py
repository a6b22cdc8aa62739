"""The mmengine Runner of one run: mmdet3d's own config, pipelines, schedule and metric.

Only what a run decides is changed: data root, epochs, batch, learning rate, seed, range and widths.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import is_distributed, is_main_process
from mmengine.hooks import SyncBuffersHook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from study.nouns.config import TrainingConfig, TrialConfig
from study.nouns.errors import InputError
from study.nouns.records import EpochRecord
from trainables import datasets, detectors, distillers
from trainables.ops.setup import bridge
from trainables.training.checkpoints.reading import load_weights
from trainables.training.checkpoints.writing import export_detector
from trainables.training.epochs import Journal, Trained
from trainables.training.machine import device, peak_memory_mb, reset_peak_memory
from trainables.training.processes.shared_step import shared
from trainables.training.run_log import close_log_files
from trainables.training.seeds import EpochSeed
from trainables.training.stream import VALIDATION_SEED, Stream
from trainables.training.student import StudentModel, parameter_count

bridge.install()  # before mmdet3d is imported

from mmdet3d.registry import MODELS  # noqa: E402

import trainables.detectors.parts.point_proposals  # noqa: E402, F401  registered by name


def train(
    config: TrialConfig, data: Path, folder: Path, teacher: Path | None, tell: Callable[[EpochRecord], None]
) -> Trained:
    """Train one run to its end, in this process or as one of several, and export its detector.

    Args and errors: as of `build_runner`.
    """
    reset_peak_memory()
    runner, journal = build_runner(config, data, folder, teacher, tell)
    try:
        if len(journal.epochs) < config.training.epochs:
            runner.train()
        else:  # killed between its last epoch and its record
            runner.load_checkpoint(str(journal.path))
    finally:
        close_log_files(runner.logger)
    student = getattr(runner.model, "module", runner.model).student
    if is_main_process():
        export_detector(config, student, folder)
    facts = {"params_m": parameter_count(student) / 1e6, "steps": float(runner.iter)}
    return Trained(epochs=tuple(journal.epochs), facts=facts, peak_memory_mb=peak_memory_mb())


def build_runner(
    config: TrialConfig, data: Path, folder: Path, teacher: Path | None, tell: Callable[[EpochRecord], None]
) -> tuple[Runner, Journal]:
    """Everything of one run, ready for `runner.train()`; continues from the folder's checkpoint where there is one.

    In one of several processes (`trainables.training.processes.shared_step`) it takes its part of the frames.

    Args:
        config: the run, its parameters complete.
        data: prepared root of the run's data set.
        folder: where the run keeps its files.
        teacher: checkpoint of the frozen teacher; None for runs without distillation.
        tell: called with the record of each epoch.

    Raises:
        InputError: unknown names, a range that does not fit, a checkpoint of another architecture.
    """
    spec = detectors.load(config.detector.name)
    cfg = spec.load(config.detector, teacher=config.method == "teacher")
    lay_data(cfg, data, config)
    _schedule(cfg, config.training)
    journal = Journal(folder, datasets.load(config.dataset.name).evaluator.read, tell)
    init_default_scope("mmdet3d")
    torch.backends.cudnn.deterministic = True  # what is left to chance on a GPU is the order of mmcv's atomic sums
    runner = Runner(
        model=shared(build_model(config, cfg.model, teacher), sync_batch_norm=config.training.sync_batch_norm),
        launcher="pytorch" if is_distributed() else "none",
        work_dir=str(folder / "mmengine"),
        train_dataloader=Stream(cfg.train_dataloader, config.seed, workers=config.training.workers).loader,
        val_dataloader=validation(cfg, config).loader,
        train_cfg=cfg.train_cfg,
        val_cfg=cfg.val_cfg,
        optim_wrapper=cfg.optim_wrapper,
        param_scheduler=cfg.param_scheduler,
        val_evaluator=cfg.val_evaluator,
        default_hooks={"logger": None, "checkpoint": None, "runtime_info": None},
        custom_hooks=[EpochSeed(config.seed), SyncBuffersHook(), journal],
        load_from=str(journal.path) if journal.epochs else None,
        resume=bool(journal.epochs),
        log_level="WARNING",
        default_scope="mmdet3d",
        randomness={"seed": config.seed},
        experiment_name=f"{config.key}-{id(journal):x}",  # mmengine keeps loggers and scopes by name, per process
        cfg=cfg,
    )
    return runner, journal


def build_detector(config: TrialConfig, *, teacher: bool) -> torch.nn.Module:
    """An mmdet3d detector of the run's family, initialized from the run's seed alone."""
    cfg = detectors.load(config.detector.name).load(config.detector, teacher=teacher)
    return _initialized(cfg.model, config.seed)


def build_model(config: TrialConfig, student_cfg: Any, teacher: Path | None) -> StudentModel:
    """A run's student, alone or under its teacher, on the device of this process.

    Args:
        config: the run, its parameters complete.
        student_cfg: the model of its mmdet3d config.
        teacher: checkpoint of the frozen teacher.

    Raises:
        InputError: a method without a teacher, or a checkpoint of another architecture.
    """
    student = _initialized(student_cfg, config.seed)
    if config.training.norm_momentum is not None:
        for module in student.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = config.training.norm_momentum
    model = StudentModel(student).to(device())  # before the teacher's probe: detectors' operators may be CUDA's alone
    if config.distills:
        if teacher is None:
            raise InputError(f"method {config.method} needs a teacher")
        network = build_detector(config, teacher=True)
        load_weights(network, teacher)
        method = distillers.load(config.method)
        # Adapters are initialized from the seed too, after the student, so that every method starts with one student.
        _seed(config.seed)
        spec = detectors.load(config.detector.name)
        model.distill(network, spec, method, method.Parameters(**config.parameters))
    return model


def _initialized(model_cfg: Any, seed: int) -> Any:
    init_default_scope("mmdet3d")
    _seed(seed)
    for part in detectors.dicts(model_cfg):
        if part.get("type") == "PointRPNHead":
            part["type"] = "ObjectlessPointRPNHead"
    network = MODELS.build(model_cfg)
    network.init_weights()
    return network


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def lay_data(cfg: Any, data: Path, config: TrialConfig) -> None:
    """Point loaders, ground-truth database and metric at a root; lay the pipelines on the detector's range."""
    training, data_set = config.training, datasets.load(config.dataset.name)
    used = [cfg.train_dataloader, cfg.val_dataloader, cfg.val_evaluator]
    for place in detectors.dicts(used):
        data_set.lay(place, data)
    if config.detector.range:
        detectors.lay_range(used, config.detector.range)
    loader = cfg.train_dataloader
    loader.batch_size = training.batch_size
    if loader.dataset.type == "RepeatDataset":
        loader.dataset.times = training.repeat
    elif training.repeat > 1:
        loader.dataset = {"type": "RepeatDataset", "times": training.repeat, "dataset": loader.dataset}


def validation(cfg: Any, config: TrialConfig) -> Stream:
    """The frames that a run is validated on, of a config that is laid on its data."""
    init_default_scope("mmdet3d")
    return Stream(cfg.val_dataloader, VALIDATION_SEED, workers=config.training.workers)


def _schedule(cfg: Any, training: TrainingConfig) -> None:
    """Stretch the config's cyclic schedule to the run's epochs, and its learning rates to the run's."""
    stretch = training.epochs / cfg.train_cfg.max_epochs
    raise_by = (training.learning_rate or cfg.optim_wrapper.optimizer.lr) / cfg.optim_wrapper.optimizer.lr
    cfg.train_cfg.max_epochs = training.epochs
    cfg.train_cfg.val_interval = training.validate_every
    cfg.optim_wrapper.optimizer.lr *= raise_by
    for scheduler in cfg.param_scheduler:
        for name in ("begin", "end", "T_max"):
            scheduler[name] = scheduler[name] * stretch
        if scheduler.type.endswith("LR"):
            scheduler.eta_min *= raise_by
    if training.amp and torch.cuda.is_available():
        cfg.optim_wrapper.type = "AmpOptimWrapper"
