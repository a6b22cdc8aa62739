"""What distillation asks of boxes, against loops and against mmdet3d."""

import math

import predicted
import pytest
import torch

from trainables.distillers.parts import boxes as boxes_of

CAR = [0.0, 0.0, 0.0, 4.0, 2.0, 1.5, 0.0]


def other(**changes: float) -> list[float]:
    columns = {"x": 0, "y": 1, "length": 3, "width": 4, "yaw": 6}
    box = list(CAR)
    for name, value in changes.items():
        box[columns[name]] = value
    return box


AREAS = [
    (other(), 8.0),
    (other(x=4.0), 0.0),
    (other(x=9.0), 0.0),
    (other(x=1.0), 6.0),
    (other(length=1.0, width=1.0), 1.0),
    (other(length=9.0, width=9.0), 8.0),
    (other(yaw=math.pi / 2), 4.0),
    (other(yaw=math.pi), 8.0),
]


@pytest.mark.parametrize(("box", "area"), AREAS, ids=str)
def test_areas_that_are_known_are_found(box, area):
    found = boxes_of.shared_area(torch.tensor([CAR]), torch.tensor([box]))
    assert found.item() == pytest.approx(area, abs=1e-5)


def test_areas_that_boxes_share_are_those_of_clipping_one_corner_after_the_other():
    first, second = predicted.random_boxes(300, 0), predicted.random_boxes(300, 1)
    expected = [predicted.shared_area(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    assert sum(area > 0 for area in expected) > 100
    torch.testing.assert_close(boxes_of.shared_area(first, second).tolist(), expected, rtol=1e-9, atol=1e-12)


def test_areas_have_the_gradient_of_finite_differences():
    first, second = predicted.random_boxes(20, 0, spread=2), predicted.random_boxes(20, 1, spread=2)
    assert torch.autograd.gradcheck(boxes_of.shared_area, (first.requires_grad_(), second.requires_grad_()))


def test_overlaps_from_above_are_intersection_over_union():
    first, second = predicted.random_boxes(12, 2), predicted.random_boxes(15, 3)
    expected = [[predicted.overlap(a, b) for b in second.tolist()] for a in first.tolist()]
    torch.testing.assert_close(boxes_of.overlaps(first, second).tolist(), expected, rtol=1e-6, atol=1e-7)


def test_what_lies_on_a_side_or_on_the_top_is_in_the_box_where_mmcv_says_so():
    on_top, on_the_front, on_the_left = [0.5, 0.5, 0.75], [2.0, 0.0, 0.0], [0.0, 1.0, 0.0]
    places = torch.tensor([on_top, on_the_front, on_the_left])
    assert boxes_of.inside(places, torch.tensor([CAR])).squeeze(1).tolist() == [True, False, False]
    assert boxes_of.inside(places[:, :2], torch.tensor([CAR])).squeeze(1).tolist() == [True, False, False]


@pytest.mark.parametrize("columns", [2, 3])
def test_places_inside_are_those_whose_offset_along_the_box_is_small(columns):
    boxes = predicted.random_boxes(9, 4)
    places = (torch.rand(400, columns, generator=torch.Generator().manual_seed(5), dtype=torch.float64) - 0.1) * 7
    expected = [[predicted.holds(box, place) for box in boxes.tolist()] for place in places.tolist()]
    assert boxes_of.inside(places, boxes).tolist() == expected
    assert 20 < sum(map(sum, expected)) < 2000


def test_confident_boxes_come_best_first_and_no_more_than_asked_for():
    logits = torch.tensor([[[0.0, -3], [2, 1], [-1, 3], [-4, -4], [5, 5], [1, -9]]])
    boxes = torch.tensor([CAR]).repeat(6, 1)[None]
    boxes[0, 4, 5] = torch.inf
    found = boxes_of.confident(predicted.predictions(logits, boxes), 0.5, 99)[0]
    assert found.anchors.tolist() == [2, 1, 5, 0]
    assert found.labels.tolist() == [1, 0, 0, 0]
    torch.testing.assert_close(found.scores, torch.tensor([3.0, 2, 1, 0]).sigmoid())
    few = boxes_of.confident(predicted.predictions(logits, boxes), 0.5, 3)[0]
    assert few.anchors.tolist() == [2, 1]  # the best of the three is no sound box


def test_of_equal_scores_the_first_anchors_boxes_are_taken():
    boxes = torch.tensor([CAR]).repeat(6, 1)[None]
    logits = torch.tensor([[[1.0], [3], [1], [1], [3], [1]]])
    found = boxes_of.confident(predicted.predictions(logits, boxes), 0.5, 4)[0]
    assert found.anchors.tolist() == [1, 4, 0, 2]


def test_each_scan_has_its_own_confident_boxes():
    boxes = torch.tensor([CAR]).repeat(3, 4, 1)
    boxes[0, 1, 3] = torch.nan
    logits = torch.tensor([[1.0, 2, -9, 0.5], [-9, -9, -9, -9], [-9, 0.3, 1, -9]])[..., None]
    found = boxes_of.confident(predicted.predictions(logits, boxes), 0.5, 9)
    assert [each.anchors.tolist() for each in found] == [[0, 3], [], [2, 1]]


def test_places_inside_a_box_are_those_of_mmdet3ds_operator():
    from trainables.ops.points_in_boxes import points_in_boxes

    boxes = predicted.random_boxes(9, 4)
    places = (torch.rand(400, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64) - 0.1) * 7
    bottoms = boxes.clone()
    bottoms[:, 2] -= boxes[:, 5] / 2
    theirs = points_in_boxes(places.numpy(), bottoms.numpy())
    assert theirs.any()
    assert boxes_of.inside(places, boxes).tolist() == theirs.T.tolist()


@pytest.mark.parametrize("broken", [torch.nan, -torch.inf, 1e4, 0.0, -1.0])
def test_boxes_that_cannot_be_are_left_out(broken):
    boxes = torch.tensor([[CAR, CAR]])
    boxes[0, 0, 3] = broken
    found = boxes_of.confident(predicted.predictions(torch.ones(1, 2, 3), boxes), 0.3, 9)[0]
    assert found.anchors.tolist() == [1]


def test_a_worse_box_of_the_same_class_is_suppressed_and_one_of_another_class_is_not():
    boxes = torch.tensor([[CAR, other(x=0.5), other(x=0.5), other(x=9.0)]])
    logits = torch.tensor([[[1.0, -1], [2, -1], [-1, 0.5], [0.2, -1]]])
    found = boxes_of.confident(predicted.predictions(logits, boxes), 0.3, 9)[0]
    assert [best.anchors.tolist() for best in boxes_of.suppressed([found, found.at(slice(0))], 0.5)] == [[1, 2, 3], []]
    assert boxes_of.suppressed([found], 0.9)[0].anchors.tolist() == [1, 0, 2, 3]


@pytest.mark.parametrize(("offset", "limit"), [(-math.pi / 2, 0.0), (0.7854, 0.0), (-0.7854, 1.0), (0.0, 0.5)])
def test_boxes_face_where_mmdet3ds_head_turns_them(offset, limit):
    from mmdet3d.structures import limit_period

    boxes = predicted.random_boxes(50, 6)
    directions = torch.randn(1, 50, 2, generator=torch.Generator().manual_seed(7))
    read = predicted.predictions(
        torch.ones(1, 50, 1), boxes[None], directions=directions, half_circle=offset - math.pi * limit
    )
    found = boxes_of.confident(read, 0.0, 99)[0]
    theirs = limit_period(boxes[:, 6] - offset, limit, math.pi) + offset + math.pi * directions[0].argmax(1)
    torch.testing.assert_close(boxes_of.headed(found, read, 0)[:, 6], theirs)
    assert torch.equal(found.boxes, boxes)


def test_half_a_turn_is_no_difference_of_an_angle_and_a_quarter_is_the_largest():
    student, teacher = torch.zeros(3, 8), torch.zeros(3, 8)
    student[:, 6] = torch.tensor([math.pi, math.pi / 2, 0.1])
    student[:, 7] = 5
    difference = boxes_of.code_difference(student, teacher, 6)
    torch.testing.assert_close(difference[:, 6], torch.tensor([0, 1, math.sin(0.1)]))
    assert difference[:, 7].tolist() == [5, 5, 5]
    assert torch.equal(boxes_of.code_difference(student, teacher, None), student)
