"""SparseKD's logit distillation against the formula written as loops, and the labels that the teacher adds."""

import copy
import math

import predicted
import pytest
import torch
from small_detectors import scans, small

from study.nouns.config import TrialConfig
from trainables import detectors
from trainables.distillers.sparsekd import SparseKD
from trainables.features import Batch, Features
from trainables.training.reader import Reader

PLACES, EACH = 30, 2
"""Positions of a scan, and anchors at each."""


def build(**parameters):
    features = read(0)
    return SparseKD(SparseKD.Parameters(**SparseKD.complete(parameters, "pillars")), features, features)


def read(seed: int, codes: int = 7, angle: int | None = 6) -> Features:
    generator = torch.Generator().manual_seed(seed)
    logits = 6 * torch.randn(2, PLACES * EACH, 3, generator=generator, dtype=torch.float64) - 4
    boxes = torch.randn(2, PLACES * EACH, codes, generator=generator, dtype=torch.float64)
    boxes[..., 3:6] = boxes[..., 3:6].abs() + 2
    learned = torch.randint(-2, 3, (2, PLACES * EACH), generator=torch.Generator().manual_seed(9))
    learned[:, :PLACES] = -1
    return predicted.features(
        logits.requires_grad_(), boxes.requires_grad_(), angle=angle, assign=lambda batch: learned, at_a_place=EACH
    )


def reference(student: Features, teacher: Features, foreground: str, least: float):
    """Class term and code term: position by position, anchor by anchor."""
    learned = student.predictions.assign(None).tolist()
    ours, theirs = (f.predictions.logits.tolist() for f in (student, teacher))
    total = weights = 0.0
    for scan in range(2):
        for place in range(PLACES):
            anchors = range(place * EACH, (place + 1) * EACH)
            counts = {
                "positive": any(learned[scan][a] >= 0 for a in anchors),
                "not_negative": any(learned[scan][a] != -1 for a in anchors),
                "everywhere": True,
            }[foreground]
            s, t = ([min(max(predicted.sigmoid(x), 1e-4), 1 - 1e-4) for a in anchors for x in logits[scan][a]]
                    for logits in (ours, theirs))  # fmt: skip
            if counts and max(t) > least:
                weights += max(t)
                total += max(t) * sum((a - b) ** 2 for a, b in zip(s, t, strict=True))
    codes = 0.0
    for scan in range(2):
        losses = []
        for anchor in range(PLACES * EACH):
            if learned[scan][anchor] >= 0:
                pair = (f.predictions.codes[scan, anchor].tolist() for f in (student, teacher))
                differences = [a - b for a, b in zip(*pair, strict=True)]
                if student.predictions.angle is not None:
                    differences[6] = math.sin(differences[6])
                losses.append(sum(map(predicted.smooth_l1, differences)))
        codes += sum(losses) / max(len(losses), 1) / 2
    return 10 * total / (weights + 1e-6), 0.2 * codes


@pytest.mark.parametrize(("codes", "angle"), [(7, 6), (8, None)], ids=["anchors", "points"])
@pytest.mark.parametrize("foreground", ["positive", "not_negative", "everywhere"])
@pytest.mark.parametrize("least", [0.0, 0.9])
def test_it_agrees_with_the_formula_written_as_loops(foreground, least, codes, angle):
    student, teacher = read(1, codes, angle), read(2, codes, angle)
    terms = build(foreground=foreground, score=least, weight=0.7)(student, teacher, predicted.batch())
    classes, boxes = reference(student, teacher, foreground, least)
    assert classes > 0
    assert terms["kd_class_loss"].item() == pytest.approx(0.7 * classes, rel=1e-9)
    assert terms["kd_code_loss"].item() == pytest.approx(0.7 * boxes, rel=1e-9)


