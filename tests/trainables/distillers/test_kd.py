"""Hinton's distillation of class scores against the formula written as loops."""

import math

import predicted
import pytest
import torch

from trainables.distillers.kd import Hinton


def build(**parameters):
    features = predicted.features(torch.zeros(1, 1, 1), torch.zeros(1, 1, 7))
    return Hinton(Hinton.Parameters(**Hinton.complete(parameters, "pillars")), features, features)


def scene(seed: int, codes: int = 7):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, 12, 3, generator=generator, dtype=torch.float64) - 2
    return logits.requires_grad_(), torch.randn(2, 12, codes, generator=generator, dtype=torch.float64).requires_grad_()


def distributions(logits, temperature, form):
    """What the logits of one anchor say, as a list of distributions."""
    if form == "softmax":
        powers = [math.exp(x / temperature) for x in logits]
        return [[power / sum(powers) for power in powers]]
    return [[predicted.sigmoid(x / temperature), predicted.sigmoid(-x / temperature)] for x in logits]


def reference(student, teacher, temperature, form, mask, score):
    losses = []
    for ours, theirs in zip(student.flatten(0, 1).tolist(), teacher.flatten(0, 1).tolist(), strict=True):
        if mask == "foreground" and max(map(predicted.sigmoid, theirs)) <= score:
            continue
        pairs = zip(distributions(theirs, temperature, form), distributions(ours, temperature, form), strict=True)
        losses.append(sum(p * math.log(p / q) for t, s in pairs for p, q in zip(t, s, strict=True)))
    return temperature**2 * sum(losses) / max(len(losses), 1), len(losses)


@pytest.mark.parametrize("mask", ["none", "foreground"])
@pytest.mark.parametrize("form", ["sigmoid", "softmax"])
@pytest.mark.parametrize("temperature", [4.0, 1.0, 0.3])
def test_it_agrees_with_the_formula_written_as_loops(form, mask, temperature):
    student, teacher = scene(1), scene(2)
    terms = build(form=form, mask=mask, temperature=temperature, score=0.4, weight=0.9)(
        predicted.features(*student), predicted.features(*teacher), predicted.batch()
    )
    expected, anchors = reference(student[0], teacher[0], temperature, form, mask, 0.4)
    assert anchors == 24 if mask == "none" else 5 < anchors < 20
    assert terms.keys() == {"kd_loss"}
    assert terms["kd_loss"].item() == pytest.approx(0.9 * expected, rel=1e-9)


@pytest.mark.parametrize(("codes", "angle"), [(7, 6), (8, None)])
def test_codes_are_compared_where_the_teacher_sees_something(codes, angle):
    student, teacher = scene(1, codes), scene(2, codes)
    terms = build(codes=0.5, score=0.4, weight=3.0)(
        predicted.features(*student, angle=angle), predicted.features(*teacher, angle=angle), predicted.batch()
    )
    losses = []
    for scores, ours, theirs in zip(
        *(t.flatten(0, 1).tolist() for t in (teacher[0], student[1], teacher[1])), strict=True
    ):
        if max(map(predicted.sigmoid, scores)) > 0.4:
            differences = [a - b for a, b in zip(ours, theirs, strict=True)]
            if angle is not None:
                differences[angle] = math.sin(differences[angle])
            losses.append(sum(map(predicted.smooth_l1, differences)))
    assert terms["kd_code_loss"].item() == pytest.approx(3 * 0.5 * sum(losses) / len(losses), rel=1e-9)


@pytest.mark.parametrize("form", ["sigmoid", "softmax"])
def test_equal_logits_have_nothing_to_learn(form):
    logits, codes = scene(1)
    features = predicted.features(logits, codes, angle=6)
    terms = build(form=form, codes=1.0)(features, features, predicted.batch())
    loss = sum(terms.values())
    assert abs(loss.item()) < 1e-12
    assert all(gradient.abs().max() < 1e-12 for gradient in torch.autograd.grad(loss, (logits, codes)))


@pytest.mark.parametrize("form", ["sigmoid", "softmax"])
def test_logits_far_apart_leave_loss_and_gradient_finite(form):
    student = torch.tensor([[[900.0, -900, 0]]], requires_grad=True)
    ours = predicted.features(student, torch.zeros(1, 1, 7))
    theirs = predicted.features(torch.tensor([[[-900.0, 900, 0]]]), torch.zeros(1, 1, 7))
    loss = build(form=form, temperature=1.0)(ours, theirs, predicted.batch())["kd_loss"]
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()


def test_where_the_teacher_sees_nothing_the_loss_is_a_zero_that_reaches_the_student():
    student, teacher = scene(1), scene(2)
    terms = build(mask="foreground", codes=1.0, score=0.99)(
        predicted.features(*student, angle=6), predicted.features(*teacher, angle=6), predicted.batch()
    )
    loss = sum(terms.values())
    assert loss.item() == 0
    assert all(gradient.abs().max() == 0 for gradient in torch.autograd.grad(loss, student))
