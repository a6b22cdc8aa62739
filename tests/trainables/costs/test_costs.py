"""What detectors cost: counted by hand, counted by loops, and counted as the paper counts."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
import small_detectors
import torch
from torch import nn

from analysis.published import paper_value
from study.nouns.config import DetectorConfig, TrialConfig
from trainables import detectors
from trainables.costs import measuring, paper_way
from trainables.costs.counting import count
from trainables.datasets.kitti import root as kitti
from trainables.training.building import build_detector
from trainables.training.student_model import parameter_count

REPOSITORY = Path(__file__).resolve().parents[3]
PAPER = [(name, ratio) for name in ("pointpillars", "second") for ratio in (1, 4, 16)]
PAPER += [("pointrcnn", ratio) for ratio in (1, 8, 16)]


class Handmade(nn.Module):
    """A network whose multiply-adds fit on a hand."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 3, 3, padding=1)  # 5 x 7 cells: 35 * 2 * 3 * 9 = 1890
        self.norm = nn.BatchNorm2d(3)
        self.relu = nn.ReLU()
        self.up = nn.ConvTranspose2d(3, 4, 2, stride=2, bias=False)  # 35 * 3 * 4 * 4 = 1680
        self.linear = nn.Linear(4, 6, bias=False)  # 10 x 14 rows: 140 * 4 * 6 = 3360

    def test_step(self, frame: torch.Tensor) -> torch.Tensor:
        """Everything, and a product that no module owns."""
        rows = self.linear(self.up(self.relu(self.norm(self.convolution(frame)))).flatten(2).transpose(1, 2))
        return rows @ torch.ones(6, 2)  # 140 * 6 * 2 = 1680


def printed(name, ratio, metric):
    return paper_value(name, ratio, "teacher" if ratio == 1 else "student", False, False, metric)


def scan_for(family):
    """Points of a scan as a file holds them, all of them in the range of small detectors."""
    points = torch.rand(900, 5, generator=torch.Generator().manual_seed(0))
    points = points * torch.tensor([25.6, 25.6, 4, 1, 1]) - torch.tensor([0, 12.8, 3, 0, 0])
    return points[:, : max(detectors.load(family).columns) + 1].numpy()


def built(name, ratio):
    return build_detector(TrialConfig(detector=DetectorConfig(name=name, compression=ratio)), teacher=ratio == 1)


def test_a_small_network_is_counted_as_by_hand():
    counted = count(Handmade().eval(), torch.zeros(1, 2, 5, 7))
    assert counted.products == 1890 + 1680 + 3360 + 1680
    assert counted.sparse == 0
    assert counted.elementwise == (1 + 2 + 1) * 3 * 35  # bias, batch norm, ReLU


def pairs_by_loops(sites, outputs, shape, kernel, stride, padding):
    """Every output site, every kernel position: is there an input site?"""
    known = set(map(tuple, sites))
    found = 0
    for scan, *cell in outputs:
        for position in itertools.product(*map(range, kernel)):
            there = [c * s - p + k for c, s, p, k in zip(cell, stride, padding, position, strict=True)]
            found += (scan, *there) in known and all(0 <= t < size for t, size in zip(there, shape, strict=True))
    return found


