"""A trained detector over its validation split once more: what it finds, and what it saw, for figures of more than APs.

The split is passed twice, with the same scans: for the detections, then for their points; so no more than one batch of
points is ever kept. Batches, network and matching are those of the run's own validation.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError, unknown_name
from study.nouns.inspections import NEITHER, Inspected, Inspection
from study.nouns.records import RunRecord, StudyFiles
from trainables import datasets, detectors
from trainables.datasets import Judged, ready
from trainables.distillers.pointdistiller import PointDistiller, importance_of
from trainables.features import Batch
from trainables.ops.points_in_boxes import points_in_boxes
from trainables.training.building import build_detector, build_teacher, lay_data
from trainables.training.checkpoints.reading import load_weights
from trainables.training.machine import device
from trainables.training.run_log import quietly
from trainables.training.student_model import StudentModel
from trainables.training.teaching import Teaching
from trainables.training.validation import Validation

LEAST = tuple(number / 20 for number in range(20))
"""Scores at which false positives are counted."""


def inspect(
    records: Iterable[RunRecord],
    files: StudyFiles,
    tell: Callable[[RunRecord, Inspected], None],
    frame: str | None = None,
) -> None:
    """Run the detectors of finished runs over their validation split, and keep what was seen beside their records.

    Args:
        records: of the runs.
        files: of a study that holds them.
        tell: called with each when it is done.
        frame: whose points and importances are kept; None: the one with the most objects that are asked for.

    Raises:
        InputError: detector, teacher or data are gone or are others than those of a run, or there is no such frame.
    """
    with quietly(files.root / "inspect.log") as aloud:
        for record in records:
            found = inspected(record, files, frame)
            found.write(files.inspection_json(record.key))
            aloud(tell)(record, found)


def inspected(record: RunRecord, files: StudyFiles, frame: str | None = None) -> Inspected:
    """What is to be kept of one run; raises as `inspect` does."""
    config = record.config
    data = ready.ensure(config.dataset, files)
    spec, teaches = detectors.load(config.detector.name), config.method == "teacher"
    cfg = spec.load(config.detector, teacher=teaches)
    lay_data(cfg, data, config)
    network = _trained(config, files.checkpoint(record.key), teacher=teaches)
    validation = Validation(config, cfg)
    judged = _judged(config, validation, StudentModel(network, spec))
    scene = _scene(judged, frame)
    layer = cfg.model.data_preprocessor.get("voxel_layer")
    options = _options(config, spec.kind)
    facts = Inspection(
        key=record.key,
        classes=spec.classes,
        difficulties=judged.difficulties,
        rule=judged.rule,
        least=LEAST,
        frames=judged.frames,
        scene=judged.frames[scene],
        rows=spec.kind,
        importance=f"LiDAR points in the {spec.kind[:-1]}" if options.importance == "points" else "largest feature",
        voxel=None if layer is None else tuple(layer.voxel_size),
    )
    guide = build_teacher(config, files.checkpoint(str(record.teacher_key))).eval() if config.distills else network
    teaching = Teaching(guide, spec)
    teaching.attended_by_too((options.teacher_mode, ("rows",)))
    arrays = {name: getattr(judged, name) for name in vars(judged) if name.startswith(("detection_", "object_"))}
    arrays |= _seen(validation, judged, scene, layer, lambda batch, scan: _importance(teaching, options, batch, scan))
    return Inspected(facts, {name: _small(array) for name, array in arrays.items()})


def points_per_voxel(points: NDArray[Any], limits: Any, edges: Any) -> NDArray[np.int64]:
    """How many voxels hold 0 (none: only filled ones are voxels), 1, 2, ... points, however many a detector takes.

    Args:
        points: (P, 3) m.
        limits: of the grid: lowest x, y, z, then highest, m.
        edges: of a voxel, m.
    """
    low, high, edge = (np.asarray(values, dtype=np.float32) for values in (limits[:3], limits[3:], edges))
    cells = np.floor((points - low) / edge).astype(np.int64)
    counts = np.round((high - low) / edge).astype(np.int64)
    cells = cells[((cells >= 0) & (cells < counts)).all(axis=1)]
    _, filled = np.unique(np.ravel_multi_index(cells.T, counts), return_counts=True)
    return np.bincount(filled)


def _trained(config: TrialConfig, checkpoint: Path, *, teacher: bool) -> Any:
    network = build_detector(config, teacher=teacher)
    load_weights(network, checkpoint)
    return network.to(device()).eval()


def _options(config: TrialConfig, kind: str) -> Any:
    """PointDistiller's parameters: the run's own, or those of the paper."""
    own = config.parameters if config.method == "pointdistiller" else {}
    return PointDistiller.Parameters(**PointDistiller.complete(own, kind))


def _judged(config: TrialConfig, validation: Validation, model: StudentModel) -> Judged:
    evaluator = validation.new_evaluator()
    for batch in validation.stream.epoch(0, device()):
        evaluator.process(data_samples=model.predict(batch))
    (metric,) = evaluator.metrics
    return datasets.load(config.dataset.name).judge(metric, LEAST)


def _scene(judged: Judged, frame: str | None) -> int:
    """The number of the frame to draw."""
    if frame is not None:
        if frame not in judged.frames:
            names = judged.frames
            raise InputError(str(unknown_name("frame", frame, list(names[:8]))) + f" ({len(names)} in all)")
        return judged.frames.index(frame)
    asked = judged.object_frame[judged.object_fate[0] != NEITHER]
    return int(np.bincount(asked, minlength=len(judged.frames)).argmax())


def _seen(validation: Validation, judged: Judged, scene: int, layer: Any, importance: Any) -> dict[str, NDArray[Any]]:
    """The arrays that need points: of voxels, inside boxes, and of the scene."""
    inside = {what: np.zeros(len(getattr(judged, f"{what}_frame")), dtype=np.int64) for what in ("detection", "object")}
    arrays: dict[str, NDArray[Any]] = {f"{what}_points": counts for what, counts in inside.items()}
    voxels, number = np.zeros(0, dtype=np.int64), 0
    for batch in validation.stream.epoch(0, device()):
        for scan, tensor in enumerate(batch.inputs["points"]):
            points = tensor[:, :3].cpu().numpy()
            if layer is not None:
                voxels = _sum(voxels, points_per_voxel(points, layer.point_cloud_range, layer.voxel_size))
            for what, counts in inside.items():
                here = getattr(judged, f"{what}_frame") == number
                counts[here] = points_in_boxes(points, _on_the_ground(getattr(judged, f"{what}_box")[here])).sum(axis=1)
            if number == scene:
                arrays["scene_points"] = points
                arrays["scene_position"], arrays["scene_importance"] = importance(batch, scan)
            number += 1
    return arrays | {"voxels": voxels}


@torch.no_grad()
def _importance(teaching: Teaching, options: Any, batch: Batch, scan: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Position and importance of the rows of a scan; of a detector with several sets of rows, of the first."""
    rows = teaching.features(batch, options.teacher_mode).rows[0]
    here = rows.scan == scan
    return rows.position[here].cpu().numpy(), importance_of(options, rows)[here].float().cpu().numpy()


def _on_the_ground(boxes: NDArray[Any]) -> NDArray[Any]:
    """The boxes, with the middle of their bottom in front."""
    lowered = boxes.copy()
    lowered[:, 2] -= lowered[:, 5] / 2
    return lowered


def _sum(counts: NDArray[np.int64], more: NDArray[np.int64]) -> NDArray[np.int64]:
    whole = np.zeros(max(len(counts), len(more)), dtype=np.int64)
    whole[: len(counts)] += counts
    whole[: len(more)] += more
    return whole


def _small(array: NDArray[Any]) -> NDArray[Any]:
    """Numbers as wide as figures need them."""
    return array.astype({"f": np.float32, "i": np.int32}[array.dtype.kind]) if array.itemsize > 4 else array
