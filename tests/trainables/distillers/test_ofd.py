"""Overhaul of feature distillation against references written from the formula: loops, and margins by integration."""

import math
from statistics import NormalDist

import pytest
import torch
from scene import BATCH, map_of, map_pair

from trainables.distillers.ofd import OverhaulDistiller, connector, margins, partial_distance
from trainables.features import Features

GRIDS = [(6, 8), (4, 4), (2, 2)]


def pair(shapes):
    maps = [map_pair(shape, narrow=3 + i, wide=5 + i, normed=True) for i, shape in enumerate(shapes)]
    student, teacher = zip(*maps, strict=True)
    return Features(before_relu=student), Features(before_relu=teacher)


def build(features, **parameters):
    torch.manual_seed(3)
    distiller = OverhaulDistiller(OverhaulDistiller.Parameters(**parameters), *features).double()
    for _, norm in distiller.connectors:  # batch norm's 1 and 0 would hide a mistake
        for parameter in norm.parameters():
            torch.nn.init.uniform_(parameter, 0.2, 1.5)
    return distiller


def margin(scale, shift):
    """E[x | x < 0] from the standard library's normal distribution."""
    s = max(abs(scale), 1e-6)
    below = NormalDist().cdf(-shift / s)
    if below <= 0.001:
        return -3 * s
    return shift - s * NormalDist().pdf(shift / s) / below


def stage_loss(connector_, student, teacher):
    """One stage's sum over scans, channels and places, in Python floats."""
    convolution, norm = connector_
    weight = convolution.weight.squeeze(2).tolist()
    gamma, beta = norm.weight.tolist(), norm.bias.tolist()
    limits = [margin(s, m) for s, m in zip(teacher.scale.tolist(), teacher.shift.tolist(), strict=True)]
    s, t = student.values.flatten(2).tolist(), teacher.values.flatten(2).tolist()
    total = 0.0
    for o in range(len(weight)):
        out = [[sum(w * scan[c][p] for c, w in enumerate(weight[o])) for p in range(len(scan[0]))] for scan in s]
        flat = [x for scan in out for x in scan]
        mean = sum(flat) / len(flat)
        variance = sum((x - mean) ** 2 for x in flat) / len(flat)
        for b, scan in enumerate(out):
            for p, x in enumerate(scan):
                ours = (x - mean) / math.sqrt(variance + 1e-5) * gamma[o] + beta[o]
                target = max(t[b][o][p], limits[o])
                if not ours <= target <= 0:
                    total += (ours - target) ** 2
    return total


@pytest.mark.parametrize("shapes", [GRIDS, GRIDS[:2], [(17,)]], ids=["three stages", "two stages", "points"])
def test_it_agrees_with_the_formula_written_as_loops(shapes):
    features = pair(shapes)
    distiller = build(features, weight=0.3)
    last = len(shapes) - 1
    expected = sum(
        stage_loss(c, s, t) / 2 ** (last - i)
        for i, (c, s, t) in enumerate(
            zip(distiller.connectors, features[0].before_relu, features[1].before_relu, strict=True)
        )
    )
    loss = distiller(*features, BATCH)["kd_loss"]
    assert loss.item() == pytest.approx(0.3 * 1e-5 * expected / 2, rel=1e-9)


def test_the_default_is_the_authors_weight_for_segmentation_and_their_teacher_in_training_mode():
    assert OverhaulDistiller.complete({}, "pillars") == {"weight": 1.0, "teacher_mode": "train"}
    assert OverhaulDistiller.constant == 1e-5
    features = pair(GRIDS)
    assert build(features).teacher_mode == "train"
    assert build(features, teacher_mode="eval").teacher_mode == "eval"


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (-0.5, 0.3), (0.2, 0.6), (2, -3), (1e-3, -1), (0.3, 0.92)])
def test_the_margin_is_the_mean_of_the_normal_distribution_below_zero(scale, shift):
    """By summing x times its density over 400,000 slices below zero."""
    normal = NormalDist(shift, abs(scale))
    low = min(shift, 0.0) - 10 * abs(scale)
    x = torch.linspace(low, 0, 400_001, dtype=torch.float64)
    density = torch.exp(-((x - shift) ** 2) / (2 * scale**2))
    mean = (x * density).sum() / density.sum()
    assert normal.cdf(0) > 0.001
    (found,) = margins(*torch.tensor([[scale], [shift]], dtype=torch.float64))
    assert found.item() == pytest.approx(mean.item(), rel=1e-4)


