"""RDD against the formula written as loops over pairs, places and channels, for every value of every option."""

from dataclasses import replace

import predicted
import pytest
import scene
import torch
from rdd_in_loops import CELL, COLUMNS, LINES, proposals, reference

from study.nouns.errors import InputError
from trainables.distillers.rdd import RepresentationDisparity as Rdd
from trainables.features import Features

ANCHORS = 24


def build(features, **parameters):
    method = Rdd(Rdd.Parameters(**Rdd.complete(parameters, "pillars")), *features)
    torch.manual_seed(3)
    for name, parameter in method.double().named_parameters():  # batch norm's 1 and 0 would hide a mistake
        if "1." in name:
            torch.nn.init.uniform_(parameter, 0.2, 1.5)
    return method


def read(seed: int, channels: int, *, angle: int | None = 6, columns: int = 7) -> Features:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, ANCHORS, 3, generator=generator, dtype=torch.float64) - 3
    boxes = torch.stack([predicted.random_boxes(ANCHORS, 10 * seed + scan, spread=9.0) for scan in range(2)])
    codes = torch.nn.functional.pad(boxes, (0, columns - 7), value=seed)
    neck = scene.map_of(channels, (LINES, COLUMNS), seed=seed, cell=CELL)
    neck.values.mul_(3).requires_grad_()
    return predicted.features(logits.requires_grad_(), codes.requires_grad_(), neck, angle=angle)


def pair(**heads):
    return read(1, 3, **heads), read(2, 4, **heads)


USUAL = {"grid": 3, "threshold": 1.0}
"""About half of the pairs of an untrained adapter correlate negatively."""
SINGLE = [
    {}, {"score": 0.3}, {"most": 4}, {"overlap": 0.0}, {"overlap": 1.0}, {"region": "upright"}, {"region": "gaussian"},
    {"grid": 2}, {"normalize": "places"}, {"normalize": "none"}, {"align": "after"},
    {"align": "after", "normalize": "none"}, {"select": "distance", "threshold": 0.35}, {"select": "fraction"},
    {"select": "fraction", "share": 0.2}, {"select": "all"}, {"threshold": 0.8}, {"tau": 0.5},
    {"feature_weight": 0.7}, {"logit_weight": 0.7}, {"sources": "teacher"}, {"sources": "student"}, {"angle": "sine"},
    {"weight": 3.0},
]  # fmt: skip


@pytest.mark.parametrize("parameters", SINGLE, ids=str)
def test_it_agrees_with_the_formula_written_as_loops(parameters):
    student, teacher = pair()
    method = build((student, teacher), **{**USUAL, **parameters})
    terms = method(student, teacher, scene.BATCH)
    expected = reference(method, student, teacher)
    assert expected["kd_feature_loss"] > 0
    assert terms.keys() <= expected.keys()
    for name, value in terms.items():
        factor = method.options.weight if "loss" in name else 1
        assert value.item() == pytest.approx(factor * expected[name], rel=1e-9), name


def test_every_value_of_every_option_makes_a_difference():
    student, teacher = pair()
    found = {}
    for parameters in SINGLE:
        terms = build((student, teacher), **{**USUAL, **parameters})(student, teacher, scene.BATCH)
        found[str(parameters)] = tuple(round(value.item(), 12) for value in terms.values())
    assert len(set(found.values())) == len(SINGLE), found


@pytest.mark.parametrize(("angle", "columns"), [(None, 7), (6, 9)], ids=["centers", "anchors of boxes that move"])
def test_of_centers_the_scores_alone_are_compared_and_of_anchors_all_codes(angle, columns):
    student, teacher = pair(angle=angle, columns=columns)
    method = build((student, teacher), grid=2)
    expected = reference(method, student, teacher)
    assert method(student, teacher, scene.BATCH)["kd_logit_loss"].item() == pytest.approx(expected["kd_logit_loss"])


def test_rdd_f_leaves_predictions_and_rdd_l_leaves_the_students_map_without_a_gradient():
    student, teacher = pair()
    wanted = (student.neck.values, student.predictions.logits, student.predictions.codes)
    for parameters, reaches in (
        ({"logit_weight": 0}, [True, False, False]),
        ({"feature_weight": 0}, [False, True, True]),
    ):
        method = build((student, teacher), **parameters)
        terms = method(student, teacher, scene.BATCH)
        loss = sum(value for name, value in terms.items() if "loss" in name)
        gradients = torch.autograd.grad(loss, [*wanted, *method.parameters()], allow_unused=True)
        assert [g is not None and g.abs().sum().item() > 0 for g in gradients[:3]] == reaches
        assert all(g is not None and g.abs().sum() > 0 for g in gradients[3:])


