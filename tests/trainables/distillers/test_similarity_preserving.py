"""Similarity preserving against a reference written from the formula with loops."""

import math

import pytest
import torch
from scene import BATCH, map_of, map_pair

from trainables.distillers.similarity_preserving import SimilarityPreserving, similarities, similarity_loss
from trainables.features import Features


def pair(places, scans=4):
    narrow, wide = map_pair(places, scans=scans)
    other = map_of(2, (3, 3), scans=scans, seed=9)  # a stage that must not be read
    return Features(stages=(other, narrow)), Features(stages=(other, wide))


def build(**parameters):
    return SimilarityPreserving(SimilarityPreserving.Parameters(**parameters), Features(), Features())


def normalized(values):
    """Rows of inner products, each scaled to length 1, in Python floats."""
    flat = values.flatten(1).tolist()
    rows = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in flat] for x in flat]
    return [[g / math.sqrt(sum(x * x for x in row)) for g in row] for row in rows]


def reference(student, teacher):
    ours, theirs = normalized(student), normalized(teacher)
    squares = [(a - b) ** 2 for x, y in zip(ours, theirs, strict=True) for a, b in zip(x, y, strict=True)]
    return sum(squares) / len(ours) ** 2


@pytest.mark.parametrize("places", [(4, 6), (17,)], ids=["grid", "points"])
@pytest.mark.parametrize("scans", [2, 5])
def test_it_agrees_with_the_formula_written_as_loops(scans, places):
    features = pair(places, scans)
    narrow, wide = (f.stages[-1].values for f in features)
    terms = build(weight=0.3)(*features, BATCH)
    assert terms["kd_loss"].item() == pytest.approx(0.3 * 3000 * reference(narrow, wide), rel=1e-9)
    rows = normalized(wide)
    others = [g for i, row in enumerate(rows) for j, g in enumerate(row) if i != j]
    assert terms["scan_similarity"].item() == pytest.approx(sum(others) / len(others), rel=1e-9)


def test_the_default_is_the_published_constant():
    assert SimilarityPreserving.complete({}, "cells") == {"weight": 1.0}
    assert SimilarityPreserving.constant == 3000


def test_a_batch_of_one_scan_gives_zero_with_a_gradient_of_zero():
    features = pair((4, 6), scans=1)
    terms = build()(*features, BATCH)
    terms["kd_loss"].backward()
    assert terms["kd_loss"] == terms["scan_similarity"] == 0
    assert features[0].stages[-1].values.grad.abs().max() < 1e-12


def test_equal_maps_cost_nothing_and_pull_nowhere():
    values = map_pair((4, 6), scans=3)[0].values
    loss = similarity_loss(values, similarities(values))
    (gradient,) = torch.autograd.grad(loss, values)
    assert loss == 0
    assert not gradient.any()


@pytest.mark.parametrize("tiny", [0.0, 1e-9, 1e-30])
def test_empty_and_vanishing_maps_have_finite_gradients(tiny):
    narrow, wide = (m.values.detach().float() for m in map_pair((4, 6)))
    student = (narrow * tiny).requires_grad_()
    for teacher in (wide, wide * tiny):
        loss = similarity_loss(student, similarities(teacher))
        (gradient,) = torch.autograd.grad(loss, student)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="weight"):
        SimilarityPreserving.complete({"weight": -1}, "pillars")
