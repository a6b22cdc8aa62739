"""Predictions of heads that find the centers of boxes on a map of the bird's-eye view: CenterPoint (CVPR 2021).

mmdet3d's CenterHead has a head for each group of classes (task). An anchor here is a cell as one of them sees it: cell
by cell, of each cell every task. Its codes are offset x, y from the cell's corner (cells), height of the center (m),
logarithms of length, width and height, sine and cosine of the yaw, and velocity x, y (m/s): what the head learns.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.detectors import Mean
from trainables.features import Batch, Predictions

TARGETS = "pts_bbox_head.get_targets"
CODES = ("reg", "height", "dim", "rot", "vel")
"""The head's outputs beside its heatmap, in the order of its own targets."""
NEVER = -20.0
"""Logit of a class that another task looks for."""


def predictions(seen: Mapping[str, Any], batch: Batch, network: Any) -> Predictions:
    """Logits and codes of every cell and task."""
    head = network.pts_bbox_head
    tasks = [level for (level,) in seen["head"]]
    classes, firsts = sum(head.num_classes), [sum(head.num_classes[:task]) for task in range(len(tasks))]
    width = tasks[0]["heatmap"].shape[-1]
    logits = [
        F.pad(_per_cell(task["heatmap"]), (first, classes - first - count), value=NEVER)
        for task, first, count in zip(tasks, firsts, head.num_classes, strict=True)
    ]
    codes = torch.stack([_per_cell(torch.cat([task[name] for name in CODES], 1)) for task in tasks], 2).flatten(1, 2)

    def decode(scan: int, anchors: Tensor) -> Tensor:
        offset, height, size, yaw, velocity = codes[scan, anchors].split([2, 1, 3, 2, 2], dim=1)
        coder, cell = head.bbox_coder, anchors // len(tasks)
        places = zip((cell % width, cell // width), offset.unbind(1), coder.voxel_size, coder.pc_range, strict=False)
        x, y = ((at + off) * (coder.out_size_factor * edge) + low for at, off, edge, low in places)
        size = size.exp() if head.norm_bbox else size
        center = torch.stack([x, y], dim=1)
        return torch.cat([center, height, size, _angle(*yaw.unbind(1))[:, None], velocity], dim=1)

    def heatmaps(batch: Batch) -> list[Tensor]:
        return batch.once(TARGETS, lambda: head.get_targets([sample.gt_instances_3d for sample in batch.samples]))[0]

    def assign(batch: Batch) -> Tensor:
        peaks = [_per_cell(heatmap).max(2) for heatmap in heatmaps(batch)]
        learned = [
            (peak.indices + first).where(peak.values == 1, -1) for peak, first in zip(peaks, firsts, strict=True)
        ]
        return torch.stack(learned, 2).flatten(1)

    def foreground(batch: Batch) -> Tensor:
        return torch.stack([_per_cell(heatmap).amax(2) for heatmap in heatmaps(batch)], 2).flatten(1)

    return Predictions(
        torch.stack(logits, 2).flatten(1, 2), codes, decode, assign=assign, foreground=foreground,
        at_a_place=len(tasks),
    )  # fmt: skip


def share_counts(network: Any, mean: Mean) -> None:
    """CenterHead divides its losses by the centers that it counts: here by their mean over processes."""
    for loss in (network.pts_bbox_head.loss_cls, network.pts_bbox_head.loss_bbox):
        loss.forward = _shared(loss.forward, mean)


def _shared(loss: Callable[..., Tensor], mean: Mean) -> Callable[..., Tensor]:
    def shared(*args: Any, avg_factor: Any, **kwargs: Any) -> Tensor:
        return loss(*args, avg_factor=mean([avg_factor])[0], **kwargs)

    return shared


def _per_cell(output: Tensor) -> Tensor:
    """B x C x H x W to B x H*W x C."""
    return output.flatten(2).transpose(1, 2)


def _angle(sine: Tensor, cosine: Tensor) -> Tensor:
    """Of M sines and cosines, as they are learned; 0, with a gradient of 0, where both are 0."""
    nowhere = (sine == 0) & (cosine == 0)
    return torch.atan2(sine, cosine.masked_fill(nowhere, 1.0))