def centers(seed: int) -> Features:
    """Two heads, of two classes and of one, at every place; a code of three numbers."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, PLACES * EACH, 3, generator=generator, dtype=torch.float64) - 2
    logits[:, ::EACH, 2] = -20
    logits[:, 1::EACH, :2] = -20
    codes = torch.randn(2, PLACES * EACH, 3, generator=generator, dtype=torch.float64).requires_grad_()
    place = torch.Generator().manual_seed(9)
    near = torch.rand(2, PLACES * EACH, generator=place, dtype=torch.float64) * 1.2 - 0.4
    near = near.clamp(min=0).masked_fill(torch.rand(near.shape, generator=place) < 0.1, 1)
    learned = torch.where(near == 1, torch.arange(PLACES * EACH) % EACH * 2, -1)
    return predicted.features(
        logits.requires_grad_(), codes, assign=lambda batch: learned, foreground=lambda batch: near, at_a_place=EACH
    )


def reference_of_centers(student: Features, teacher: Features, foreground: str) -> tuple[float, float]:
    """Class term and code term: head by head, position by position."""
    near = student.predictions.foreground(None).tolist()
    ours, theirs = (f.predictions for f in (student, teacher))
    classes, codes = [], []
    for head in range(EACH):
        total = weights = distance = found = 0.0
        for scan in range(2):
            for anchor in range(head, PLACES * EACH, EACH):
                s, t = ([min(max(predicted.sigmoid(x), 1e-4), 1 - 1e-4) for x in p.logits[scan, anchor].tolist()]
                        for p in (ours, theirs))  # fmt: skip
                share = {"positive": near[scan][anchor], "not_negative": near[scan][anchor] > 0, "everywhere": 1}
                weights += max(t) * share[foreground]
                total += max(t) * share[foreground] * sum((a - b) ** 2 for a, b in zip(s, t, strict=True))
                if near[scan][anchor] == 1:
                    pair = (p.codes[scan, anchor].tolist() for p in (ours, theirs))
                    distance += sum(abs(a - b) for a, b in zip(*pair, strict=True))
                    found += 1
        classes.append(total / (weights + 1e-6))
        codes.append(distance / max(found, 1))
    return 10 * sum(classes) / EACH, 0.2 * sum(codes) / EACH


@pytest.mark.parametrize("foreground", ["positive", "not_negative", "everywhere"])
def test_of_heads_that_find_centers_it_agrees_with_their_formula_written_as_loops(foreground):
    student, teacher = centers(1), centers(2)
    terms = build(foreground=foreground, labels=False)(student, teacher, predicted.batch())
    classes, codes = reference_of_centers(student, teacher, foreground)
    assert terms["kd_class_loss"].item() == pytest.approx(classes, rel=1e-9)
    assert terms["kd_code_loss"].item() == pytest.approx(codes, rel=1e-9)
    assert classes > 0
    assert codes > 0


def test_the_foregrounds_and_the_score_choose_different_positions():
    student, teacher = read(1), read(2)
    found = {reference(student, teacher, f, s)[0] for f in ("positive", "not_negative", "everywhere") for s in (0, 0.9)}
    assert len(found) == 6


def test_equal_predictions_have_nothing_to_learn():
    features = read(1)
    terms = build()(features, features, predicted.batch())
    loss = terms["kd_class_loss"] + terms["kd_code_loss"]
    wanted = (features.predictions.logits, features.predictions.codes)
    assert loss.item() == 0
    assert all(gradient.abs().max() == 0 for gradient in torch.autograd.grad(loss, wanted))


def test_without_a_positive_the_loss_is_a_zero_that_reaches_the_student():
    student, teacher = read(1), read(2)
    nothing = torch.full((2, PLACES * EACH), -1)
    object.__setattr__(student.predictions, "assign", lambda batch: nothing)
    terms = build()(student, teacher, predicted.batch())
    loss = terms["kd_class_loss"] + terms["kd_code_loss"]
    wanted = (student.predictions.logits, student.predictions.codes)
    assert loss.item() == 0
    assert all(gradient.abs().max() == 0 for gradient in torch.autograd.grad(loss, wanted))


BOXES = [
    [5.0, 1, -0.5, 4, 2, 1.5, 0.2],
    [5.1, 1, -0.5, 4, 2, 1.5, 0.2],
    [9.0, 4, -0.6, 1, 1, 2, 0],
    [1.0, 1, 0, 1, 1, 1, 0],
]
"""Of the teacher: a car twice, a pedestrian, and something it is not sure of."""


def confident_teacher() -> Features:
    logits = torch.full((2, 4, 3), -9.0)
    for anchor, (label, value) in enumerate([(2, 1.0), (2, 2.0), (0, 0.9), (1, 0.1)]):
        logits[0, anchor, label] = value
    directions = torch.tensor([[[1.0, 0], [0, 1], [1, 0], [1, 0]]] * 2)
    return predicted.features(
        logits, torch.tensor([BOXES] * 2), directions=directions, half_circle=-math.pi / 2, angle=6
    )


def test_the_teachers_confident_boxes_stand_before_the_ground_truth():
    truth = [[20.0, 3, -0.9, 4, 1.6, 1.5, 1.0]]
    data = predicted.batch(predicted.sample(truth, [2]), predicted.sample([], []))
    before = copy.deepcopy(data.samples[0].gt_instances_3d.bboxes_3d.tensor)
    method = build()
    supervised = method.supervise(confident_teacher(), data)
    boxes, labels = supervised.objects(0)
    turned = [*BOXES[1][:6], BOXES[1][6] + math.pi]  # as the head's directions say
    torch.testing.assert_close(boxes, torch.tensor([turned, BOXES[2], *truth]))
    assert labels.tolist() == [2, 0, 2]
    assert supervised.objects(1)[0].shape == (0, 7)
    assert supervised.inputs is data.inputs
    assert torch.equal(data.samples[0].gt_instances_3d.bboxes_3d.tensor, before)
    assert len(data.samples[0].gt_instances_3d) == 1
    assert method.labels_per_scan == 1.0


@pytest.mark.parametrize(
    ("parameters", "found"),
    [({"label_score": 0.8}, 1), ({"label_score": 0.5}, 3), ({"label_overlap": 1.0}, 3), ({"label_score": 0.95}, 0)],
    ids=str,
)
def test_score_and_overlap_decide_which_boxes_become_labels(parameters, found):
    data = predicted.batch(predicted.sample([], []), predicted.sample([], []))
    assert len(build(**parameters).supervise(confident_teacher(), data).objects(0)[1]) == found


def test_without_label_distillation_the_batch_stays_what_it_is():
    data = predicted.batch(predicted.sample([], []))
    method = build(labels=False)
    assert method.supervise(confident_teacher(), data) is data
    assert "kd_labels" not in method(read(1), read(2), data)


def confident_of_motion() -> Features:
    still = confident_teacher().predictions
    moving = torch.tensor([[*box, 3.0, -2.0] for box in BOXES])
    return predicted.features(
        still.logits, moving.expand(2, -1, -1), directions=still.directions, half_circle=-math.pi / 2, angle=6
    )


@pytest.mark.parametrize(
    ("teacher", "velocity"), [(confident_teacher, [0, 0]), (confident_of_motion, [3, -2])], ids=["unknown", "known"]
)
def test_labels_move_as_the_teacher_says_and_stand_still_where_it_says_nothing(teacher, velocity):
    from mmdet3d.structures import LiDARInstance3DBoxes

    sample = predicted.sample([], [])
    moving = LiDARInstance3DBoxes(torch.ones(1, 9), box_dim=9)
    sample.gt_instances_3d = type(sample.gt_instances_3d)(bboxes_3d=moving, labels_3d=torch.tensor([1]))
    supervised = build().supervise(teacher(), predicted.batch(sample, predicted.sample([], [])))
    tensor = supervised.samples[0].gt_instances_3d.bboxes_3d.tensor
    assert tensor[:, 7:].tolist() == [velocity, velocity, [1, 1]]
    assert supervised.samples[1].gt_instances_3d.bboxes_3d.tensor.shape == (0, 7)


@pytest.mark.parametrize("family", ["pointpillars", "pointrcnn"])
def test_the_teachers_labels_change_what_the_students_head_learns(family):
    from trainables.training.building import build_detector

    network = build_detector(TrialConfig(detector=small(family)), teacher=False)
    data = network.data_preprocessor(copy.deepcopy(scans(family, [900, 700])), True)
    batch = Batch(data["inputs"], data["data_samples"])
    reader = Reader(network, detectors.load(family), ("predictions", "neck"))
    plain, _ = reader.features_and_losses(batch, batch)
    places = plain.neck.position[0]
    cyclist = torch.tensor(
        [[*places[torch.cdist(places[:, :2], torch.tensor([[18.0, -6]])).argmin()], 1.76, 0.6, 1.73, 0]]
    )
    teacher = predicted.features(torch.tensor([[[-9.0, 3, -9]]] * 2), cyclist.expand(2, 1, 7))
    supervised = build().supervise(teacher, batch)
    before, after = plain.predictions.assign(batch), plain.predictions.assign(supervised)
    assert not (before == 1).any()
    assert (after[0] == 1).any()
    torch.manual_seed(0)
    _, first = reader.features_and_losses(batch, batch)
    torch.manual_seed(0)
    _, second = reader.features_and_losses(batch, supervised)
    assert any(not torch.equal(total(first[name]), total(second[name])) for name in first)
    assert len(batch.objects(0)[1]) == 2


def total(loss) -> torch.Tensor:
    return sum(loss) if isinstance(loss, list) else loss
