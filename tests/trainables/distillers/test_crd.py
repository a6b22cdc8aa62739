"""CRD's two forms against the formula written as loops over two steps, and what its memories keep."""

import math

import predicted
import pytest
import scene
import torch

from study.nouns.errors import InputError
from trainables.distillers.crd import CRD
from trainables.distillers.parts.embedding_queue import BACKGROUND, UNUSED, places_of
from trainables.features import Features

CARS = [[[2.0, 2, 0, 3, 2, 2, 0.4], [6, 5, 0, 2, 2, 2, 0], [3, 7, 0, 0.2, 0.1, 1, 0]], [[4.0, 3, 0, 4, 2, 2, 1]]]
"""Objects of two scans on a grid of cells of 1 m; no cell's center lies in the third."""
LABELS = [[2, 0, 1], [2]]


def build(**parameters):
    given = {"dimensions": 4, "temperature": 0.5, "least_points": 2, "rows": 12, "negatives": 7, "units": 9}
    given = {**given, **parameters}
    if parameters.get("form") == "bank":
        del given["least_points"], given["units"]
    torch.manual_seed(0)
    student, teacher = maps(1)
    return CRD(CRD.Parameters(**CRD.complete(given, "pillars")), student, teacher).double()


def maps(seed: int, channels=(3, 5)):
    narrow, wide = (scene.map_of(c, (9, 8), seed=seed + c) for c in channels)
    narrow.values.requires_grad_()
    return Features(neck=narrow), Features(neck=wide)


def batch(cars=CARS, labels=LABELS, points=5, names=(41, 7)):
    scans = [predicted.sample(b, c, sample_idx=n) for b, c, n in zip(cars, labels, names, strict=True)]
    clouds = [torch.cat([torch.tensor(b).reshape(-1, 7)[:, :4].repeat(points, 1), torch.zeros(3, 4)]) for b in cars]
    return predicted.batch(*scans, points=clouds)


def unit(values):
    length = math.sqrt(sum(x * x for x in values))
    return [x / length for x in values]


def embedded(linear, vector):
    rows = zip(linear.weight.tolist(), linear.bias.tolist(), strict=True)
    return unit([sum(w * x for w, x in zip(row, vector, strict=True)) + b for row, b in rows])


def score(a, b, tau):
    return math.exp(sum(x * y for x, y in zip(a, b, strict=True)) / tau)


def loss_of(rows_of_scores, n):
    """The code's loss of one network: of every unit its positive's score and the scores of its negatives."""
    total = 0.0
    for positive, *negatives in rows_of_scores:
        noise = len(negatives) / n
        total -= math.log(positive / (positive + noise + 1e-7))
        total -= sum(math.log(noise / (negative + noise + 1e-7)) for negative in negatives)
    return total / len(rows_of_scores)


def vector(read, scan, box):
    """Mean of the map in the box seen from above, or at the nearest place."""
    places, values = read.position[scan, :, :2].tolist(), read.values[scan].flatten(1).T.tolist()
    chosen = [i for i, place in enumerate(places) if predicted.holds(box, place)]
    chosen = chosen or [min(range(len(places)), key=lambda i: math.dist(places[i], box[:2]))]
    return [sum(values[i][c] for i in chosen) / len(chosen) for c in range(len(values[0]))]


def objects(student, teacher, data, units, chance):
    """Vectors of both networks and classes: the objects with points enough, then places beside them."""
    found, beside, places = [], [], student.neck.position.shape[1]
    for scan in range(2):
        boxes, labels = (values.tolist() for values in data.objects(scan))
        points = data.inputs["points"][scan][:, :3].tolist()
        for box, label in zip(boxes, labels, strict=True):
            if sum(predicted.holds(box, point) for point in points) >= 2:
                found.append((vector(student.neck, scan, box), vector(teacher.neck, scan, box), label))
        for index, place in enumerate(student.neck.position[scan, :, :2].tolist()):
            if not any(predicted.holds(box, place) for box in boxes):
                beside.append((scan, index))
    most = max(units, sum(len(data.objects(scan)[0]) for scan in range(2)))
    for drawn in torch.randint(2 * places, (2 * units,), generator=chance).tolist():
        scan, index = divmod(drawn, places)
        if (scan, index) not in beside or len(found) >= most:
            continue
        pair = [f.neck.values[scan].flatten(1)[:, index].tolist() for f in (student, teacher)]
        found.append((*pair, BACKGROUND))
    return found


