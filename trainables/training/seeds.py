"""Every random stream of a run, from its seed."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank

SAMPLE, ORDER = 1, 2
"""Keys that tell the streams of one seed apart."""


class OwnStreams:
    """Python's, NumPy's and torch's global random streams as one student left them, whatever others drew meanwhile.

    They start anew in every epoch, from (seed, epoch, rank): a continued run equals a whole one. Data does not draw
    from them (`trainables.training.stream`), so that two methods with one seed see the same batches.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._left: Any = None

    def start(self, epoch: int) -> int:
        """Start an epoch, from 0; returns the seed that everything of the student starts from in it."""
        derived = epoch_seed(self.seed, epoch, get_rank())
        before = _now()
        seed_all(derived)
        self._left = _now()
        _become(before)
        return derived

    def state(self) -> tuple[Any, ...]:
        """Where they are, as plain data and tensors, for a checkpoint between two steps."""
        python, (name, words, *rest), *torchs = self._left
        return python, (name, words.tolist(), *rest), *torchs

    def resume(self, state: tuple[Any, ...]) -> None:
        """Go on from there."""
        python, (name, words, *rest), *torchs = state
        self._left = python, (name, np.array(words, dtype=np.uint32), *rest), *torchs

    @contextmanager
    def resumed(self) -> Iterator[None]:
        """Inside, the global streams are the student's; afterwards those of before."""
        before = _now()
        _become(self._left)
        try:
            yield
        finally:
            self._left = _now()
            _become(before)


def seed_all(seed: int) -> None:
    """Start Python's, NumPy's and torch's global streams, of the CPU and of the GPU."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _now() -> tuple[Any, ...]:
    on_gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), on_gpu


def _become(streams: tuple[Any, ...]) -> None:
    random.setstate(streams[0])
    np.random.set_state(streams[1])
    torch.set_rng_state(streams[2])
    if streams[3] is not None:
        torch.cuda.set_rng_state(streams[3])


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
