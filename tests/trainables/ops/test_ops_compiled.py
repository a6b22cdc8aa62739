"""The CPU operators against mmcv's: golden values of its compiled operators, and of the source of its CUDA kernels."""

import numpy as np
import pytest
import torch

from tests.golden import make_kernels, make_operators
from trainables.ops.setup.bridge import install


def kept(file):
    """Inputs and answers of a file of golden values."""
    everything = dict(np.load(file))
    golden = {name.removeprefix("answer "): v for name, v in everything.items() if name.startswith("answer ")}
    return {name: v for name, v in everything.items() if not name.startswith("answer ")}, golden


INPUTS, COMPILED = kept(make_operators.FILE)
POINT_INPUTS, KERNELS = kept(make_kernels.FILE)

# mmcv computes IoUs in single precision, and they differ by 4.2e-7 at most; square roots of torch and numpy by 1.2e-7.
LARGEST_DIFFERENCE = {"iou": 1e-6, "iof": 1e-6, "aligned iou": 1e-6, "three distances": 1e-6}


def assert_close(name, got, golden):
    expected, got = golden[name].astype(np.float64), got[name].astype(np.float64)
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= LARGEST_DIFFERENCE.get(name, 0)


@pytest.fixture(scope="module")
def compiled():
    install()
    return make_operators.answers(INPUTS)


@pytest.fixture(scope="module")
def kernels(lite):
    """What mmcv's functions answer to the inputs of `make_kernels.kernels`."""
    from mmcv import ops

    points, features, weights, boxes = (
        torch.from_numpy(POINT_INPUTS[name]) for name in ("points", "features", "weights", "boxes")
    )
    sampled = ops.furthest_point_sample(points, make_kernels.SAMPLED)
    rows = torch.from_numpy(make_kernels.rows_of(POINT_INPUTS["points"]))
    found = {
        "sampled": sampled,
        "sampled rows": ops.furthest_point_sample_with_dist(rows, make_kernels.SAMPLED),
        "boxes part": ops.points_in_boxes_part(points, boxes),
        "boxes all": ops.points_in_boxes_all(points, boxes),
    }
    centers = torch.stack([scene[chosen] for scene, chosen in zip(points, sampled.long(), strict=True)])
    centers[:, 0] += 50
    for name, (low, high) in make_kernels.SHELLS.items():
        found[name] = ops.ball_query(low, high, make_kernels.NEIGHBORS, points, centers)
    found["three distances"], found["three indices"] = ops.three_nn(points, centers)
    few = features[:, :, : make_kernels.SAMPLED].contiguous()
    for name, operator, given, places in (
        ("interpolated", ops.three_interpolate, few, (found["three indices"], weights)),
        ("grouped", ops.grouping_operation, features, (found["ball"],)),
        ("gathered", ops.gather_points, features, (sampled,)),
    ):
        leaf = given.clone().requires_grad_()
        result = operator(leaf, *places)
        result.square().div(2).sum().backward()
        found[name], found[f"{name} gradient"] = result.detach(), leaf.grad
    pool = ops.RoIPointPool3d(make_kernels.POOLED)
    found["pooled"], found["pooled empty"] = pool(points, features.transpose(1, 2), boxes)
    return {name: values.numpy() for name, values in found.items()}


@pytest.mark.parametrize("name", COMPILED)
def test_the_answer_is_that_of_the_compiled_operator(name, compiled):
    assert_close(name, compiled, COMPILED)


@pytest.mark.parametrize("name", KERNELS)
def test_the_answer_is_that_of_the_cuda_kernel(name, kernels):
    assert_close(name, kernels, KERNELS)


def test_the_golden_answers_of_the_compiled_operators_are_not_trivial():
    assert 0.1 < (COMPILED["iou"] > 0).mean() < 0.9
    assert 0.001 < COMPILED["points in boxes"].mean() < 0.5
    assert 0 < (COMPILED["dynamic second"] < 0).mean() < 0.5
    assert len(COMPILED["hard second 300 counts"]) == 300
    assert COMPILED["hard pillars 16000 counts"].max() == 3
    counts = [len(COMPILED[f"rotated nms {threshold}"]) for threshold in (0.01, 0.1, 0.3, 0.8, 0.85)]
    assert 5 < counts[0] < counts[1] < counts[2] < counts[3] < counts[4] < 300


def test_the_golden_answers_of_the_kernels_are_not_trivial():
    assert all(len(set(scene.tolist())) == make_kernels.SAMPLED for scene in KERNELS["sampled"])
    assert (KERNELS["small ball"][:, 0] == 0).all()  # an empty ball
    assert (KERNELS["ball"] != KERNELS["ball"][:, :, :1]).mean() > 0.3
    assert (KERNELS["shell"] != KERNELS["ball"]).mean() > 0.5
    assert 0.02 < KERNELS["boxes all"].mean() < 0.5
    assert 0 < KERNELS["pooled empty"].mean() < 0.5
    assert (KERNELS["interpolated gradient"] != 0).mean() > 0.9