class QueueInLoops:
    """The queue's form, one unit, one row and one channel at a time, in Python floats."""

    def __init__(self, method):
        self.method, self.options = method, method.options
        self.rows = [method.memory.student.tolist(), method.memory.teacher.tolist()]
        self.classes = method.memory.classes.tolist()
        self.stored, self.z, self.kept = 0, None, False

    def step(self, student, teacher, data, chance):
        found = objects(student, teacher, data, self.options.units, chance)
        ours = [embedded(self.method.student_embedding, s) for s, _, _ in found]
        theirs = [embedded(self.method.teacher_embedding, t) for _, t, _ in found]
        n, tau = self.options.rows, self.options.temperature
        drawn = torch.randperm(n, generator=chance).tolist()[: self.options.negatives]
        scores = []
        for own, other, memory in ((ours, theirs, self.rows[1]), (theirs, ours, self.rows[0])):
            scores.append([
                [score(a, b, tau)]
                + [score(a, memory[k], tau) for k in drawn if self.classes[k] != label or not self.options.other_class]
                for a, b, (_, _, label) in zip(own, other, found, strict=True)
            ])  # fmt: skip
        if not self.kept:
            self.z = [n * sum(map(sum, rows)) / sum(map(len, rows)) for rows in scores]
            self.kept = self.stored >= n
        scaled = [[[x / z for x in row] for row in rows] for rows, z in zip(scores, self.z, strict=True)]
        for own, other, (_, _, label) in zip(ours, theirs, found, strict=True):
            at = self.stored % n
            self.rows[0][at], self.rows[1][at], self.classes[at] = own, other, label
            self.stored += 1
        return 0.8 * self.options.weight * sum(loss_of(rows, n) for rows in scaled)


class BanksInLoops:
    """The code's form: banks of frames, whose rows move after the loss."""

    def __init__(self, method):
        self.method, self.options = method, method.options
        self.rows = [method.memory.student.tolist(), method.memory.teacher.tolist()]
        self.row_of, self.z = {}, None

    def step(self, student, teacher, data, chance):
        names = [sample.metainfo["sample_idx"] for sample in data.samples]
        rows = [self.row_of.setdefault(name, len(self.row_of)) for name in names]
        linear = self.method.student_embedding, self.method.teacher_embedding
        ours, theirs = (
            [embedded(layer, f.neck.values[b].flatten(1).mean(1).tolist()) for b in range(2)]
            for layer, f in zip(linear, (student, teacher), strict=True)
        )
        n, tau = self.options.rows, self.options.temperature
        drawn = torch.randint(n, (2, self.options.negatives), generator=chance).tolist()
        scores = [
            [[score(a, memory[k], tau) for k in (row, *ks)] for a, row, ks in zip(own, rows, drawn, strict=True)]
            for own, memory in ((ours, self.rows[1]), (theirs, self.rows[0]))
        ]
        if self.z is None:
            self.z = [n * sum(map(sum, s)) / sum(map(len, s)) for s in scores]
        scaled = [[[x / z for x in row] for row in s] for s, z in zip(scores, self.z, strict=True)]
        before = [[list(memory[row]) for row in rows] for memory in self.rows]
        for memory, old, new in zip(self.rows, before, (ours, theirs), strict=True):
            for row, was, now in zip(rows, old, new, strict=True):
                memory[row] = unit([0.5 * a + 0.5 * b for a, b in zip(was, now, strict=True)])
        return 0.8 * self.options.weight * sum(loss_of(s, n) for s in scaled)


def compare(method, loops, steps):
    for step in range(steps):
        student, teacher = maps(step)
        data = batch(names=(41, 7) if step % 2 == 0 else (7, 30))
        method.generator.manual_seed(step)
        loss = method(student, teacher, data)["kd_loss"].item()
        expected = loops.step(student, teacher, data, torch.Generator().manual_seed(step))
        assert loss == pytest.approx(expected, rel=1e-9)
        for memory, rows in zip((method.memory.student, method.memory.teacher), loops.rows, strict=True):
            torch.testing.assert_close(memory.tolist(), rows, rtol=1e-9, atol=1e-12)
        assert method.z.tolist() == pytest.approx(loops.z, rel=1e-9)


@pytest.mark.parametrize("parameters", [{}, {"other_class": False}, {"weight": 2.0, "units": 3}], ids=str)
def test_the_queue_agrees_with_the_formula_written_as_loops_until_it_is_full_and_after(parameters):
    method = build(**parameters)
    loops = QueueInLoops(method)
    compare(method, loops, 5)
    assert bool(method.z_is_kept) == loops.kept == (method.memory.stored.item() > 12)
    assert method.memory.classes.tolist() == loops.classes


@pytest.mark.parametrize("parameters", [{}, {"temperature": 0.07, "negatives": 40}], ids=str)
def test_the_banks_agree_with_the_code_written_as_loops_over_two_steps_and_a_third(parameters):
    method = build(form="bank", **parameters)
    compare(method, BanksInLoops(method), 3)
    assert method.memory.names[:4].tolist() == [41, 7, 30, UNUSED]
    assert method.z_is_kept


