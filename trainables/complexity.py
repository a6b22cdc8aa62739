"""What a detector costs on one scan: multiply-adds, parameters, latency and memory.

Counted is what runs: PyTorch's FlopCounterMode sees every convolution, linear layer and matrix product, whoever calls
it, so set abstraction, feature propagation and second stages are in the count. Sparse convolutions run in libraries of
their own; of them counted are the pairs of an input site and an output site that a kernel position joins, times input
and output channels. One multiply-add is one FLOP, as in the paper (`paper_counting` says what else the paper does).
A detector is counted as it is used: no teacher, no distiller, no adapters. Counting costs about as much as predicting.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from study.simulation import SimulationSpec
from study.spec import DetectorConfig, TrialConfig
from trainables import detector, paper_counting
from trainables.datasets import kitti, simulated
from trainables.datasets.kitti_layout import REDUCED, read_split, split_list
from trainables.model import parameter_count
from trainables.provenance import origin, peak_memory_mb, reset_peak_memory
from trainables.training import build_detector

from mmdet3d.structures import Box3DMode, LiDARInstance3DBoxes, LiDARPoints  # isort: skip  after the operators
from mmengine.dataset import Compose, pseudo_collate  # isort: skip

Scan = NDArray[np.float32]

WARM_UP = 1
"""Frames before the clock starts, besides the one that was counted."""


@dataclass(frozen=True)
class Count:
    """What one forward pass computes.

    Attributes:
        products: multiply-adds of convolutions, linear layers and matrix products.
        sparse: multiply-adds of sparse convolutions.
        elementwise: what mmcv 1.x's counter adds: 2 per batch-normalized value, 1 per value of a ReLU or a bias.
    """

    products: int
    sparse: int
    elementwise: int

    @property
    def multiply_adds(self) -> int:
        """All of them."""
        return self.products + self.sparse


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
        scan: (P, 4) points x, y, z (m) and reflectance inside the camera's image.
        repeats: timed frames, after a warm-up.

    Raises:
        InputError: an unknown detector, or one that cannot be built as configured.
    """
    reset_peak_memory()
    with _silent():
        network = build_detector(TrialConfig(detector=config), teacher=teacher)
        network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        frame = packed(config, scan)
        counted = count(network, frame)
        latency = _latency_ms(network, frame, repeats)
        memory = peak_memory_mb()
        with paper_counting.as_released(network, frame) as dummy:
            released = count(network, dummy)
    params = parameter_count(network)
    return Complexity(
        gflops=counted.multiply_adds / 1e9,
        sparse_gflops=counted.sparse / 1e9,
        params_m=params / 1e6,
        paper_way_gflops=(released.products + released.elementwise) / 1e9,
        paper_way_params_m=(params + paper_counting.adapters(config, teacher=teacher)) / 1e6,
        latency_ms=latency,
        peak_memory_mb=memory,
        device=str(origin()["device"]),
        points=len(frame["inputs"]["points"][0]),
        convention=paper_counting.CONVENTIONS.get(config.name, ""),
    )


def gflops(network: Any, config: DetectorConfig, root: Path) -> float:
    """Billions of multiply-adds of a detector on the first validation scan of a prepared root."""
    training = network.training
    counted = count(network.eval(), packed(config, scan_of(root)))
    network.train(training)
    return counted.multiply_adds / 1e9


def scan_of(root: Path | None) -> Scan:
    """The first validation scan of a prepared KITTI root, or a simulated one; both cut to the camera's image.

    Raises:
        InputError: the root is not prepared, or the scan cannot be read.
    """
    if root is None:
        frame = simulated.simulate(SimulationSpec(), 0)
        return frame.points[frame.camera.sees(frame.points)]
    kitti.check(root)
    name = read_split(split_list(root, "val"))[0]
    return kitti.read_scan(root / "training" / REDUCED / f"{name}.bin")


