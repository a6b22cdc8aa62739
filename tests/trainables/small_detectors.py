"""A small version of every detector, and batches that all of them take."""

import copy

import torch

from study.nouns.config import DetectorConfig
from trainables.features import Batch

POINTS = 256
SMALL = {
    "pointpillars": DetectorConfig(width=0.25, pillar=0.8, range=(0, -12.8, -3, 25.6, 12.8, 1)),
    "second": DetectorConfig(name="second", width=0.25, pillar=0.4, range=(0, -12.8, -3, 25.6, 12.8, 1)),
    "pointrcnn": DetectorConfig(name="pointrcnn", width=0.25, points=POINTS),
}
"""A detector without an entry is built at full size."""


def small(family: str, compression: float = 4.0) -> DetectorConfig:
    """The small version of a family."""
    return SMALL.get(family, DetectorConfig(name=family)).model_copy(update={"compression": compression})


def with_few_boxes(network):
    """The same detector, whose second stage (where it has one) learns from 8 proposals of a scan instead of 128."""
    if hasattr(network, "roi_head"):
        network.roi_head.bbox_sampler.num = 8
    return network


def scans(family: str, sizes: list[int], *, seed: int = 0, objects: bool = True) -> dict:
    """A batch of random scans with one car and one pedestrian each (or none), as mmdet3d's pipelines pack it.

    Detectors of raw points take scans of one size only, `POINTS`, whatever was asked for.
    """
    sizes = [POINTS for _ in sizes] if small(family).points else sizes
    from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
    from mmengine.structures import InstanceData

    generator = torch.Generator().manual_seed(seed)
    low, high = torch.tensor([0, -12.8, -3, 0]), torch.tensor([25.6, 12.8, 1, 1])
    truth = torch.tensor([[10, 0, -1.7, 3.9, 1.6, 1.5, 0.3], [6, 5, -1.7, 0.8, 0.6, 1.7, 0]])[: 2 if objects else 0]
    samples = []
    for _ in sizes:
        sample = Det3DDataSample(metainfo={"box_type_3d": LiDARInstance3DBoxes})
        labels = torch.tensor([2, 0])[: len(truth)]
        sample.gt_instances_3d = InstanceData(bboxes_3d=LiDARInstance3DBoxes(truth.clone()), labels_3d=labels)
        samples.append(sample)
    points = [low + torch.rand(n, 4, generator=generator) * (high - low) for n in sizes]
    for scan in points:  # some of them on the objects
        for (x, y, z, *_), some in zip(truth.tolist(), scan.split(len(scan) // 8 or 1), strict=False):
            some[:, :3] = torch.tensor([x, y, z + 0.7]) + (some[:, :3] - some[:, :3].mean(0)).clamp(-0.25, 0.25)
    return {"inputs": {"points": points}, "data_samples": samples}


def prepared(network, data: dict) -> Batch:
    """A batch as the stream hands it to a network and its neighbors; `data` stays as it is."""
    batch = network.data_preprocessor(copy.deepcopy(data), True)
    return Batch(batch["inputs"], batch["data_samples"])
