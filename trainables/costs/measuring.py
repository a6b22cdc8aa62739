"""What a detector costs on one scan: multiply-adds, parameters, latency and memory.

A detector is measured as it is used: no teacher, no distiller, no adapters. Its weights are untrained, so that equal
detectors count equal; only the number of boxes in a second stage depends on them.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose, pseudo_collate
from numpy.typing import NDArray

from study.nouns.config import DatasetSpec, DetectorConfig, TrialConfig
from study.nouns.errors import InputError
from trainables import datasets, detectors
from trainables.costs import paper_way
from trainables.costs.counting import count
from trainables.ops.setup import bridge
from trainables.training.building import build_detector
from trainables.training.machine import origin, peak_memory_mb, reset_peak_memory
from trainables.training.student_model import parameter_count

bridge.install()  # before mmdet3d is imported

from mmdet3d.structures import Box3DMode, LiDARInstance3DBoxes, LiDARPoints  # noqa: E402

Scan = NDArray[np.float32]

WARM_UP = 1
"""Frames before the clock starts, besides the one that was counted."""


@dataclass(frozen=True)
class Complexity:
    """The cost of one detector.

    Attributes:
        gflops: billions of multiply-adds on the scan.
        sparse_gflops: those of them in sparse convolutions.
        params_m: millions of trainable parameters.
        paper_way_gflops: the same detector counted as the paper counts.
        paper_way_params_m: likewise.
        latency_ms: median time of a frame, from points to boxes after suppression, weights untrained.
        peak_memory_mb: of the GPU, or of the whole process on a CPU, libraries included.
        device: the device's name.
        points: points of the scan that entered the network.
        convention: what is particular about the paper's way of counting this detector; empty if it is not in the paper.
    """

    gflops: float
    sparse_gflops: float
    params_m: float
    paper_way_gflops: float
    paper_way_params_m: float
    latency_ms: float
    peak_memory_mb: float
    device: str
    points: int
    convention: str


def measure(config: DetectorConfig, *, teacher: bool, scan: Scan, repeats: int = 5) -> Complexity:
    """Build a detector, untrained, and measure it on a scan, on the GPU where there is one.

    Args:
        config: which detector; its compression is left out for the teacher.
        scan: (P, C) points of a data set that the detector can learn from, as `scan_of` gives them; with all values
            that the data set's points have.
        repeats: timed frames, after a warm-up.

    Raises:
        InputError: an unknown detector, or one that cannot be built as configured.
    """
    reset_peak_memory()
    with _silent():
        network = _built(config, teacher)
        frame = packed(config, scan)
        counted = count(network, frame)
        latency = _latency_ms(network, frame, repeats)
        memory = peak_memory_mb()
        with paper_way.as_released(network, frame) as dummy:
            released = count(network, dummy)
    params = parameter_count(network)
    return Complexity(
        gflops=counted.multiply_adds / 1e9,
        sparse_gflops=counted.sparse / 1e9,
        params_m=params / 1e6,
        paper_way_gflops=(released.products + released.elementwise) / 1e9,
        paper_way_params_m=(params + paper_way.adapters(config, teacher=teacher)) / 1e6,
        latency_ms=latency,
        peak_memory_mb=memory,
        device=str(origin()["device"]),
        points=len(frame["inputs"]["points"][0]),
        convention=paper_way.CONVENTIONS.get(config.name, ""),
    )


@cache
def parameters_m(config: DetectorConfig, teacher: bool) -> float:
    """Millions of trainable parameters of a detector."""
    with _silent():
        return parameter_count(_built(config, teacher)) / 1e6


@cache
def gflops(config: DetectorConfig, dataset: str, root: Path, *, teacher: bool) -> float:
    """Billions of multiply-adds of a detector, untrained, on the first validation scan of a data set's root."""
    with _silent():
        return count(_built(config, teacher), packed(config, datasets.load(dataset).scan(root))).multiply_adds / 1e9


@cache
def scan_of(detector: str, root: Path | None) -> Scan:
    """A scan that a detector can read: of a prepared root, or of a data set that needs none.

    Raises:
        InputError: the detector cannot read what lies in the root, the root is not prepared, or there is no data set
            of the detector that needs no root.
    """
    config = detectors.load(detector).load(DetectorConfig(name=detector), teacher=True)
    if root is not None:
        dataset = datasets.recognized(root)
        datasets.fit(config, DatasetSpec(name=dataset), detector)
        return datasets.load(dataset).scan(root)
    for name in datasets.serving(config):
        if datasets.load(name).made:
            return datasets.load(name).scan(None)
    raise InputError(f"a scan for {detector} needs a root: --data DIR ({', '.join(datasets.serving(config))})")


def packed(config: DetectorConfig, scan: Scan) -> dict[str, Any]:
    """A scan as the detector's own test pipeline packs it: a batch of one, without ground truth."""
    spec = detectors.load(config.name)
    cfg, points = spec.load(config, teacher=True), scan[:, spec.columns]
    steps = [step for step in cfg.test_dataloader.dataset.pipeline if not step.type.startswith("Load")]
    if config.range is not None:
        detectors.lay_range(steps, config.range)
    boxes = {"box_type_3d": LiDARInstance3DBoxes, "box_mode_3d": Box3DMode.LIDAR}
    return pseudo_collate([Compose(steps)({"points": LiDARPoints(points, points_dim=points.shape[1]), **boxes})])


def _latency_ms(network: Any, frame: dict[str, Any], repeats: int) -> float:
    """Median of `repeats` runs after a warm-up."""
    seconds = []
    with torch.no_grad():
        for _ in range(WARM_UP + repeats):
            start = perf_counter()
            network.test_step(frame)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds.append(perf_counter() - start)
    return 1e3 * median(seconds[WARM_UP:])


def _built(config: DetectorConfig, teacher: bool) -> Any:
    network = build_detector(TrialConfig(detector=config), teacher=teacher)
    return network.to("cuda" if torch.cuda.is_available() else "cpu").eval()


@contextmanager
def _silent() -> Iterator[None]:
    """Without what libraries say: how each weight was initialized, which options will go."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(logging.NOTSET)
