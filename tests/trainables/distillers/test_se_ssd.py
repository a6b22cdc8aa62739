"""SE-SSD's consistency and ODIoU against the formula written as loops, and which boxes are compared."""

import math

import predicted
import pytest
import torch

from trainables.distillers.se_ssd import SeSsd, match, odiou, ramp

CAR = [10.0, 1.0, -0.8, 3.9, 1.6, 1.5, 0.3]


def build(kind="pillars", **parameters):
    features = predicted.features(torch.zeros(1, 1, 1), torch.zeros(1, 1, 7))
    return SeSsd(SeSsd.Parameters(**SeSsd.complete(parameters, kind)), features, features)


def scene(seed: int, anchors: int = 40):
    """Two scans of jittered copies of six boxes with three classes, of which about half are confident; B x A x ."""
    generator = torch.Generator().manual_seed(seed)
    real = predicted.random_boxes(6, 0, spread=20)[torch.randint(6, (2, anchors), generator=generator)]
    jitter = torch.randn(2, anchors, 7, generator=generator, dtype=torch.float64)
    boxes = real + jitter * torch.tensor([0.08, 0.08, 0.2, 0.05, 0.05, 0.3, 0.04], dtype=torch.float64)
    boxes[..., 3:6] = boxes[..., 3:6].clamp(min=0.3)
    boxes[..., 6] += math.pi * (torch.rand(2, anchors, generator=generator) < 0.3)
    logits = torch.randn(2, anchors, 3, generator=generator, dtype=torch.float64) - 1.5
    return logits.requires_grad_(), boxes.requires_grad_()


def confident(logits, boxes, threshold=0.3):
    rows = []
    for scores, box in zip(logits.tolist(), boxes.tolist(), strict=True):
        label = max(range(len(scores)), key=lambda c, scores=scores: scores[c])
        if predicted.sigmoid(scores[label]) >= threshold:
            rows.append((box, label, predicted.sigmoid(scores[label])))
    return rows


def best_partners(rows, others, threshold=0.7):
    pairs = []
    for box, label, score in rows:
        overlaps = [predicted.overlap(box, o) if label == c else 0.0 for o, c, _ in others]
        if overlaps and max(overlaps) > threshold:
            partner = others[overlaps.index(max(overlaps))]
            pairs.append(((box, score), (partner[0], partner[2])))
    return pairs


def reference(student, teacher, epoch):
    """Box and score term: scan by scan, box by box, code by code."""
    box = score = 0.0
    pairs = 0
    for scan in range(2):
        matched = best_partners(*(confident(logits[scan], boxes[scan]) for logits, boxes in (student, teacher)))
        pairs += len(matched)
        if not matched:
            continue
        total = 0.0
        for (ours, _), (theirs, _) in matched:
            differences = [a - b for a, b in zip(ours[:6], theirs[:6], strict=True)]
            differences.append(math.sin(ours[6]) * math.cos(theirs[6]) - math.cos(ours[6]) * math.sin(theirs[6]))
            total += sum(map(predicted.smooth_l1, differences)) / 7
        box += total / len(matched)
        score += sum(predicted.smooth_l1(a[1] - b[1]) for a, b in matched) / len(matched)
    factor = math.exp(-5 * (1 - min(epoch, 15) / 15) ** 2) / 2
    return box * factor, score * factor, pairs / 2


@pytest.mark.parametrize("epoch", [0, 7, 15, 40])
def test_it_agrees_with_the_formula_written_as_loops(epoch):
    student, teacher = scene(1), scene(2)
    method = build()
    method.epoch, method.epochs = epoch, 60
    terms = method(predicted.features(*student), predicted.features(*teacher), predicted.batch())
    box, score, pairs = reference(student, teacher, epoch)
    assert pairs > 8
    assert terms["kd_box_loss"].item() == pytest.approx(box, rel=1e-9)
    assert terms["kd_score_loss"].item() == pytest.approx(score, rel=1e-9)
    assert terms["kd_pairs"].item() == pairs


def test_several_boxes_of_the_student_may_take_the_same_box_of_the_teacher():
    student = torch.tensor([CAR, CAR, CAR, CAR])
    student[:, 0] += torch.tensor([0.1, 0.0, 0.2, 5.0])
    teacher = torch.tensor([CAR, CAR])
    teacher[1, 0] += 0.18
    labels = torch.tensor([2, 2, 2, 2]), torch.tensor([2, 2])
    paired, partner = match(student, labels[0], teacher, labels[1], 0.7)
    assert paired.tolist() == [True, True, True, False]
    assert partner[:3].tolist() == [1, 0, 1]


