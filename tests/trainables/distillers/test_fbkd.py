"""Feature-based distillation against a reference written from the formula, with its whole matrix of pairs of places."""

import pytest
import torch
from scene import BATCH, map_pair

from trainables.distillers.fbkd import CONSTANTS, FeatureBased, NonLocal, attended_distance, non_local
from trainables.features import Features

GRID, POINTS = (6, 9), (41,)


def pair(places, narrow=3, wide=5):
    student, teacher = map_pair(places, narrow=narrow, wide=wide)
    return Features(neck=student), Features(neck=teacher)


def build(features, **parameters):
    kind = "pillars" if features[1].neck.values.dim() == 4 else "points"
    given = {"stride": 2, "channels": 4, **parameters}
    torch.manual_seed(3)
    distiller = FeatureBased(FeatureBased.Parameters(**FeatureBased.complete(given, kind)), *features).double()
    for block in (distiller.student_relations, distiller.teacher_relations):  # the zeros would hide a mistake
        for parameter in block.norm.parameters():
            torch.nn.init.uniform_(parameter, 0.2, 1.5)
    return distiller


def reference(distiller, student, teacher):
    """The four weighted terms, with loops over scans and explicit sums over channels, places and pairs of places."""
    o = distiller.options
    factor = 6 if o.form == "one_stage" else 1
    s, t = student.flatten(2), teacher.flatten(2)
    adapted = linear(distiller.feature, s)
    squares = (t - adapted) ** 2
    alike = s.shape[1] == t.shape[1]
    for b in range(len(s)):
        places = (softened(s[b].abs().mean(0), o.temperature) + softened(t[b].abs().mean(0), o.temperature)) / 2
        squares_b = squares[b] * places.detach()[None, :]
        if o.channel_mask != "none":
            mask = softened(t[b].abs().mean(1), o.temperature)
            if o.channel_mask == "both":
                own = s[b] if alike else adapted[b]
                mask = (mask + softened(own.abs().mean(1), o.temperature)) / 2
            squares_b = squares_b * mask.detach()[:, None]
        squares = torch.cat([squares[:b], squares_b[None], squares[b + 1 :]])
    channel = torch.einsum("ij,bj->bi", distiller.channel.weight, s.mean(2)) + distiller.channel.bias
    related = linear(distiller.relations, relations(distiller.student_relations, student))
    terms = {
        "feature": squares.sum() ** 0.5,
        "channel": ((t.mean(2) - channel) ** 2).sum() ** 0.5,
        "spatial": ((teacher.mean(1) - spread(distiller.spatial, student.mean(1))) ** 2).sum() ** 0.5,
        "nonlocal": ((related - relations(distiller.teacher_relations, teacher)) ** 2).sum() ** 0.5,
    }
    weights = {"feature": 7e-5, "channel": 4e-3, "spatial": 4e-3, "nonlocal": 7e-5}
    return {f"kd_loss_{name}": o.weight * factor * weights[name] * value for name, value in terms.items()}


def softened(attention, temperature):
    exponents = (attention / temperature).exp()
    return len(attention) * exponents / exponents.sum()


def linear(convolution, flat):
    out = torch.einsum("ij,bjp->bip", convolution.weight.squeeze(2), flat)
    return out if convolution.bias is None else out + convolution.bias[:, None]


def spread(convolution, mean):
    """3x3 with a border of zeros, by shifting; 1x1 on points."""
    weight = convolution.weight[0, 0]
    if mean.dim() == 2:
        return weight[0] * mean + convolution.bias
    height, width = mean.shape[1:]
    out = torch.zeros_like(mean) + convolution.bias
    for y in range(height):
        for x in range(width):
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        out[:, y, x] = out[:, y, x] + weight[dy + 1, dx + 1] * mean[:, y + dy, x + dx]
    return out


def relations(block, values):
    """x + norm(W y) with the matrix of all pairs (place, pooled place)."""
    flat = values.flatten(2)
    theta, phi, g = (linear(convolution, flat) for convolution in (block.theta, block.phi, block.g))
    phi, g = (pooled(x, values.shape[2:], block.stride) for x in (phi, g))
    pairs = torch.einsum("bcp,bck->bpk", theta, phi) / phi.shape[2]
    out = linear(block.out, torch.einsum("bpk,bck->bcp", pairs, g))
    mean, variance = out.mean((0, 2)), out.var((0, 2), unbiased=False)
    normed = (out - mean[:, None]) / (variance + 1e-5).sqrt()[:, None]
    return flat + normed * block.norm.weight[:, None] + block.norm.bias[:, None]


def pooled(flat, places, stride):
    if len(places) == 1:
        return torch.stack([flat[..., p] for p in range(0, places[0], stride)], dim=2)
    height, width = places
    grid = flat.view(*flat.shape[:2], height, width)
    tall, broad = min(stride, height), min(stride, width)
    windows = [
        grid[:, :, y : y + tall, x : x + broad].flatten(2).amax(2)
        for y in range(0, height - tall + 1, tall)
        for x in range(0, width - broad + 1, broad)
    ]
    return torch.stack(windows, dim=2)


