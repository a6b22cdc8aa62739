"""What the processes of one run share: steps, counts of objects, averages of batch norm, reasons to leave.

N processes that take b frames each make the step of one process that takes N x b: gradients are averaged, every process
divides its losses by what all of them count (`DetectorSpec.share_counts`), and with `training.sync_batch_norm` all
normalize with the statistics of all frames. Without it, as in mmdet3d's own recipes, each normalizes its own frames,
and the running averages are averaged after each epoch.

Not equal, because the division lies inside the method or the head: the losses of PointRCNN's heads, which each process
divides by its own counts, and methods that rank or compare the rows of a whole batch (`parameters.scope=batch`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
from mmengine.dist import all_reduce, is_distributed
from torch import nn

from trainables.detectors import DetectorSpec
from trainables.ops.sync_batch_norm import CpuSyncBatchNorm
from trainables.training.student_model import StudentModel

PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others, e.g. for the one that evaluates; one that died is seen at once."""


@contextmanager
def together(rank: int, devices: int, meeting: Path) -> Iterator[None]:
    """Join the other processes of the run: NCCL between GPUs, else gloo.

    Args:
        rank: of this process, from 0; also the number of its GPU among those that the run sees.
        devices: how many processes there are.
        meeting: a file that all of them can write, and that no earlier run has written.
    """
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(rank)
    torch.distributed.init_process_group(
        "nccl" if cuda else "gloo", f"file://{meeting}", timeout=PATIENCE, world_size=devices, rank=rank
    )
    yield
    torch.distributed.destroy_process_group()  # only after success: others may be gone otherwise


def shared(model: StudentModel, spec: DetectorSpec, *, sync_batch_norm: bool) -> nn.Module:
    """The model as each process of a run holds it, on its device; the model itself where one process trains.

    Args:
        model: with equal weights in every process.
        spec: the family of its student.
        sync_batch_norm: normalize with the statistics of all frames of a step.
    """
    if not is_distributed():
        return model
    cuda = torch.cuda.is_available()
    spec.share_counts(model.student, mean_of_processes)
    if sync_batch_norm:
        for part in filter(None, (model.student, model.distiller)):
            (nn.SyncBatchNorm if cuda else CpuSyncBatchNorm).convert_sync_batchnorm(part)
    return nn.parallel.DistributedDataParallel(
        model,
        broadcast_buffers=False,
        # A method or a head may leave some of its parameters out for frames without rows or objects.
        find_unused_parameters=True,
    )


def said_by_any(*said: bool) -> list[bool]:
    """Which of these any process of the run says; all of them have to ask at the same place."""
    heard = torch.tensor(said, dtype=torch.uint8)
    all_reduce(heard, op="max")
    return heard.bool().tolist()


def mean_of_processes(counts: Sequence[float]) -> list[float]:
    """Mean over the processes of what each of them counts."""
    means = torch.tensor(counts, dtype=torch.float64)
    all_reduce(means, op="mean")
    return means.tolist()
