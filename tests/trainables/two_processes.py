"""What two processes of one run compute together: steps, KITTI's metric, an epoch; steps and metric also of one."""

import copy
import os
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import tiny_run
import torch
from mmengine.dist import get_dist_info
from small_detectors import prepared, scans, small

from study.nouns.config import TrialConfig
from trainables import detectors, distillers
from trainables.datasets.kitti import evaluation
from trainables.features import Batch
from trainables.training import alone, cohort
from trainables.training.building import build_detector
from trainables.training.losses import EpochLosses
from trainables.training.processes.shared_step import shared, together
from trainables.training.student_model import StudentModel
from trainables.training.teaching import Teaching

SCANS = [900, 500]
"""Points of the two scans of a step. The first holds two objects, the second one."""

ANCHORS = {"pointpillars": 1.6, "second": 3.2, "pointrcnn": 1.6, "pointpillars_fpn": 1.6, "centerpoint": 3.2}
"""Distance of the small detectors' anchors (m). Objects lie on anchors, or few would be matched on so coarse a grid."""


def model(family: str, method: str, *, normalizes: bool) -> StudentModel:
    """A small student, alone or under a teacher; `normalizes` says whether batch norm takes the step's statistics."""
    config = TrialConfig(method=method, detector=small(family))
    spec = detectors.load(family)
    built = StudentModel(build_detector(config, teacher=False), spec)
    if config.distills:
        loaded = distillers.load(method)
        small_graphs = {"samples": 64, "neighbors": 8, "scope": "scan"} if method == "pointdistiller" else {}
        parameters = loaded.complete(small_graphs, spec.kind)
        torch.manual_seed(0)
        built.distill(Teaching(build_detector(config, teacher=True), spec), loaded, loaded.Parameters(**parameters))
    return built.train(normalizes)


def frames(family: str, *, poor: bool = False) -> dict[str, Any]:
    """The two scans; the second of a `poor` step has four points (where the detector does not sample them) and none of
    them on an object."""
    data = scans(family, [SCANS[0], 4] if poor else SCANS)
    for sample in data["data_samples"]:
        place = sample.gt_instances_3d.bboxes_3d.tensor[:, :2]
        place[:] = (place // ANCHORS[family] + 0.5) * ANCHORS[family]
    second = data["data_samples"][1]
    second.gt_instances_3d = second.gt_instances_3d[:1]
    if poor:
        second.gt_instances_3d.bboxes_3d.tensor[:, 0] += 500
    return data


def step(network: torch.nn.Module, data: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Gradients of all parameters and running averages of all batch norms after one step; the loss as `loss`."""
    rank, processes = get_dist_info()
    if processes > 1:
        data = {name: values[rank : rank + 1] for name, values in (*data.pop("inputs").items(), *data.items())}
        data = {"inputs": {"points": data["points"]}, "data_samples": data["data_samples"]}
    inner = getattr(network, "module", network)
    loss, _ = inner.student.parse_losses(network(prepared(inner.student, data)))
    loss.backward()
    averages = {name: value for name, value in inner.named_buffers() if "running" in name}
    return {"loss": loss.detach(), **averages, **{n: p.grad for n, p in inner.named_parameters() if p.grad is not None}}


EQUAL = {
    "pointpillars": ("pointpillars", "student", False),
    "pointpillars under a teacher": ("pointpillars", "pointdistiller", False),
    "second under a teacher": ("second", "pointdistiller", False),
    "batch norm over both frames": ("pointpillars", "pointdistiller", True),
}
"""Detector, method, and whether batch norm normalizes with the statistics of both frames; else as in evaluation."""


def compute(family: str, method: str, sync_batch_norm: bool) -> dict[str, torch.Tensor]:
    """A step on both frames, of this process alone or with the other one."""
    network = shared(
        model(family, method, normalizes=sync_batch_norm), detectors.load(family), sync_batch_norm=sync_batch_norm
    )
    return step(network, frames(family))


def compute_poor(family: str) -> dict[str, torch.Tensor]:
    """A step of two processes of which one has hardly a point and nothing to find."""
    network = shared(model(family, "pointdistiller", normalizes=True), detectors.load(family), sync_batch_norm=False)
    return step(network, frames(family, poor=True))


@cache
def _validation(root: Path) -> Any:
    from mmdet3d.datasets import KittiDataset

    return KittiDataset(
        data_root=str(root), ann_file="kitti_infos_val.pkl", data_prefix={"pts": "training/velodyne_reduced"},
        metainfo={"classes": ["Pedestrian", "Cyclist", "Car"]}, test_mode=True, pipeline=[],
    )  # fmt: skip


def validate(root: Path) -> dict[str, float]:
    """KITTI's metric of predictions near the labels, each process giving those of its share of the frames."""
    from mmengine.dataset import DefaultSampler

    dataset = _validation(root)
    metric = evaluation.DevkitMetric(ann_file=str(root / "kitti_infos_val.pkl"))
    metric.dataset_meta = dataset.metainfo
    for index in DefaultSampler(dataset, shuffle=False):
        truth = dataset.get_data_info(index)["eval_ann_info"]
        boxes = copy.deepcopy(truth["gt_bboxes_3d"])
        chance = torch.Generator().manual_seed(index)
        boxes.tensor[:, :3] += 0.1 * torch.randn(len(boxes), 3, generator=chance)
        scores = torch.rand(len(boxes), generator=chance)
        found = {"bboxes_3d": boxes, "labels_3d": torch.as_tensor(truth["gt_labels_3d"]), "scores_3d": scores}
        metric.process({}, [{"pred_instances_3d": found, "pred_instances": {}, "sample_idx": index}])
    return metric.evaluate(len(dataset))


def train(folder: Path, root: Path) -> dict[str, Any]:
    """An epoch of a run, as each of two processes sees it."""
    config = tiny_run.config(training__devices=2, training__batch_size=1, training__epochs=1)
    told: list[Any] = []
    listener = alone.Alone(told.append)
    watched = cohort.Cohort({folder: config}, root, None, listener)
    (student,) = watched.students.values()
    frames: list[int] = []
    losses: list[float] = []
    step, add = student.step, EpochLosses.add

    def seen(batch: Batch) -> None:
        step(batch)
        frames.extend(int(sample.lidar_path[-10:-4]) for sample in batch.samples)

    def added(self: EpochLosses, terms: dict[str, torch.Tensor], epoch: int) -> None:
        add(self, terms, epoch)
        losses.append(terms["loss"].item())

    student.step = seen  # type: ignore[method-assign]
    with patch.object(EpochLosses, "add", added):
        watched.train()
    return {
        "losses": losses, "frames": frames, "told": len(told), "journal": student.journal.epochs[0].losses["loss"],
        "state": student.model.state_dict(),
    }  # fmt: skip


def everything(rank: int, folder: Path, root: Path) -> None:
    """One of two processes: computes all of the above and leaves it in `folder`."""
    os.chdir(folder)
    with together(rank, 2, folder / "meeting"):
        computed = {case: compute(*EQUAL[case]) for case in EQUAL}
        poor = {family: compute_poor(family) for family in detectors.names()}
        rest = {"metrics": validate(root), "epoch": train(folder, root)}
        torch.save({"steps": computed, "poor": poor, **rest}, folder / f"{rank}.pt")
