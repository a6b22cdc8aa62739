"""Attention transfer against a reference written from the formula with loops."""

import math

import pytest
import torch
from scene import BATCH, map_pair

from trainables.distillers.attention_transfer import CONSTANTS, AttentionTransfer, attention, attention_loss
from trainables.features import Features

FORMS = ["code", "paper", "per_sample_sum"]
GRIDS = [(4, 6), (2, 3)]


def build(form, **parameters):
    return AttentionTransfer(AttentionTransfer.Parameters(form=form, **parameters), Features(), Features())


def pair(shapes):
    maps = [map_pair(shape, narrow=3 + i, wide=5 + i, scans=3) for i, shape in enumerate(shapes)]
    student, teacher = zip(*maps, strict=True)
    return Features(stages=student), Features(stages=teacher)


def reference(student, teacher, form):
    """One scan, one place and one channel at a time, in Python floats; without its weight."""
    totals = []
    for s, t in zip(student.flatten(2).tolist(), teacher.flatten(2).tolist(), strict=True):
        q = []
        for scan in (s, t):
            squares = [sum(row[p] ** 2 for row in scan) / len(scan) for p in range(len(scan[0]))]
            length = math.sqrt(sum(x * x for x in squares))
            q.append([x / length for x in squares])
        total = sum((a - b) ** 2 for a, b in zip(*q, strict=True))
        totals.append({"code": total / len(q[0]), "paper": math.sqrt(total), "per_sample_sum": total}[form])
    return sum(totals) / len(totals)


@pytest.mark.parametrize("shapes", [GRIDS, [(17,)]], ids=["grids", "points"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_agrees_with_the_formula_written_as_loops(form, shapes):
    features = pair(shapes)
    stages = zip(features[0].stages, features[1].stages, strict=True)
    expected = sum(reference(s.values, t.values, form) for s, t in stages) * 0.3 * CONSTANTS[form]
    loss = build(form, weight=0.3)(*features, BATCH)["kd_loss"]
    assert loss.item() == pytest.approx(expected, rel=1e-9)


def test_the_default_is_the_authors_code_with_its_beta():
    assert AttentionTransfer.complete({}, "pillars") == {"weight": 1.0, "form": "code"}
    assert CONSTANTS["code"] == 1000


@pytest.mark.parametrize("form", FORMS)
def test_equal_maps_cost_nothing_and_pull_nowhere(form):
    values = map_pair((4, 6))[0].values
    loss = attention_loss(values, attention(values), form)
    (gradient,) = torch.autograd.grad(loss, values)
    assert loss == 0
    assert not gradient.any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tiny", [0.0, 1e-9, 1e-30])
def test_empty_and_vanishing_maps_have_finite_gradients(form, tiny):
    narrow, wide = (m.values.detach().float() for m in map_pair((4, 6)))
    student = (narrow * tiny).requires_grad_()
    for teacher in (wide, wide * tiny):
        loss = attention_loss(student, attention(teacher), form)
        (gradient,) = torch.autograd.grad(loss, student)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_the_size_of_a_map_changes_the_codes_form_only():
    def stretched(values):  # every place twice
        return values.detach().repeat_interleave(2, dim=-1)

    narrow, wide = (m.values for m in map_pair((4, 6)))
    large, target = stretched(narrow), attention(stretched(wide))
    ratio = {form: attention_loss(large, target, form) / attention_loss(narrow, attention(wide), form)
             for form in FORMS}  # fmt: skip
    assert ratio["code"].item() == pytest.approx(0.5)
    assert ratio["paper"].item() == ratio["per_sample_sum"].item() == pytest.approx(1.0)


@pytest.mark.parametrize("bad", [{"weight": -1}, {"form": "mean"}], ids=str)
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        AttentionTransfer.complete(bad, "pillars")
