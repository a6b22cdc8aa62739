"""The batches of a run: a function of the data, the pipeline, the batch size and the seed, whoever loads them.

Batches are whole when they leave the loading processes, voxels included: the networks' device voxelizes nothing, and
all networks that look at a batch see the same voxels.

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
from mmengine.model import BaseDataPreprocessor
from torch.utils.data import DataLoader, Dataset, Sampler

from trainables.features import Batch
from trainables.ops.setup import bridge
from trainables.training.seeds import order_of, random_streams, sample_seed

bridge.install()  # before mmdet3d is imported

from mmdet3d.registry import DATASETS, MODELS  # noqa: E402


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
        """Whose order comes next."""
        self.start = 0
        """How many of this process's samples of that epoch are left out: they were trained on before."""

    def __len__(self) -> int:
        return math.ceil(self.samples / self.processes)

    def __iter__(self) -> Iterator[Draw]:
        order = order_of(self.samples, self.seed, self.epoch) if self.shuffle else list(range(self.samples))
        total = len(self) * self.processes  # as many for every process: some samples come again
        order = (order * (total // self.samples + 1))[:total]
        return (Draw(self.epoch, number) for number in order[self.rank :: self.processes][self.start :])


class Prepared:
    """Puts samples together to what a detector takes, on the CPU."""

    def __init__(self, preprocessor: Any, *, training: bool) -> None:
        """Build mmdet3d's preprocessor.

        Args:
            preprocessor: its config, `model.data_preprocessor`.
            training: whether it makes as many voxels as in training, or as in a test.
        """
        self.preprocessor = MODELS.build(preprocessor).train(training)

    def __call__(self, samples: list[Any]) -> dict[str, Any]:
        """`inputs` (points, voxels) and `data_samples`."""
        return self.preprocessor(pseudo_collate(samples), self.preprocessor.training)


class Stream:
    """The batches of one loader's config, epoch by epoch."""

    def __init__(
        self,
        config: Any,
        preprocessor: Any,
        seed: int,
        *,
        workers: int,
        rank: int | None = None,
        processes: int | None = None,
    ) -> None:
        """Build the dataset; where several processes train one run, for this process's share.

        Args:
            config: of a loader as mmdet3d writes it, laid on the data: dataset, sampler.shuffle, batch_size, drop_last.
            preprocessor: the detector's `model.data_preprocessor`.
            seed: of the order and of all samples.
            workers: processes that load; 0 loads in this one.
            rank: of this process, and
            processes: how many there are; both as mmengine knows them where they are None.
        """
        known_rank, known_processes = get_dist_info()
        with random_streams(sample_seed(seed, 0, 0)):  # datasets and transforms that draw when they are built
            dataset = DATASETS.build(config.dataset)
            dataset.full_init()
        self.samples = Samples(dataset, seed)
        self.order = Order(
            len(dataset),
            seed,
            shuffle=config.sampler.shuffle,
            rank=known_rank if rank is None else rank,
            processes=processes or known_processes,
        )
        self.loader: DataLoader[Any] = DataLoader(
            self.samples,
            batch_size=config.batch_size,
            sampler=self.order,
            num_workers=workers,
            collate_fn=Prepared(preprocessor, training=config.sampler.shuffle),
            drop_last=config.get("drop_last", False),
            generator=torch.Generator(),  # else it draws from the training process's stream
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        """Steps of an epoch, of this process."""
        return len(self.loader)

    def epoch(self, number: int, device: torch.device, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch (from 0), from its `start`-th step on, moved to a device."""
        self.order.epoch, self.order.start = number, start * (self.loader.batch_size or 1)
        move = BaseDataPreprocessor(non_blocking=True).to(device).cast_data
        for batch in self.loader:
            yield Batch(move(batch["inputs"]), move(batch["data_samples"]))