def test_boxes_of_different_classes_are_no_pair_and_the_next_best_of_the_same_class_is():
    box = torch.tensor([CAR])
    near = torch.tensor([CAR, CAR])
    near[1, 0] += 0.2
    paired, partner = match(box, torch.tensor([1]), near, torch.tensor([0, 1]), 0.7)
    assert (paired.tolist(), partner.tolist()) == ([True], [1])
    paired, _ = match(box, torch.tensor([2]), near, torch.tensor([0, 1]), 0.7)
    assert paired.tolist() == [False]


@pytest.mark.parametrize("side", ["student", "teacher"])
def test_without_confident_boxes_the_loss_is_a_zero_that_reaches_the_student(side):
    student, teacher = scene(1), scene(2)
    with torch.no_grad():
        (student if side == "student" else teacher)[0].fill_(-9)
    terms = build()(predicted.features(*student), predicted.features(*teacher), predicted.batch())
    loss = terms["kd_box_loss"] + terms["kd_score_loss"]
    assert loss.item() == terms["kd_pairs"].item() == 0
    loss.backward()
    assert all(tensor.grad.abs().max() == 0 for tensor in student)


def test_equal_predictions_are_consistent():
    student = scene(1)
    terms = build()(predicted.features(*student), predicted.features(*student), predicted.batch())
    assert terms["kd_pairs"] > 5
    gradients = torch.autograd.grad(terms["kd_box_loss"] + terms["kd_score_loss"], student)
    assert terms["kd_box_loss"].item() == terms["kd_score_loss"].item() == 0
    assert all(gradient.abs().max() == 0 for gradient in gradients)


def test_boxes_that_overflow_early_in_training_leave_the_gradient_finite():
    logits = torch.full((1, 3, 3), 2.0, requires_grad=True)
    codes = torch.zeros(1, 3, 7)
    codes[0, 1, 3:6] = 200.0
    codes.requires_grad_()

    def decode(scan, anchors):
        box = codes[scan, anchors]
        return torch.cat([box[:, :3], box[:, 3:6].exp(), box[:, 6:]], dim=1)

    ours = predicted.features(logits, codes)
    object.__setattr__(ours.predictions, "decode", decode)
    theirs = predicted.features(torch.full((1, 1, 3), 2.5), torch.tensor([[[0.05, 0, 0, 1, 1, 1, 0]]]))
    terms = build()(ours, theirs, predicted.batch())
    assert terms["kd_pairs"] == 2
    (terms["kd_box_loss"] + terms["kd_score_loss"]).backward()
    assert codes.grad.isfinite().all()
    assert codes.grad.abs().sum() > 0


def test_only_the_best_boxes_are_compared_when_there_are_more():
    student, teacher = scene(1), scene(2)
    pairs = [
        build(most=most)(predicted.features(*student), predicted.features(*teacher), predicted.batch())["kd_pairs"]
        for most in (3, 2000)
    ]
    assert pairs[0] <= 3 < pairs[1]
    assert build(kind="points").options.most == 512
    assert build().options.most == 2000


@pytest.mark.parametrize(("epoch", "epochs", "share"), [(0, 15, math.exp(-5)), (15, 15, 1), (99, 15, 1), (0, 0, 1)])
def test_the_weight_ramps_up_over_the_epochs(epoch, epochs, share):
    assert ramp(epoch, epochs) == pytest.approx(share)


@pytest.mark.parametrize(("epochs", "epoch"), [(60, 15), (20, 5), (4, 1)])
def test_a_quarter_of_any_training_is_the_ramp_of_the_codes_15_of_60_epochs(epochs, epoch):
    student, teacher = scene(1), scene(2)
    method = build()
    method.epochs = epochs
    losses = []
    for method.epoch in (0, epoch, epochs - 1):
        losses.append(method(predicted.features(*student), predicted.features(*teacher), predicted.batch()))
    start, full, end = (terms["kd_box_loss"].item() for terms in losses)
    assert start == pytest.approx(math.exp(-5) * full)
    assert end == full > 0


def hull(points):
    """Andrew's monotone chain, counterclockwise."""
    points = sorted(points)

    def half(ordered):
        chain = []
        for p in ordered:
            while len(chain) > 1 and cross(chain[-2], chain[-1], p) <= 0:
                chain.pop()
            chain.append(p)
        return chain[:-1]

    return half(points) + half(points[::-1])