MODES = [
    {}, {"form": "two_stage"}, {"form": "one_stage"}, {"channel_mask": "both"}, {"channel_mask": "teacher"},
    {"channel_mask": "none"}, {"temperature": 0.3}, {"stride": 1}, {"stride": 4}, {"stride": 100}, {"channels": 1},
    {"weight": 0.3},
]  # fmt: skip


@pytest.mark.parametrize("widths", [(3, 5), (4, 4)], ids=["narrower student", "equal widths"])
@pytest.mark.parametrize("places", [GRID, POINTS], ids=["grid", "points"])
@pytest.mark.parametrize("parameters", MODES, ids=str)
def test_every_term_and_its_gradients_agree_with_the_formula(parameters, places, widths):
    features = pair(places, *widths)
    distiller = build(features, **parameters)
    terms = distiller(*features, BATCH)
    expected = reference(distiller, features[0].neck.values, features[1].neck.values)
    losses = {name: value for name, value in terms.items() if "loss" in name}
    assert losses.keys() == expected.keys()
    wanted = [features[0].neck.values, *distiller.parameters()]
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(expected[name].item(), rel=1e-9), name
        found, right = (torch.autograd.grad(x, wanted, allow_unused=True, retain_graph=True)
                        for x in (loss, expected[name]))  # fmt: skip
        for a, b in zip(found, right, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-12)


def test_the_form_follows_the_detector_and_brings_its_constants():
    voxels, points = FeatureBased.complete({}, "pillars"), FeatureBased.complete({}, "points")
    assert (voxels["form"], voxels["temperature"], voxels["channel_mask"]) == ("one_stage", 0.1, "both")
    assert (points["form"], points["temperature"], points["channel_mask"]) == ("two_stage", 0.5, "none")
    assert CONSTANTS == {"feature": 7e-5, "channel": 4e-3, "spatial": 4e-3, "nonlocal": 7e-5}
    for whole in (voxels, points):
        assert FeatureBased.complete(whole, "pillars") == whole
    assert FeatureBased.complete({"form": "two_stage", "temperature": 2}, "cells")["temperature"] == 2


def test_a_non_local_block_starts_as_the_identity_and_can_leave_it():
    torch.manual_seed(0)
    values = map_pair(GRID)[1].values.float()
    block = NonLocal(5, 4, 2)
    assert torch.equal(block(values), values)
    block(values).square().sum().backward()
    assert block.norm.weight.grad.abs().min() > 0


def test_how_far_the_teachers_block_has_moved_is_written_down():
    features = pair(GRID)
    distiller = build(features)
    values = features[1].neck.values
    expected = (relations(distiller.teacher_relations, values) - values.flatten(2)).norm() / values.norm()
    assert distiller(*features, BATCH)["teacher_moved"].item() == pytest.approx(expected.item(), rel=1e-9)
    for parameter in distiller.teacher_relations.norm.parameters():
        torch.nn.init.zeros_(parameter)
    assert distiller(*features, BATCH)["teacher_moved"] == 0


def test_attention_has_mean_one_and_is_flat_where_features_are():
    from trainables.distillers.fbkd import channel_attention, place_attention

    values = map_pair(GRID)[1].values
    torch.testing.assert_close(place_attention(values, 0.1).mean(1), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(channel_attention(values, 0.1).mean(1), torch.ones(2, dtype=torch.float64))
    assert (place_attention(torch.ones_like(values), 0.1) - 1).abs().max() < 1e-12


def test_equal_maps_are_no_distance_and_pull_nowhere_also_where_attention_vanishes():
    student, _ = map_pair(GRID)
    values = student.values.flatten(2)
    places = torch.zeros(2, values.shape[2], dtype=torch.float64)
    places[:, 0] = values.shape[2]
    for teacher in (values.detach(), values.detach() + 1.0):
        loss = attended_distance(values, teacher, places)
        (gradient,) = torch.autograd.grad(loss, values)
        assert torch.isfinite(gradient).all()
    assert attended_distance(values, values.detach(), places) == 0


def test_the_non_local_sum_needs_no_matrix_of_places_by_places():
    """40,000 places looking at 40,000 would be 6.4 GB in float32; the operator's own tensors have 4 channels."""
    theta, phi, g = torch.randn(3, 1, 4, 40_000)
    few = non_local(theta[..., :3], phi, g)
    whole = non_local(theta, phi, g)
    pairs = torch.einsum("bcp,bck->bpk", theta[..., :3].double(), phi.double()) / 40_000
    expected = torch.einsum("bpk,bck->bcp", pairs, g.double())
    torch.testing.assert_close(whole[..., :3], few)
    torch.testing.assert_close(few.double(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("bad", [{"stride": 0}, {"channels": 0}, {"temperature": 0}, {"form": "three_stage"},
                                 {"channel_mask": "student"}, {"weight": -1}], ids=str)  # fmt: skip
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        FeatureBased.complete(bad, "pillars")
