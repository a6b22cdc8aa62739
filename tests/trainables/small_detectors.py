"""A small version of every detector, and batches that all of them take."""

import copy

import torch

from study.nouns.config import DetectorConfig
from trainables import detectors
from trainables.features import Batch

POINTS = 256
SMALL = {
    "pointpillars": DetectorConfig(width=0.25, pillar=0.8, range=(0, -12.8, -3, 25.6, 12.8, 1)),
    "second": DetectorConfig(name="second", width=0.25, pillar=0.4, range=(0, -12.8, -3, 25.6, 12.8, 1)),
    "pointrcnn": DetectorConfig(name="pointrcnn", width=0.25, points=POINTS),
    "pointpillars_fpn": DetectorConfig(
        name="pointpillars_fpn", width=0.25, pillar=0.8, range=(0, -12.8, -5, 25.6, 12.8, 3)
    ),
    "centerpoint": DetectorConfig(name="centerpoint", width=0.25, pillar=0.4, range=(0, -12.8, -5, 25.6, 12.8, 3)),
}
"""A detector without an entry is built at full size."""


def small(family: str, compression: float = 4.0) -> DetectorConfig:
    """The small version of a family."""
    return SMALL.get(family, DetectorConfig(name=family)).model_copy(update={"compression": compression})


def moving(family: str) -> bool:
    """Whether the family's boxes have velocities: nine numbers."""
    return family in ("pointpillars_fpn", "centerpoint")


def on_the_street() -> list[str]:
    """The families that learn from simulated frames of a street, as tests' runs do; the others want sweeps."""
    return [family for family in detectors.names() if not moving(family)]


def head_of(network):
    """The head whose predictions are distilled."""
    return next(getattr(network, n) for n in ("rpn_head", "bbox_head", "pts_bbox_head") if hasattr(network, n))


def with_few_boxes(network):
    """The same detector, whose second stage (where it has one) learns from 8 proposals of a scan instead of 128."""
    if hasattr(network, "roi_head"):
        network.roi_head.bbox_sampler.num = 8
    return network


def scans(family: str, sizes: list[int], *, seed: int = 0, objects: bool = True) -> dict:
    """A batch of random scans, each with an object of class 2 and one of class 0 or with none, as pipelines pack it.

    Detectors of raw points take scans of one size only, `POINTS`, whatever was asked for.
    """
    sizes = [POINTS for _ in sizes] if small(family).points else sizes
    from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
    from mmengine.structures import InstanceData

    generator = torch.Generator().manual_seed(seed)
    spec = detectors.load(family)
    more = [1] * (len(spec.columns) - 4)
    low, high = torch.tensor([0, -12.8, -3, 0, *(0 * each for each in more)]), torch.tensor([25.6, 12.8, 1, 1, *more])
    truth = torch.tensor([[10, 0, -1.7, 3.9, 1.6, 1.5, 0.3], [6, 5, -1.7, 0.8, 0.6, 1.7, 0]])[: 2 if objects else 0]
    if moving(family):
        truth = torch.cat([truth, torch.tensor([[5, 1.5], [0, -1]])[: len(truth)]], dim=1)
    samples = []
    for _ in sizes:
        sample = Det3DDataSample(metainfo={"box_type_3d": LiDARInstance3DBoxes})
        labels = torch.tensor([2, 0])[: len(truth)]
        boxes = LiDARInstance3DBoxes(truth.clone(), box_dim=truth.shape[1])
        sample.gt_instances_3d = InstanceData(bboxes_3d=boxes, labels_3d=labels)
        samples.append(sample)
    points = [low + torch.rand(n, len(low), generator=generator) * (high - low) for n in sizes]
    for scan in points:  # some of them on the objects
        for (x, y, z, *_), some in zip(truth.tolist(), scan.split(len(scan) // 8 or 1), strict=False):
            some[:, :3] = torch.tensor([x, y, z + 0.7]) + (some[:, :3] - some[:, :3].mean(0)).clamp(-0.25, 0.25)
    return {"inputs": {"points": points}, "data_samples": samples}


def prepared(network, data: dict) -> Batch:
    """A batch as the stream hands it to a network and its neighbors; `data` stays as it is."""
    batch = network.data_preprocessor(copy.deepcopy(data), True)
    return Batch(batch["inputs"], batch["data_samples"])
