"""The mmengine Runner of one run: mmdet3d's own config, pipelines, schedule and metric.

Only what a run decides is changed: data root, epochs, batch, learning rate, seed, range and widths; and PointRCNN's
proposal head, whose loss is infinite where no point lies in an object.
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

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.records import EpochRecord
from trainables import datasets, detectors, distillers
from trainables.ops.setup import bridge
from trainables.training.checkpoints.latest import latest
from trainables.training.checkpoints.reading import load_weights
from trainables.training.checkpoints.writing import export_detector
from trainables.training.epochs import Journal, Trained
from trainables.training.machine import device, reset_peak_memory
from trainables.training.method_clock import MethodClock
from trainables.training.processes.shared_step import shared
from trainables.training.run_log import close_log_files
from trainables.training.schedule import has_a_step_for_each_phase, lay_schedule
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
            runner.load_checkpoint(str(latest(folder)))
    finally:
        close_log_files(runner.logger)
    student = getattr(runner.model, "module", runner.model).student
    if is_main_process():
        export_detector(config, student, folder)
    so_far = journal.so_far
    facts = {"params_m": parameter_count(student) / 1e6, "steps": float(so_far.steps), **so_far.gradients.facts}
    return Trained(epochs=so_far.epochs, facts=facts, peak_memory_mb=so_far.peak_memory_mb)


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
        InputError: unknown names, a range that does not fit, a checkpoint of another architecture, no whole batch,
            mixed precision without a GPU.
    """
    training, spec = config.training, detectors.load(config.detector.name)
    cfg = spec.load(config.detector, teacher=config.method == "teacher")
    lay_data(cfg, data, config)
    lay_schedule(cfg, training)
    journal = Journal(folder, datasets.load(config.dataset.name).evaluator.read, tell)
    init_default_scope("mmdet3d")
    stream = Stream(cfg.train_dataloader, config.seed, workers=training.workers)
    steps = len(stream.loader)
    if not steps:
        raise InputError(f"training.drop_last leaves no step: there is no whole batch of {training.batch_size} frames")
    cyclic = has_a_step_for_each_phase(cfg.param_scheduler, steps)  # a run of a few steps keeps its learning rate
    torch.backends.cudnn.deterministic = True  # what is left to chance on a GPU is the order of mmcv's atomic sums
    model = build_model(config, cfg.model, teacher)
    runner = make_runner(
        config,
        cfg,
        shared(model, spec, sync_batch_norm=training.sync_batch_norm),
        folder,
        launcher="pytorch" if is_distributed() else "none",
        train_dataloader=stream.loader,
        train_cfg=cfg.train_cfg,
        optim_wrapper=cfg.optim_wrapper,
        param_scheduler=cfg.param_scheduler if cyclic else None,
        custom_hooks=[EpochSeed(config.seed), MethodClock(), SyncBuffersHook(), journal],
        load_from=str(latest(folder)) if journal.epochs else None,
        resume=bool(journal.epochs),
    )
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    if training.clip_adapters_apart and model.distiller is not None:
        runner.optim_wrapper.apart = list(model.distiller.parameters())
    return runner, journal


def make_runner(config: TrialConfig, cfg: Any, model: torch.nn.Module, folder: Path, **training: Any) -> Runner:
    """mmengine's Runner that validates a model, and trains it where `training` says how.

    Args:
        config: of the run.
        cfg: mmdet3d's config with data laid in.
        model: student or teacher, on its device.
        folder: of the run.
        training: further arguments of the Runner.
    """
    return Runner(
        model=model,
        work_dir=str(folder / "mmengine"),
        val_dataloader=validation(cfg, config).loader,
        val_cfg=cfg.val_cfg,
        val_evaluator=cfg.val_evaluator,
        default_hooks={"logger": None, "checkpoint": None, "runtime_info": None},
        log_level="WARNING",
        default_scope="mmdet3d",
        randomness={"seed": config.seed},
        experiment_name=f"{config.key}-{id(cfg):x}",  # mmengine keeps loggers and scopes by name, per process
        cfg=cfg,
        **training,
    )


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
        model.distill(network, spec, method, method.Parameters(**method.complete(config.parameters, spec.kind)))
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
    loader.drop_last = training.drop_last
    if loader.dataset.type == "RepeatDataset":
        loader.dataset.times = training.repeat
    elif training.repeat > 1:
        loader.dataset = {"type": "RepeatDataset", "times": training.repeat, "dataset": loader.dataset}


def validation(cfg: Any, config: TrialConfig) -> Stream:
    """The frames that a run is validated on, of a config that is laid on its data."""
    init_default_scope("mmdet3d")
    return Stream(cfg.val_dataloader, VALIDATION_SEED, workers=config.training.workers)