def cross(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def squared_diagonal(points):
    """Of the rectangle of least area: one of its sides is one of the hull's (Freeman and Shapira)."""
    around, found = hull(points), []
    for a, b in zip(around, around[1:] + around[:1], strict=True):
        angle = math.atan2(b[1] - a[1], b[0] - a[0])
        turned = [
            (x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)) for x, y in around
        ]
        width, depth = (max(p[i] for p in turned) - min(p[i] for p in turned) for i in (0, 1))
        found.append((width * depth, width**2 + depth**2))
    return min(found)[1]


def odiou_reference(box, target, height):
    ends = [(b[2] - b[5] / 2, b[2] + b[5] / 2) for b in (box, target)]
    shared_height = max(0.0, min(ends[0][1], ends[1][1]) - max(ends[0][0], ends[1][0]))
    enclosing = max(ends[0][1], ends[1][1]) - min(ends[0][0], ends[1][0])
    shared = predicted.shared_area(box, target) * shared_height
    union = math.prod(box[3:6]) + math.prod(target[3:6]) - shared
    diagonal = squared_diagonal(predicted.corners(box) + predicted.corners(target))
    diagonal += (enclosing if height == "enclosing" else shared_height) ** 2 + 1e-7
    away = sum((a - b) ** 2 for a, b in zip(box[:3], target[:3], strict=True))
    return 1 - shared / union + away / diagonal + 1.25 * (1 - abs(math.cos(box[6] - target[6])))


@pytest.mark.parametrize("height", ["enclosing", "overlap"])
def test_odiou_agrees_with_polygons_and_rectangles_computed_corner_by_corner(height):
    boxes, targets = predicted.random_boxes(200, 3), predicted.random_boxes(200, 4)
    targets[:20] = boxes[:20] + 0.01
    expected = [odiou_reference(a, b, height) for a, b in zip(boxes.tolist(), targets.tolist(), strict=True)]
    assert odiou(boxes, targets, height).tolist() == pytest.approx(expected, rel=1e-6)


def test_odiou_of_equal_boxes_is_zero_also_half_a_turn_apart_and_of_no_box_too():
    boxes = predicted.random_boxes(5, 3)
    turned = boxes.clone()
    turned[:, 6] += math.pi
    assert odiou(boxes, boxes).abs().max() < 1e-9
    assert odiou(boxes, turned).abs().max() < 1e-9
    flat = boxes.clone()
    flat[:, 4] = -1
    assert odiou(flat, boxes).tolist() == [0] * 5


def test_odiou_has_the_gradient_of_finite_differences():
    boxes, targets = predicted.random_boxes(10, 3, spread=2), predicted.random_boxes(10, 4, spread=2)
    assert torch.autograd.gradcheck(lambda b: odiou(b, targets), boxes.requires_grad_())


def test_odiou_pulls_towards_the_ground_truth_where_it_is_asked_for():
    logits, boxes = scene(1)
    truth = predicted.random_boxes(6, 0, spread=20).float()
    scans = [predicted.sample(truth.tolist(), [label] * 6) for label in (0, 1)]
    features = predicted.features(logits, boxes)
    assert "kd_odiou_loss" not in build()(features, features, predicted.batch(*scans))
    method = build(odiou=0.5, weight=2.0)
    term = method(features, features, predicted.batch(*scans))["kd_odiou_loss"]
    total = 0.0
    for scan, label in enumerate((0, 1)):
        others = [(box, label, None) for box in predicted.batch(*scans).objects(scan)[0].tolist()]
        pairs = best_partners(confident(logits[scan], boxes[scan]), others)
        total += 2 * sum(odiou_reference(a[0], b[0], "enclosing") for a, b in pairs) / max(len(pairs), 1)
    assert total > 0
    assert term.item() == pytest.approx(0.5 * 2 * total / 2, rel=1e-6)


def test_an_average_of_the_student_teaches_where_it_is_asked_for():
    assert build(teacher_mode="average").teacher_mode == "average"
    assert build().teacher_mode == "eval"


def test_the_height_is_no_difference_between_runs_without_odiou():
    complete = SeSsd.complete
    assert complete({"height": "overlap"}, "pillars") == complete({}, "pillars")
    assert complete({"height": "overlap", "odiou": 1}, "pillars") != complete({"odiou": 1}, "pillars")
