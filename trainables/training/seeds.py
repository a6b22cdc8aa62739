"""Every random stream of a run, from its seed."""

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner


class EpochSeed(Hook):
    """Starts every random stream of an epoch from (seed, epoch, rank): a continued run equals an uninterrupted one.

    Data loading and distillation draw from streams of their own: two methods with one seed see the same batches. Each
    of several processes augments in its own way; the frames' order, which they share, is that of mmengine's sampler.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed Python, NumPy, torch, ground-truth sampling and the distiller."""
        derived = epoch_seed(self.seed, runner.epoch, get_rank())
        random.seed(derived)
        np.random.seed(derived)
        torch.manual_seed(derived)
        model = getattr(runner.model, "module", runner.model)
        if model.distiller is not None:
            model.distiller.generator.manual_seed(derived)
            model.distiller.epoch = runner.epoch
        dataset = runner.train_dataloader.dataset
        dataset = getattr(dataset, "dataset", dataset)  # inside RepeatDataset
        for transform in dataset.pipeline.transforms:
            for sampler in getattr(getattr(transform, "db_sampler", None), "sampler_dict", {}).values():
                sampler._indices = np.random.permutation(sampler._example_num)
                sampler._idx = 0


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """One process's own seed of an epoch; that of the first does not depend on how many there are."""
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0])


def seed_worker(worker_id: int, **_: Any) -> None:
    """Seed a data loading process from torch's own per-epoch seed; mmengine's default repeats itself every epoch."""
    derived = torch.initial_seed() % 2**32
    random.seed(derived)
    np.random.seed(derived)
