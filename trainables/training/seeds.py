"""Every random stream of a run, from its seed."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

SAMPLE, ORDER = 1, 2
"""Keys that tell the streams of one seed apart."""


class EpochSeed(Hook):
    """Starts the streams of networks and distillers from (seed, epoch, rank): a continued run equals a whole one.

    Data does not draw from them (`trainables.training.stream`), nor does distillation from the networks': two methods
    with one seed see the same batches.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed Python, NumPy, torch and the distiller."""
        derived = epoch_seed(self.seed, runner.epoch, get_rank())
        random.seed(derived)
        np.random.seed(derived)
        torch.manual_seed(derived)
        model = getattr(runner.model, "module", runner.model)
        if model.distiller is not None:
            model.distiller.generator.manual_seed(derived)
            model.distiller.epoch, model.distiller.epochs = runner.epoch, runner.max_epochs


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """One process's own seed of an epoch; that of the first does not depend on how many there are."""
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0])


def sample_seed(seed: int, epoch: int, index: int) -> list[int]:
    """The four words from which one sample's streams start, equal in every process."""
    return np.random.SeedSequence([seed, epoch, index], spawn_key=(SAMPLE,)).generate_state(4).tolist()


def order_of(samples: int, seed: int, epoch: int) -> list[int]:
    """The shuffled order of an epoch's samples, equal in every process."""
    stream = np.random.default_rng(np.random.SeedSequence([seed, epoch], spawn_key=(ORDER,)))
    return stream.permutation(samples).tolist()


@contextmanager
def random_streams(words: Sequence[int]) -> Iterator[None]:
    """Python's, NumPy's and torch's global streams (of the CPU) start from `words` inside, and go on as before after.

    Args:
        words: each of 32 bits.
    """
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(sum(word << 32 * place for place, word in enumerate(words)))
    np.random.seed(words)
    torch.default_generator.manual_seed(words[0] << 32 | words[1])
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
