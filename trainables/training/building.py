"""The networks of a run and mmdet3d's config of its data, with what the run decides laid in.

Only that is changed: data root, batch, seed, range and widths; PointRCNN's proposal head, whose loss is infinite where
no point lies in an object; and batch norm that joins all processes whatever `training.sync_batch_norm` says.
"""

from pathlib import Path
from typing import Any

import torch
from mmengine.registry import init_default_scope

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from trainables import datasets, detectors, distillers
from trainables.ops.setup import bridge
from trainables.training import kernels
from trainables.training.checkpoints.reading import load_weights
from trainables.training.machine import device
from trainables.training.seeds import seed_all
from trainables.training.student_model import StudentModel
from trainables.training.teaching import Teaching

bridge.install()  # before mmdet3d is imported

from mmdet3d.registry import MODELS  # noqa: E402

import trainables.detectors.parts.point_proposals  # noqa: E402, F401  registered by name

OURS = {"PointRPNHead": "ObjectlessPointRPNHead", "naiveSyncBN1d": "BN1d", "naiveSyncBN2d": "BN2d"}
"""What runs use for parts of mmdet3d's configs; exported configs name mmdet3d's own, whose weights are the same."""


def build_detector(config: TrialConfig, *, teacher: bool) -> torch.nn.Module:
    """An mmdet3d detector of the run's family, initialized from the run's seed alone."""
    cfg = detectors.load(config.detector.name).load(config.detector, teacher=teacher)
    return _initialized(cfg.model, config.seed)


def build_teacher(config: TrialConfig, checkpoint: Path | None) -> Any:
    """The frozen teacher of a run that distills, on the device of this process.

    Raises:
        InputError: there is no checkpoint, or one of another architecture.
    """
    if checkpoint is None:
        raise InputError(f"method {config.method} needs a teacher")
    network = build_detector(config, teacher=True)
    load_weights(network, checkpoint)
    return kernels.lay_out(network.to(device()))


def build_model(config: TrialConfig, student_cfg: Any, teaching: Teaching | None) -> StudentModel:
    """A run's student, alone or under its teacher, on the device of this process.

    Args:
        config: the run, its parameters complete.
        student_cfg: the model of its mmdet3d config.
        teaching: of the trained detector that it learns from, on this device; None where it learns alone.
    """
    student = _initialized(student_cfg, config.seed)
    if config.training.norm_momentum is not None:
        for module in student.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = config.training.norm_momentum
    spec = detectors.load(config.detector.name)
    # Moved before any probe, as operators may be CUDA's alone; by itself, as mmengine's preprocessor asks.
    model = StudentModel(kernels.lay_out(student.to(device())), spec)
    if config.distills:
        assert teaching is not None, "a method has a teacher"
        method = distillers.load(config.method)
        # Adapters are initialized from the seed too, after the student, so that every method starts with one student.
        seed_all(config.seed)
        model.distill(teaching, method, method.Parameters(**method.complete(config.parameters, spec.kind)))
    return model


def _initialized(model_cfg: Any, seed: int) -> Any:
    init_default_scope("mmdet3d")
    seed_all(seed)
    for part in detectors.dicts(model_cfg):
        if part.get("type") in OURS:
            part["type"] = OURS[part["type"]]
    network = MODELS.build(model_cfg)
    network.init_weights()
    return network


def lay_data(cfg: Any, data: Path, config: TrialConfig) -> None:
    """Point loaders, ground-truth database and metric at a root; lay the pipelines on the detector's range."""
    training, data_set = config.training, datasets.load(config.dataset.name)
    used = [cfg.train_dataloader, cfg.val_dataloader, cfg.val_evaluator]
    for place in detectors.dicts(used):
        data_set.lay(place, data)
    if config.dataset.apart:
        data_set.set_apart(cfg, data, config.dataset.apart)
    if config.detector.range:
        detectors.lay_range(used, config.detector.range)
    loader = cfg.train_dataloader
    loader.batch_size = training.batch_size
    loader.drop_last = training.drop_last
    if loader.dataset.type == "RepeatDataset":
        loader.dataset.times = training.repeat
    elif training.repeat > 1:
        loader.dataset = {"type": "RepeatDataset", "times": training.repeat, "dataset": loader.dataset}