def test_in_rdd_l_the_adapter_learns_what_it_would_learn_beside_the_student():
    student, teacher = pair()
    whole, logits = build((student, teacher), feature_weight=1.0), build((student, teacher), feature_weight=0)
    ours, theirs = (method(student, teacher, scene.BATCH) for method in (whole, logits))
    assert theirs["kd_adapter_loss"] == ours["kd_feature_loss"]
    assert "kd_feature_loss" not in theirs
    one = torch.autograd.grad(ours["kd_feature_loss"], list(whole.parameters()))
    other = torch.autograd.grad(theirs["kd_adapter_loss"], list(logits.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_no_gradient_passes_into_regions_the_choice_or_the_teacher():
    student, teacher = pair()
    terms = build((student, teacher), **USUAL, logit_weight=0)(student, teacher, scene.BATCH)
    assert all(value.grad_fn is None for name, value in terms.items() if "loss" not in name)
    theirs = (teacher.neck.values, teacher.predictions.logits, teacher.predictions.codes)
    boxes = (student.predictions.codes, student.predictions.logits)
    gradients = torch.autograd.grad(terms["kd_feature_loss"], [*theirs, *boxes], allow_unused=True)
    assert gradients == (None,) * 5


def test_the_gradient_is_that_of_finite_differences_between_which_regions_stay_where_they_are():
    student, teacher = pair()
    method = build((student, teacher), grid=2, select="all")
    boxes = student.predictions.codes.detach().clone()

    def loss(values, logits, codes):
        head = predicted.predictions(logits, boxes, angle=6)
        ours = Features(neck=replace(student.neck, values=values), predictions=replace(head, codes=codes))
        terms = method(ours, teacher, scene.BATCH)
        return terms["kd_feature_loss"] + terms["kd_logit_loss"]

    inputs = [student.neck.values, student.predictions.logits, student.predictions.codes]
    assert torch.autograd.gradcheck(loss, inputs, fast_mode=True)


def test_equal_patches_have_a_gradient_of_zero_and_not_of_nan():
    student, teacher = read(1, 3), read(1, 3)
    method = build((student, teacher), select="all", logit_weight=0)
    method.adapter = torch.nn.Sequential(torch.nn.Identity())
    loss = method(student, teacher, scene.BATCH)["kd_feature_loss"]
    (gradient,) = torch.autograd.grad(loss, student.neck.values)
    assert loss == 0
    assert gradient.abs().max() == 0


@pytest.mark.parametrize("parameters", [{}, {"logit_weight": 0}, {"feature_weight": 0}, {"align": "after"},
                                        {"feature_weight": 0, "select": "all"}], ids=str)  # fmt: skip
def test_without_proposals_the_losses_are_zeros_that_reach_student_and_adapter(parameters):
    student, teacher = pair()
    method = build((student, teacher), **parameters)
    usual = method(student, teacher, scene.BATCH)
    student, teacher = pair()
    for features in (student, teacher):
        features.predictions.logits.data.fill_(-9)
    terms = method(student, teacher, scene.BATCH)
    assert terms.keys() == usual.keys()
    assert all(value == 0 for value in terms.values())
    sum(value for name, value in terms.items() if "loss" in name).backward()
    assert student.predictions.logits.grad.abs().max() == 0
    assert all(parameter.grad is not None for parameter in method.parameters())


def test_a_scan_without_proposals_counts_as_zero():
    student, teacher = pair()
    method = build((student, teacher))
    for features in (student, teacher):
        features.predictions.logits.data[1] = -9
    terms = method(student, teacher, scene.BATCH)
    assert terms["kd_teacher_regions"] == len(proposals(teacher, 0, method.options)) / 2
    assert terms["kd_feature_loss"].isfinite()
    assert terms["kd_feature_loss"] > 0


def test_one_proposal_alone_has_a_loss_whichever_side_the_adapter_is_on():
    for align in ("before", "after"):
        student, teacher = pair()
        method = build((student, teacher), align=align, grid=2, select="fraction")
        for features in (student, teacher):
            features.predictions.logits.data.fill_(-9)
        teacher.predictions.logits.data[1, 3, 0] = 2
        terms = method(student, teacher, scene.BATCH)
        assert (terms["kd_teacher_regions"], terms["kd_student_regions"], terms["kd_selected"]) == (0.5, 0, 1)
        assert terms["kd_feature_loss"] > 0


def test_students_under_one_teacher_share_its_proposals():
    student, teacher = pair()
    asked = []
    decode = teacher.predictions.decode
    head = replace(teacher.predictions, decode=lambda *given: asked.append(given) or decode(*given))
    teacher = replace(teacher, predictions=head)
    for parameters in ({}, {"tau": 1.0}, {"region": "upright"}):
        build((student, teacher), **parameters)(student, teacher, scene.BATCH)
    assert len(asked) == 2  # two scans


def test_what_is_not_read_does_not_change_the_key():
    complete = Rdd.complete
    assert complete({"select": "all", "threshold": 3}, "cells") == complete({"select": "all"}, "cells")
    assert complete({"normalize": "none", "tau": 3}, "cells") == complete({"normalize": "none"}, "cells")
    alone = {"feature_weight": 0, "select": "all"}
    assert complete({**alone, "grid": 3, "region": "upright"}, "cells") == complete(alone, "cells")
    assert complete({"logit_weight": 0, "angle": "sine"}, "cells") == complete({"logit_weight": 0}, "cells")
    for given in ({}, alone, {"select": "fraction"}, {"normalize": "none"}):
        once = complete(given, "cells")
        assert complete(once, "cells") == once


def test_where_features_lie_on_points_only_predictions_can_be_compared():
    with pytest.raises(InputError, match=r"lie on points; parameters\.feature_weight=0 with parameters\.select=all"):
        Rdd.complete({}, "points")
    assert Rdd.complete({"feature_weight": 0, "select": "all"}, "points")["logit_weight"] == 0.2


@pytest.mark.parametrize("bad", [{"feature_weight": 0, "logit_weight": 0}, {"grid": 1}, {"tau": 0}, {"share": 0},
                                 {"score": 1}, {"select": "mutual"}], ids=str)  # fmt: skip
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Rdd.complete(bad, "pillars")