def packed(config: DetectorConfig, scan: Scan) -> dict[str, Any]:
    """A scan as the detector's own test pipeline packs it: a batch of one, without ground truth."""
    cfg = detector.load(config.name).load(config, teacher=True)
    _, *steps = cfg.test_dataloader.dataset.pipeline
    if config.range is not None:
        detector.lay_range(steps, config.range)
    boxes = {"box_type_3d": LiDARInstance3DBoxes, "box_mode_3d": Box3DMode.LIDAR}
    return pseudo_collate([Compose(steps)({"points": LiDARPoints(scan, points_dim=4), **boxes})])


@torch.no_grad()
def count(network: Any, frame: dict[str, Any]) -> Count:
    """Count what a detector computes to predict one collated frame."""
    counter = FlopCounterMode(display=False)
    sparse = elementwise = seen_inside = before = 0

    def enter(module: Any, inputs: Any) -> None:
        nonlocal before
        before = counter.get_total_flops()

    def leave(module: Any, inputs: Any, output: Any) -> None:
        nonlocal sparse, seen_inside
        sparse += site_pairs(module, inputs[0], output) * module.in_channels * module.out_channels
        # On the CPU spconv calls torch's matrix product, which is counted; elsewhere its own kernels, which are not.
        seen_inside += counter.get_total_flops() - before

    def touch(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal elementwise
        elementwise += _touched(module) * output.numel()

    with counter, _hooked(network, enter, leave, touch):
        network.test_step(frame)
    return Count((counter.get_total_flops() - seen_inside) // 2, sparse, elementwise)


def site_pairs(module: Any, inputs: Any, output: Any) -> int:
    """Pairs of an input and an output site that a position of a sparse convolution's kernel joins.

    Args:
        module: a sparse convolution of spconv or mmcv, not a transposed one.
        inputs: its SparseConvTensor, sites (V, 4) batch and cell along each axis.
        output: what it returned.

    Raises:
        RuntimeError: a transposed or inverse convolution.
    """
    if module.transposed or module.inverse:
        raise RuntimeError(f"{type(module).__name__} is not counted: transposed sparse convolutions are in no detector")
    there, shape = inputs.indices.long(), torch.tensor(inputs.spatial_shape, device=inputs.indices.device)
    kernel, stride, padding, dilation = (
        shape.new_tensor(list(value)) for value in (module.kernel_size, module.stride, module.padding, module.dilation)
    )
    if module.subm:  # output sites are the input sites, whatever stride and padding say
        stride, padding = torch.ones_like(stride), kernel // 2 * dilation
    positions = torch.cartesian_prod(*(torch.arange(k, device=shape.device) for k in kernel.tolist()))
    sites = output.indices.long()
    cells = sites[:, 1:] * stride - padding + (positions * dilation).unsqueeze(1)  # positions x sites x axes
    inside = ((cells >= 0) & (cells < shape)).all(-1)
    wanted = _numbered(sites[:, :1].expand(len(positions), -1, 1), cells, shape)[inside]
    known = _numbered(there[:, :1], there[:, 1:], shape).sort().values
    nearest = torch.searchsorted(known, wanted).clamp(max=len(known) - 1)
    return int((known[nearest] == wanted).sum())


def _numbered(scan: Tensor, cells: Tensor, shape: Tensor) -> Tensor:
    """One number per cell, the same for the same cell of the same scan."""
    number = scan[..., 0]
    for axis, size in enumerate(shape.tolist()):
        number = number * size + cells[..., axis]
    return number


def _touched(module: nn.Module) -> int:
    """Operations per value of a module's output that are no multiply-adds of a product."""
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return 2
    if isinstance(module, nn.modules.conv._ConvNd):
        return int(module.bias is not None)
    return int(isinstance(module, nn.ReLU))


@contextmanager
def _hooked(network: nn.Module, enter: Callable, leave: Callable, touch: Callable) -> Iterator[None]:
    handles = []
    for module in network.modules():
        if hasattr(module, "subm"):  # spconv's and mmcv's sparse convolutions
            handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        elif _touched(module):
            handles.append(module.register_forward_hook(touch))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


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


@contextmanager
def _silent() -> Iterator[None]:
    """Without what libraries say: how each weight was initialized, which options will go."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(logging.NOTSET)
