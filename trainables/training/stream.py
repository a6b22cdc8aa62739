"""The batches of a run: a function of the data, the pipeline, the batch size and the seed, whoever loads them.

A sample is named by its epoch and its number in the data set, and drawn from random streams of its own. So it does not
matter how many processes load, how many train, or where a run was continued; what the network draws meanwhile changes
no sample, and loading changes nothing that the network draws.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import get_dist_info
from torch.utils.data import DataLoader, Dataset, Sampler

from trainables.ops.setup import bridge
from trainables.training.seeds import order_of, random_streams, sample_seed

bridge.install()  # before mmdet3d is imported

from mmdet3d.registry import DATASETS  # noqa: E402

VALIDATION_SEED = 0
"""Of every run's validation: all runs are validated on the same points, where a pipeline draws some of them."""


class Draw(NamedTuple):
    """Which sample: epoch from 0, number in the data set (another one in each of its repetitions)."""

    epoch: int
    number: int


class Samples(Dataset[Any]):
    """An mmengine dataset whose samples depend on (seed, epoch, number) alone."""

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    @property
    def metainfo(self) -> dict[str, Any]:
        """Of the dataset; evaluators read the classes here."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, draw: Draw) -> Any:
        # Everything random below draws from the global streams: augmentation, ground-truth sampling, another frame in
        # the place of an empty one.
        with random_streams(sample_seed(self.seed, draw.epoch, draw.number)):
            return self.dataset[draw.number]


class Order(Sampler[Draw]):
    """The order of an epoch's samples: every process takes each so-many-th, N x b frames a step with N processes."""

    def __init__(self, samples: int, seed: int, *, shuffle: bool, rank: int, processes: int) -> None:
        self.samples = samples
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.processes = processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """The epoch whose order comes next, from 0; mmengine calls this before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.samples / self.processes)

    def __iter__(self) -> Iterator[Draw]:
        order = order_of(self.samples, self.seed, self.epoch) if self.shuffle else list(range(self.samples))
        total = len(self) * self.processes  # as many for every process: some samples come again
        order = (order * (total // self.samples + 1))[:total]
        return (Draw(self.epoch, number) for number in order[self.rank :: self.processes])


class Stream:
    """The batches of one loader's config, epoch by epoch."""

    def __init__(
        self, config: Any, seed: int, *, workers: int, rank: int | None = None, processes: int | None = None
    ) -> None:
        """Build the dataset; where several processes train one run, for this process's share.

        Args:
            config: of a loader as mmdet3d writes it, laid on the data: dataset, sampler.shuffle, batch_size, drop_last.
            seed: of the order and of all samples.
            workers: processes that load; 0 loads in this one.
            rank: of this process, and
            processes: how many there are; both as mmengine knows them where they are None.
        """
        known_rank, known_processes = get_dist_info()
        with random_streams(sample_seed(seed, 0, 0)):  # datasets and transforms that draw when they are built
            dataset = DATASETS.build(config.dataset)
            dataset.full_init()
        self.order = Order(
            len(dataset),
            seed,
            shuffle=config.sampler.shuffle,
            rank=known_rank if rank is None else rank,
            processes=processes or known_processes,
        )
        self.loader: DataLoader[Any] = DataLoader(
            Samples(dataset, seed),
            batch_size=config.batch_size,
            sampler=self.order,
            num_workers=workers,
            collate_fn=pseudo_collate,
            drop_last=config.get("drop_last", False),
            generator=torch.Generator(),  # else it draws from the training process's stream
        )
        """For an mmengine Runner, which tells `order` the epoch."""

    def epoch(self, number: int) -> Iterator[dict[str, Any]]:
        """The batches of an epoch (from 0), as mmdet3d's data preprocessors take them."""
        self.order.set_epoch(number)
        return iter(self.loader)