def test_a_frame_twice_in_a_batch_moves_its_row_once():
    method = build(form="bank")
    before = method.memory.student.clone()
    student, teacher = maps(0)
    method(student, teacher, batch(names=(5, 5)))
    assert (method.memory.student != before).any(1).tolist() == [True] + [False] * 11
    second = embedded(method.student_embedding, student.neck.values[1].flatten(1).mean(1).tolist())
    expected = unit([0.5 * a + 0.5 * b for a, b in zip(before[0].tolist(), second, strict=True)])
    assert method.memory.student[0].tolist() == pytest.approx(expected, rel=1e-9)


def test_more_frames_than_rows_and_frames_without_a_name_are_refused():
    method = build(form="bank", rows=3)
    method(*maps(0), batch(names=(1, 2)))
    with pytest.raises(InputError, match=r"parameters\.rows=3"):
        method(*maps(0), batch(names=(3, 4)))
    with pytest.raises(InputError, match="sample_idx"):
        method(*maps(0), batch(names=(None, 1)))


@pytest.mark.parametrize("form", ["queue", "bank"])
def test_what_is_remembered_continues_with_the_state(form):
    def step(method, number):
        method.generator.manual_seed(number)
        return method(*maps(number), batch())["kd_loss"]

    method, resumed = build(form=form), build(form=form)
    for number in range(3):
        step(method, number)
    resumed.load_state_dict(method.state_dict())
    assert torch.equal(step(method, 3), step(resumed, 3))
    assert all(
        torch.equal(a, b) for a, b in zip(method.state_dict().values(), resumed.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("form", ["queue", "bank"])
def test_gradients_reach_student_and_both_embeddings_and_no_memory(form):
    method = build(form=form)
    student, teacher = maps(0)
    teacher.neck.values.requires_grad_()
    method(student, teacher, batch())["kd_loss"].backward()
    assert student.neck.values.grad.abs().sum() > 0
    assert all(p.grad.abs().sum() > 0 for p in method.parameters())
    assert teacher.neck.values.grad is None
    assert not any(memory.requires_grad for memory in method.buffers())


def test_without_a_unit_the_loss_is_a_zero_that_reaches_everything():
    everywhere = [[[4.0, 4, 0, 99, 99, 9, 0]]] * 2
    method = build(least_points=100)
    student, teacher = maps(0)
    terms = method(student, teacher, batch(everywhere, [[0]] * 2))
    terms["kd_loss"].backward()
    assert terms["kd_loss"].item() == terms["kd_positive"].item() == method.memory.stored.item() == 0
    assert student.neck.values.grad.abs().max() == 0
    assert all(p.grad.abs().max() == 0 for p in method.parameters())


def test_features_without_length_leave_the_gradient_finite():
    method = build()
    for layer in (method.student_embedding, method.teacher_embedding):
        torch.nn.init.zeros_(layer.bias)
    student, teacher = maps(0)
    with torch.no_grad():
        student.neck.values.zero_()
    loss = method(student, teacher, batch())["kd_loss"]
    loss.backward()
    assert loss.isfinite()
    assert student.neck.values.grad.isfinite().all()


@pytest.mark.parametrize("points", [(9, 8), (72,)], ids=["grid", "points"])
def test_an_object_is_the_mean_of_the_places_in_its_box_or_the_nearest_place(points):
    read = scene.map_of(3, points, seed=1)
    boxes = torch.tensor(CARS[0], dtype=torch.float64)
    found = places_of(read.position[0, :, :2], boxes) @ read.values[0].flatten(1).T
    expected = [vector(read, 0, box) for box in CARS[0]]
    torch.testing.assert_close(found.tolist(), expected, rtol=1e-9, atol=1e-12)
    assert places_of(read.position[0, :, :2], boxes[:0]).shape == (0, 72)


@pytest.mark.parametrize("bad", [{"rows": 8, "negatives": 9}, {"negatives": 8193}, {"temperature": 0}], ids=str)
def test_values_that_cannot_be_are_refused(bad):
    with pytest.raises(ValueError, match=list(bad)[-1]):
        CRD.complete(bad, "pillars")


def test_what_a_form_does_not_read_makes_no_difference():
    assert CRD.complete({"momentum": 0.9}, "pillars") == CRD.complete({}, "pillars")
    assert CRD.complete({"form": "bank", "units": 3}, "pillars") == CRD.complete({"form": "bank"}, "pillars")
    assert CRD.complete({"form": "bank"}, "pillars")["negatives"] == 16384
