"""FitNets against a reference written from the formula with loops, and the masks of places against plain geometry."""

import math

import pytest
import torch
from scene import map_of, map_pair
from small_detectors import scans

from study.nouns.errors import InputError
from trainables.distillers.fitnet import FitNet, hint_loss, holds_points, on_objects
from trainables.features import Batch, Features
from trainables.ops.setup import bridge

bridge.install()  # before mmdet3d is imported

GRID = (12, 14)
"""Cells of 1 m from (0, 0): the cars of `scans` stand at (10, 0), its pedestrians at (6, 5)."""


def pair(places, tap):
    narrow, wide = map_pair(places)
    if tap == "neck":
        return Features(neck=narrow), Features(neck=wide)
    other = map_of(2, (3, 3), seed=9)  # a stage that must not be read
    return Features(stages=(other, narrow)), Features(stages=(other, wide))


def real_batch(objects=True):
    data = scans("pointpillars", [60, 40], objects=objects)
    return Batch({"points": [p.double() for p in data["inputs"]["points"]]}, data["data_samples"])


def build(features, kind="pillars", **parameters):
    options = FitNet.Parameters(**FitNet.complete(parameters, kind))
    torch.manual_seed(3)
    distiller = FitNet(options, *features).double()
    for parameter in distiller.regressor[1].parameters():  # batch norm's 1 and 0 would hide a mistake
        torch.nn.init.uniform_(parameter, 0.2, 1.5)
    return distiller


def reference(distiller, student, teacher, places):
    """Convolution, batch norm, ReLU, mean of squares: one channel and one place at a time, in Python floats."""
    convolution, norm, _ = distiller.regressor
    weight, bias = convolution.weight.squeeze(2).tolist(), convolution.bias.tolist()
    gamma, beta = norm.weight.tolist(), norm.bias.tolist()
    s, t = student.flatten(2).tolist(), teacher.flatten(2).tolist()
    positions = range(len(s[0][0]))
    squares = []
    for o in range(len(weight)):
        out = [[sum(w * scan[c][p] for c, w in enumerate(weight[o])) + bias[o] for p in positions] for scan in s]
        flat = [x for scan in out for x in scan]
        mean = sum(flat) / len(flat)
        variance = sum((x - mean) ** 2 for x in flat) / len(flat)
        for b, scan in enumerate(out):
            for p in positions:
                if places[b][p]:
                    regressed = max(0.0, (scan[p] - mean) / math.sqrt(variance + 1e-5) * gamma[o] + beta[o])
                    squares.append((regressed - t[b][o][p]) ** 2)
    return distiller.options.weight * 100 * sum(squares) / len(squares)


def chosen(mask, read, batch):
    """The places that count, by plain geometry: places[b][p]."""
    result = []
    for b, scan in enumerate(read.position.tolist()):
        points, (boxes, _) = batch.inputs["points"][b].tolist(), batch.objects(b)
        grid = read.values.dim() == 4
        row = []
        for x, y, z in scan:
            held = any(abs(px - x) < 0.5 and abs(py - y) < 0.5 for px, py, *_ in points)
            over = any(inside(x, y, z, box, 0.5 if grid else 0.0, grid) for box in boxes.tolist())
            row.append({"none": True, "nonempty": held, "foreground": over}[mask])
        result.append(row)
    return result


def inside(x, y, z, box, margin, flat):
    turned = complex(x - box[0], y - box[1]) / complex(math.cos(box[6]), math.sin(box[6]))
    over = abs(turned.real) <= box[3] / 2 + margin and abs(turned.imag) <= box[4] / 2 + margin
    return over and (flat or abs(z - box[2]) <= box[5] / 2)