@pytest.mark.parametrize("ratio", [-40, -5, -1, 0, 1, 3.09, 3.091, 5, 40])
@pytest.mark.parametrize("scale", [0.7, -0.02, 1e-9, 0.0])
def test_margins_agree_with_the_formula_in_python_floats_and_are_never_positive(scale, ratio):
    shift = ratio * max(abs(scale), 1e-6)
    (found,) = margins(*torch.tensor([[scale], [shift]], dtype=torch.float64))
    assert found.item() == pytest.approx(margin(scale, shift), rel=1e-9)
    assert found <= 0


def test_a_channel_that_is_almost_never_negative_has_a_margin_of_three_deviations():
    found = margins(torch.tensor([0.5, 0.5]), torch.tensor([0.5 * 3.09, 0.5 * 3.10]))
    assert found[0] > -0.5  # E[x | x < 0] is close to 0 there
    assert found[1] == -1.5


def test_what_a_relu_cuts_off_in_both_costs_nothing():
    teacher = torch.tensor([[[-2.0, -2.0, -0.1, -0.1, 0.5, 0.5]]])
    connected = torch.tensor([[[-3.0, 0.5, -0.2, -0.05, -1.0, 1.0]]], requires_grad=True)
    loss = partial_distance(connected, teacher, torch.tensor([-1.0]))
    loss.backward()
    # below the margin; above it; below the teacher; above it; a teacher that is let through counts on both sides
    expected = [0.0, 1.5, 0.0, 0.05, -1.5, 0.5]
    assert connected.grad.flatten().tolist() == pytest.approx([2 * e for e in expected])
    assert loss.item() == pytest.approx(sum(e * e for e in expected))


def test_a_map_that_meets_the_target_costs_nothing_and_pulls_nowhere():
    values = map_of(4, (3, 5)).values.flatten(2)
    limits = torch.full((4,), -0.5, dtype=torch.float64)
    met = torch.maximum(values, limits[:, None]).requires_grad_()
    loss = partial_distance(met, values, limits)
    (gradient,) = torch.autograd.grad(loss, met)
    assert loss == 0
    assert not gradient.any()


def test_connectors_start_as_the_authors_initialize_them():
    torch.manual_seed(0)
    convolution, norm = connector(300, 50)
    assert convolution.bias is None
    assert convolution.weight.mean().item() == pytest.approx(0, abs=0.005)
    assert convolution.weight.std().item() == pytest.approx(math.sqrt(2 / 50), rel=0.02)  # out, not in channels
    assert (norm.weight == 1).all()
    assert (norm.bias == 0).all()


def test_margins_are_buffers_and_are_not_trained():
    distiller = build(pair(GRIDS))
    assert [name for name, _ in distiller.named_buffers() if "margin" in name] == ["margin0", "margin1", "margin2"]
    assert not any("margin" in name for name, _ in distiller.named_parameters())


def test_maps_without_their_batch_norm_are_refused():
    plain = Features(before_relu=(map_of(3, (2, 2)),))
    with pytest.raises(ValueError, match="batch norm's weight and bias"):
        OverhaulDistiller(OverhaulDistiller.Parameters(), plain, plain)


@pytest.mark.parametrize("bad", [{"weight": -1}, {"teacher_mode": "average"}], ids=str)
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        OverhaulDistiller.complete(bad, "pillars")
