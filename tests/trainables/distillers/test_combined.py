"""A sum of methods: its terms are the parts' terms, with one stream, one epoch, one teacher and one batch."""

from dataclasses import replace

import predicted
import pytest
import scene
import test_sparsekd
import torch
from test_sparsekd import confident_teacher

from study.nouns.errors import InputError
from trainables import distillers
from trainables.distillers.combined import Combined

PARTS = {
    "kd": {"weight": 0.5, "codes": 1.0},
    "sparsekd": {"label_score": 0.8},
    "se_ssd": {"score": 0.001, "overlap": 0.01},
}


def read(seed):
    """Predictions, and the map that other parts read."""
    return replace(test_sparsekd.read(seed), neck=scene.map_of(3, (5, 6)))


def build(methods, **parameters):
    features = read(0)
    whole = Combined.complete({"methods": methods, **parameters}, "pillars")
    torch.manual_seed(0)
    return Combined(Combined.Parameters(**whole), features, features)


def alone(name, parameters):
    method, features = distillers.load(name), read(0)
    torch.manual_seed(0)
    return method(method.Parameters(**method.complete(parameters, "pillars")), features, features)


def test_its_terms_are_those_of_the_parts_under_their_names_times_its_weight():
    student, teacher, batch = read(1), read(2), predicted.batch()
    terms = build(PARTS, weight=3.0)(student, teacher, batch)
    expected = {}
    for name, parameters in PARTS.items():
        for term, value in alone(name, parameters)(student, teacher, batch).items():
            expected[f"kd_{name}_{term[3:]}"] = 3 * value if "loss" in term else value
    assert terms.keys() == expected.keys()
    assert len(terms) == 2 + 3 + 3
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value.to(terms[name]), rtol=1e-12, atol=0, msg=name)


def test_it_reads_what_any_part_reads_once():
    options = Combined.Parameters(
        **Combined.complete({"methods": {"pointdistiller": {}, "kd": {}, "crd": {}}}, "pillars")
    )
    assert Combined.reads_with(options) == ("rows", "predictions", "neck")


def test_parts_draw_from_its_stream_and_live_in_its_epoch():
    method = build({"se_ssd": {"score": 0.001, "overlap": 0.01}, "crd": {}})
    method.generator, method.epoch, method.epochs = torch.Generator().manual_seed(4), 15, 60
    late = alone("se_ssd", PARTS["se_ssd"])
    late.epoch, late.epochs = 15, 60
    batch = predicted.batch(*[predicted.sample([], [])] * 2)
    terms = method.double()(read(1), read(2), batch)
    assert terms["kd_se_ssd_score_loss"] == late(read(1), read(2), batch)["kd_score_loss"] > 0
    drawn = torch.Generator().manual_seed(4)
    torch.randint(60, (512,), generator=drawn)
    torch.randperm(8192, generator=drawn)
    assert torch.equal(method.generator.get_state(), drawn.get_state())


def test_the_state_holds_every_parts_adapters_and_memories():
    names = set(build({"crd": {}, "kd": {}}).state_dict())
    assert {"parts.crd.student_embedding.weight", "parts.crd.memory.student", "parts.crd.z"} <= names


def test_the_parts_add_to_the_ground_truth_one_after_the_other():
    batch = predicted.batch(*[predicted.sample([[20.0, 3, -0.9, 4, 1.6, 1.5, 1.0]], [2])] * 2)
    supervised = build({"kd": {}, "sparsekd": {}}).supervise(confident_teacher(), batch)
    assert supervised.objects(0)[1].tolist() == [2, 0, 2]
    assert build({"kd": {}}).supervise(confident_teacher(), batch) is batch


def test_the_parts_parameters_are_completed_and_kept_apart():
    whole = Combined.complete({"methods": {"crd": {"units": 9}, "kd": {}}}, "points")
    assert whole["methods"]["crd"]["units"] == 9
    assert whole["methods"]["crd"]["rows"] == 8192
    assert whole["methods"]["kd"]["temperature"] == 4.0
    assert Combined.complete(whole, "points") == whole
    assert Combined.complete({}, "pillars")["methods"].keys() == {"pointdistiller", "kd"}


def test_its_teacher_runs_as_the_parts_want_it():
    parts = {"sparsekd": {"teacher_mode": "train"}, "pointdistiller": {"form": "released"}}
    assert Combined.complete({"methods": parts}, "pillars")["methods"]["pointdistiller"]["teacher_mode"] == "train"
    assert build({"sparsekd": {"teacher_mode": "train"}}).teacher_mode == "train"
    assert build(PARTS).teacher_mode == "eval"


@pytest.mark.parametrize(
    ("methods", "complaint"),
    [
        ({"kd": {}, "sparsekd": {"teacher_mode": "train"}}, "one teacher_mode, got kd=eval, sparsekd=train"),
        ({"kd": {"temprature": 2}}, r"parameters\.methods\.kd\.temprature"),
        ({"kd": {"temperature": 0}}, r"parameters\.methods\.kd\.temperature"),
        ({"hinton": {}}, "unknown method 'hinton'"),
        ({"combined": {"methods": {"kd": {}}}}, "no part of another"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parts_that_cannot_be_are_refused_with_their_name(methods, complaint):
    with pytest.raises(InputError, match=complaint):
        Combined.complete({"methods": methods}, "pillars")


def test_no_part_at_all_is_refused():
    with pytest.raises(ValueError, match="methods"):
        Combined.complete({"methods": {}}, "pillars")
