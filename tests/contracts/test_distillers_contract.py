"""The questions that every distillation method must answer, found by listing the folder."""

import copy
import itertools
from dataclasses import fields, replace
from functools import cache
from typing import Any

import pytest
import torch

from study.nouns.config import TrialConfig
from tests.trainables import waiting
from tests.trainables.small_detectors import prepared, scans, small, with_few_boxes
from trainables import detectors, distillers
from trainables.features import Features
from trainables.training.building import build_detector
from trainables.training.student_model import StudentModel
from trainables.training.teaching import Teaching

METHODS = distillers.names()
SMALL = {
    "pointdistiller": {"samples": 64, "neighbors": 8},
    "combined": {"methods": {"pointdistiller": {"samples": 64, "neighbors": 8}, "sparsekd": {}, "kd": {}}},
    "se_ssd": {"score": 0.001, "overlap": 0.1},  # an untrained head is sure of nothing
    "rdd": {"score": 0.001},
    "sparsekd": {"foreground": "everywhere"},  # and no anchor of a small detector lies on a small scan's objects
}
"""Hyper-parameters that fit small scans, where a method's defaults do not."""
ALONE: dict[tuple[str, str], dict[str, Any]] = {("rdd", "pointrcnn"): {"feature_weight": 0, "select": "all"}}
"""What of a method a detector can do that cannot do the whole."""
WAITS = {"crd": 1, "pointdistiller": 1, "rdd": 14, "se_ssd": 13, "sparsekd": 129, "combined": 130}
"""How often the host waits for the device inside a method in a step of two scans, at most; the others never wait.

All but 6 are mmdet3d's code: of rdd and se_ssd the heads' decoding, of sparsekd the heads' targets of anchors and
centers, and of whoever comes first the making of the anchors.
"""


@cache
def networks(family: str, twins: bool) -> tuple[Any, Any]:
    """A student and its teacher, untrained; `twins` gives both the same width and weights."""
    config = TrialConfig(detector=small(family, compression=1.0 if twins else 4.0))
    student = with_few_boxes(build_detector(config, teacher=False))
    teacher = build_detector(config, teacher=True)
    if twins:
        teacher.load_state_dict(copy.deepcopy(student.state_dict()))
    return student, teacher


def build(method: str, family: str, *, twins: bool = False, **parameters) -> StudentModel:
    """A student under a teacher."""
    spec, loaded = detectors.load(family), distillers.load(method)
    given = {**SMALL.get(method, {}), **ALONE.get((method, family), {})}
    parameters = loaded.Parameters(**loaded.complete({**given, **parameters}, spec.kind))
    student, teacher = copy.deepcopy(networks(family, twins))
    model = StudentModel(student, spec)
    torch.manual_seed(0)
    model.distill(Teaching(teacher, spec), loaded, parameters)
    return model


def losses(model: StudentModel, data: dict) -> dict[str, torch.Tensor]:
    return model(prepared(model.student, data))


def distilled(terms: dict[str, torch.Tensor]) -> torch.Tensor:
    return sum(value for name, value in terms.items() if name.startswith("kd_") and "loss" in name)


PAIRS = [(method, family) for method in METHODS for family in detectors.names()]
FAMILIES = itertools.cycle(detectors.names())
EACH_ONCE = pytest.mark.parametrize("pair", [(method, next(FAMILIES)) for method in METHODS], indirect=True, ids=str)
"""Every method on one detector, for what does not depend on which."""


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def pair(request) -> tuple[str, str]:
    return request.param


@pytest.fixture
def model(pair) -> StudentModel:
    return build(*pair)


@pytest.fixture
def data(pair) -> dict:
    return scans(pair[1], [900, 700])


def test_every_term_is_a_finite_scalar_and_one_of_them_is_trained_on(model, data):
    terms = losses(model, data)
    ours = {name: value for name, value in terms.items() if name.startswith("kd_")}
    assert ours
    assert all(value.shape == () and torch.isfinite(value) for value in ours.values())
    assert any("loss" in name for name in ours)


def test_the_gradient_reaches_student_and_adapters_and_never_the_teacher(model, data):
    distilled(losses(model, data)).backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.student.parameters())
    assert all(p.grad is not None for p in model.distiller.parameters() if p.requires_grad)
    assert all(p.grad is None for p in model.teaching.network.parameters())