@pytest.mark.parametrize(
    ("layer", "arguments"),
    [
        ("SubMConv3d", {"kernel_size": 3, "padding": 1}),
        ("SubMConv3d", {"kernel_size": (1, 3, 5), "padding": 0}),
        ("SparseConv3d", {"kernel_size": 3, "stride": 2, "padding": 1}),
        ("SparseConv3d", {"kernel_size": (3, 1, 1), "stride": (2, 1, 1), "padding": 0}),
    ],
)
def test_sparse_convolutions_are_counted_as_by_loops_and_as_their_own_products(layer, arguments):
    spconv = pytest.importorskip("spconv.pytorch", reason="SECOND's encoder needs spconv on the CPU")
    generator = torch.Generator().manual_seed(0)
    shape = (6, 7, 9)
    cells = torch.cartesian_prod(torch.arange(2), *map(torch.arange, shape)).int()
    cells = cells[torch.rand(len(cells), generator=generator) < 0.3]
    module = getattr(spconv, layer)(4, 5, bias=False, **arguments)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = module

        def test_step(self, frame):
            self.output = self.layer(frame)

    network = Network()
    frame = spconv.SparseConvTensor(torch.randn(len(cells), 4), cells, list(shape), 2)
    counted = count(network, frame)
    kernel, stride, padding = map(list, (module.kernel_size, module.stride, module.padding))
    if layer == "SubMConv3d":
        stride, padding = [1] * 3, [k // 2 for k in kernel]
    outputs = network.output.indices.tolist()
    expected = pairs_by_loops(cells.tolist(), outputs, shape, kernel, stride, padding)
    assert counted.sparse == expected * 4 * 5 > 0
    assert counted.products == 0  # what torch saw of it is not counted twice


@pytest.mark.parametrize(("name", "ratio"), PAPER)
def test_parameters_are_the_papers_once_its_adapters_are_added(name, ratio):
    params = parameter_count(built(name, ratio))
    assert params / 1e6 == pytest.approx(printed(name, ratio, "params_m"), abs=0.09)
    params += paper_way.adapters(DetectorConfig(name=name, compression=ratio), teacher=ratio == 1)
    assert round(params / 1e6, 1) == printed(name, ratio, "params_m")


@pytest.mark.parametrize(("name", "ratio"), [("pointpillars", 4), ("second", 16), ("pointrcnn", 16)])
def test_flops_are_the_papers_to_the_last_digit_when_counted_its_way(name, ratio):
    network = built(name, ratio).eval()
    frame = measuring.packed(DetectorConfig(name=name), measuring.scan_of(name, None))
    with paper_way.as_released(network, frame) as dummy:
        counted = count(network, dummy)
    assert abs((counted.products + counted.elementwise) / 1e9 - printed(name, ratio, "gflops")) <= 0.05


# Of these no paper prints costs: widths give the parameters, and the maps of a whole range the products.
PARAMETERS = {
    ("pointpillars_fpn", 1): 6.147, ("pointpillars_fpn", 2): 3.116, ("pointpillars_fpn", 4): 1.550,
    ("centerpoint", 1): 8.938, ("centerpoint", 2): 4.342, ("centerpoint", 3): 3.127, ("centerpoint", 8): 1.093,
}  # fmt: skip
OPERATIONS = {
    ("pointpillars_fpn", 1): (56.49, 56.64), ("pointpillars_fpn", 2): (28.94, 29.06),
    ("pointpillars_fpn", 4): (14.69, 14.77), ("centerpoint", 1): (59.05, 59.24), ("centerpoint", 2): (16.13, 16.23),
    ("centerpoint", 3): (15.53, 15.63), ("centerpoint", 8): (4.12, 4.17),
}  # fmt: skip
"""Products alone, and the paper's way: with norms, ReLUs and biases. On all voxels of a real keyframe the norms of
CenterPoint's encoder are 0.02 to 0.05 more: 59.29, 16.28, 15.67, 4.19."""
QUICK = [("pointpillars_fpn", 4), ("centerpoint", 8)]


@pytest.mark.parametrize(("name", "ratio"), PARAMETERS)
def test_students_of_detectors_that_see_sweeps_have_the_parameters_of_their_published_widths(name, ratio):
    assert round(parameter_count(built(name, ratio)) / 1e6, 3) == PARAMETERS[name, ratio]


@pytest.mark.parametrize(
    ("name", "ratio"), [pytest.param(*key, marks=[] if key in QUICK else pytest.mark.long) for key in OPERATIONS]
)
def test_their_products_are_those_of_their_maps_and_with_what_the_paper_adds_those_of_its_way(name, ratio):
    network = built(name, ratio).eval()
    frame = measuring.packed(DetectorConfig(name=name), scan_for(name))
    with paper_way.as_released(network, frame) as dummy:
        counted = count(network, dummy)
    found = counted.products / 1e9, (counted.products + counted.elementwise) / 1e9
    assert found == pytest.approx(OPERATIONS[name, ratio], abs=0.006)


@pytest.mark.parametrize("name", ["pointpillars_fpn", "centerpoint"])
def test_the_costs_of_every_published_student_are_shown(name):
    assert {(name, ratio) for ratio in detectors.load(name).sizes} == {key for key in PARAMETERS if key[0] == name}


def test_what_a_scan_costs_differs_from_the_papers_number_as_the_conventions_say():
    scan, ours, sparse = measuring.scan_of("pointpillars", None), {}, {}
    for name, ratio in (("pointpillars", 16), ("second", 16), ("pointrcnn", 16)):
        counted = count(built(name, ratio).eval(), measuring.packed(DetectorConfig(name=name), scan))
        ours[name], sparse[name] = counted.multiply_adds / 1e9, counted.sparse / 1e9
    assert ours["pointpillars"] == pytest.approx(2.455, rel=0.03)
    assert ours["second"] - sparse["second"] == pytest.approx(4.642, rel=0.03)
    assert 0.1 < sparse["second"] < 0.3
    # 16,384 points less than 40,000 (0.44), and neither norms nor ReLUs (0.5); the boxes that suppression leaves.
    assert ours["pointrcnn"] == pytest.approx(6.23, rel=0.03)
    assert sparse["pointpillars"] == sparse["pointrcnn"] == 0


def test_a_detector_is_measured_with_time_and_memory():
    cost = measuring.measure(
        small_detectors.small("second"), teacher=False, scan=measuring.scan_of("second", None), repeats=1
    )
    assert 0 < cost.sparse_gflops < cost.gflops
    assert 0 < cost.latency_ms < 60_000
    assert cost.peak_memory_mb > 100
    assert cost.device
    assert 0 < cost.points < 17_387  # those in the small range


@pytest.mark.parametrize("family", sorted(small_detectors.SMALL))
def test_counting_leaves_a_detector_as_it_was(family):
    config = small_detectors.small(family)
    network = build_detector(TrialConfig(detector=config), teacher=False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    suppression = dict(network.rpn_head.test_cfg.nms_cfg) if family == "pointrcnn" else {}
    frame = measuring.packed(config, scan_for(family))
    first = count(network.eval(), frame)
    with paper_way.as_released(network, frame) as dummy:
        count(network, dummy)
    assert count(network, frame) == first
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    if suppression:
        assert network.rpn_head.test_cfg.nms_cfg == suppression


def test_a_real_scan_is_measured_too(real_data, tmp_path):
    kitti.prepare(real_data / "kitti_mini", into=tmp_path)
    config = DetectorConfig(name="second", compression=16)
    assert (
        4.642 < measuring.gflops(config, "kitti", tmp_path, teacher=False) < 5.2
    )  # the paper's way, and the sparse convolutions


def test_the_command_prints_one_json_document():
    done = subprocess.run(
        [sys.executable, "run_study.py", "complexity", "--json", "--detector", "pointpillars", "--repeats", "1"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = json.loads(done.stdout)
    assert [(row["detector"], row["compression"]) for row in rows] == [("pointpillars", r) for r in (1.0, 4.0, 16.0)]
    assert [(row["paper_gflops"], row["paper_params_m"]) for row in rows] == [(34.3, 4.8), (9.0, 1.3), (2.5, 0.3)]
    for row in rows:
        assert row["paper_way_gflops"] == pytest.approx(row["paper_gflops"], rel=0.03)
        assert row["gflops"] == pytest.approx(row["paper_gflops"], rel=0.04)
        assert row["device"]
    assert done.stderr == ""