@pytest.mark.parametrize("mask", ["none", "nonempty", "foreground"])
@pytest.mark.parametrize("tap", ["stages", "neck"])
def test_grids_agree_with_the_formula_written_as_loops(tap, mask):
    features, batch = pair(GRID, tap), real_batch()
    distiller = build(features, tap=tap, mask=mask, weight=0.7)
    narrow, wide = ((f.neck if tap == "neck" else f.stages[-1]) for f in features)
    places = chosen(mask, wide, batch)
    assert all(0 < sum(row) < len(row) or mask == "none" for row in places)
    terms = distiller(*features, batch)
    expected = reference(distiller, narrow.values, wide.values, places)
    assert terms["kd_loss"].item() == pytest.approx(expected, rel=1e-9)
    if mask != "none":
        assert terms["places_in_effect"] == pytest.approx(sum(map(sum, places)) / 2 / math.prod(GRID))


@pytest.mark.parametrize("mask", ["none", "foreground"])
def test_points_agree_with_the_formula_written_as_loops(mask):
    features, batch = pair((40,), "neck"), real_batch()
    features[1].neck.position[:, :6] = batch.objects(0)[0][0, :3].double() + torch.linspace(-0.9, 0.9, 6)[:, None]
    distiller = build(features, "points", tap="neck", mask=mask)
    places = chosen(mask, features[1].neck, batch)
    assert all(0 < sum(row) < len(row) or mask == "none" for row in places)
    expected = reference(distiller, features[0].neck.values, features[1].neck.values, places)
    assert distiller(*features, batch)["kd_loss"].item() == pytest.approx(expected, rel=1e-9)


def test_the_default_is_the_published_constant_on_the_last_stage_and_all_places():
    complete = FitNet.complete({}, "pillars")
    assert complete == {"weight": 1.0, "tap": "stages", "mask": "none"}
    assert FitNet.constant == 100
    assert FitNet.weight_range == pytest.approx((1e-3, 1.0))


def test_it_reads_the_tap_that_was_asked_for():
    for tap in ("stages", "neck"):
        assert FitNet.reads_with(FitNet.Parameters(tap=tap)) == (tap,)


def test_a_hint_that_is_met_costs_nothing():
    values = map_of(4, (3, 5)).values.flatten(2)
    assert hint_loss(values, values) == 0
    assert hint_loss(values, values, torch.ones(2, 15, dtype=torch.bool)) == 0


def test_a_mask_of_every_place_is_no_mask():
    narrow, wide = (map_of(4, (3, 5), seed=seed).values.flatten(2) for seed in (1, 2))
    assert hint_loss(narrow, wide, torch.ones(2, 15, dtype=torch.bool)).item() == pytest.approx(
        hint_loss(narrow, wide).item(), rel=1e-12
    )


def test_a_mask_of_no_place_gives_zero_with_a_gradient():
    features = pair(GRID, "neck")
    distiller = build(features, tap="neck", mask="foreground")
    loss = distiller(*features, real_batch(objects=False))["kd_loss"]
    loss.backward()
    assert loss == 0
    assert all(p.grad is not None and not p.grad.any() for p in [*distiller.parameters(), features[0].neck.values])


def test_points_outside_a_grid_are_in_no_cell():
    read = map_of(1, (2, 3), scans=1, cell=2.0)
    points = torch.tensor([[-1.1, 0, 0], [5.1, 0, 0], [0, 3.1, 0], [4.9, 2.9, 9], [-0.9, -0.9, 0]], dtype=torch.float64)
    assert holds_points(read, 0, points).tolist() == [True, False, False, False, False, True]


def test_an_object_smaller_than_a_cell_still_has_a_cell():
    read = map_of(1, (4, 4), scans=1, cell=2.0)
    generator = torch.Generator().manual_seed(0)
    for x, y, yaw in (torch.rand(50, 3, generator=generator, dtype=torch.float64) * 6).tolist():
        box = torch.tensor([[x, y, 0, 0.9, 0.9, 1.7, yaw]], dtype=torch.float64)
        assert on_objects(read, 0, box).any()


def test_asking_for_nonempty_places_of_points_is_refused():
    with pytest.raises(InputError, match="mask=nonempty needs a grid"):
        FitNet.complete({"mask": "nonempty"}, "points")


@pytest.mark.parametrize("bad", [{"weight": -1}, {"tap": "head"}, {"mask": "fg"}], ids=str)
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        FitNet.complete(bad, "pillars")