@EACH_ONCE
def test_a_step_leaves_the_teachers_parameters_and_buffers_as_they_were(model, data):
    before = copy.deepcopy(model.teaching.network.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    parsed, _ = model.student.parse_losses(losses(model, data))
    parsed.backward()
    optimizer.step()
    after = model.teaching.network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@EACH_ONCE
def test_the_teacher_is_in_no_state_dict_and_no_optimizer(model):
    theirs = {id(p) for p in model.teaching.network.parameters()}
    assert not any(name.startswith("teacher") for name in model.state_dict())
    assert not any(id(p) in theirs for p in model.parameters())


@EACH_ONCE
def test_the_same_seed_gives_the_same_value(model, data):
    state = copy.deepcopy(model.state_dict())
    model.distiller.generator.manual_seed(1)
    first = distilled(losses(model, data))
    model.load_state_dict(state)
    model.distiller.generator.manual_seed(1)
    assert torch.equal(distilled(losses(model, data)), first)


def test_a_step_on_an_accelerator_works_and_waits_for_it_no_more_often_than_stated(model, pair, data):
    own = waiting.step(model, data).own
    assert own.total() <= WAITS.get(pair[0], 0), own


@EACH_ONCE
def test_a_batch_of_one_scan_works(model, pair):
    assert torch.isfinite(distilled(losses(model, scans(pair[1], [900]))))


@EACH_ONCE
def test_fewer_rows_than_a_method_asks_for_work(pair):
    asks = {"pointdistiller": {"samples": 100_000, "neighbors": 300}}
    model = build(*pair, **asks.get(pair[0], {}))
    assert torch.isfinite(distilled(losses(model, scans(pair[1], [9, 5]))))


def test_scans_without_objects_work(model, pair):
    batch = prepared(model.student, scans(pair[1], [900, 700], objects=False))
    model.student.eval()  # mmdet3d's own losses of some detectors divide by the number of objects
    ours, theirs = model.reader.features(batch), model.taught(batch)
    assert torch.isfinite(distilled(model.distilled(ours, theirs, batch)))


def test_features_of_nothing_give_a_finite_loss_with_a_gradient_for_every_adapter(model, pair):
    """No row, empty maps, no box above any score, no object: what a rank with an empty batch sees."""
    batch = prepared(model.student, scans(pair[1], [50, 50], objects=False))
    ours, theirs = map(nothing, (model.reader.features(batch), model.taught(batch)))
    loss = distilled(model.distilled(ours, theirs, batch))
    assert torch.isfinite(loss)
    loss.backward()
    assert all(p.grad is not None for p in model.distiller.parameters() if p.requires_grad)


def nothing(features: Features) -> Features:
    def empty(rows):
        tensors = {name: value[:0] for name, value in vars(rows).items() if isinstance(value, torch.Tensor)}
        return replace(rows, **{**tensors, "values": tensors["values"].clone().requires_grad_()})

    def flat(read):
        return replace(read, values=torch.zeros_like(read.values, requires_grad=True))

    found = {}
    for name in (field.name for field in fields(features) if field.init):
        read = getattr(features, name)
        if read is None:
            continue
        if name == "rows":
            found[name] = tuple(map(empty, read))
        elif name == "predictions":
            found[name] = replace(read, logits=torch.full_like(read.logits, -20.0, requires_grad=True))
        else:
            found[name] = tuple(map(flat, read)) if isinstance(read, tuple) else flat(read)
    return replace(features, **found)


def test_a_student_that_equals_its_teacher_has_nothing_to_learn_where_no_adapter_stands_between(pair):
    model = build(*pair, twins=True)
    if list(model.distiller.parameters()) or model.average is not None:
        return  # an untrained adapter makes a difference of its own
    batch = prepared(model.student, scans(pair[1], [900, 700]))
    model.student.eval()
    theirs = model.taught(batch)  # first, as in training: mmdet3d's pillar encoder writes into its voxels
    ours, _ = model.reader.features_and_losses(batch, batch)
    loss = distilled(model.distilled(ours, theirs, batch))
    gradients = torch.autograd.grad(loss, list(model.student.parameters()), allow_unused=True)
    assert all(torch.isfinite(g).all() and g.abs().max() < 1e-4 for g in gradients if g is not None)


@EACH_ONCE
def test_autocast_gives_the_value_of_float32(model, data):
    batch = prepared(model.student, data)
    model.student.eval()
    ours, theirs = model.reader.features(batch), model.taught(batch)
    state = copy.deepcopy(model.state_dict())
    plain = distilled(model.distilled(ours, theirs, batch))
    model.load_state_dict(state)
    model.distiller.generator.manual_seed(model.distiller.generator.initial_seed())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = distilled(model.distilled(ours, theirs, batch))
    assert torch.equal(mixed, plain)


@EACH_ONCE
def test_the_students_own_losses_are_those_without_a_teacher(model, data):
    if type(model.distiller).supervise is not distillers.Distiller.supervise:
        return  # it adds to the ground truth
    alone = StudentModel(copy.deepcopy(model.student), model.spec)
    random = torch.get_rng_state()
    together = losses(model, data)
    torch.set_rng_state(random)
    for name, value in losses(alone, data).items():
        torch.testing.assert_close(total(together[name]), total(value), msg=name)


def total(loss) -> torch.Tensor:
    return sum(loss) if isinstance(loss, list) else loss


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_hyper_parameter_is_refused(method):
    with pytest.raises(ValueError, match="no_such_thing"):
        distillers.load(method).complete({"no_such_thing": 1}, "pillars")


@pytest.mark.parametrize("method", METHODS)
def test_every_hyper_parameter_and_the_method_say_what_they_are(method):
    loaded = distillers.load(method)
    assert all(field.description for field in loaded.Parameters.model_fields.values())
    assert loaded.__doc__
