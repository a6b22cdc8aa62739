"""What people call the values of a run, and where a search looks for them: said by each method, asked of a run."""

import pytest

from study.nouns.config import DetectorConfig, TrialConfig
from study.nouns.errors import InputError
from study.nouns.overrides import override
from trainables import detectors, distillers
from trainables import run as one_run

OWN = ("pointdistiller", "rdd")
"""Methods that say themselves what is searched."""
ALONE = {("rdd", "pointrcnn"): {"feature_weight": 0, "select": "all"}}
"""What of a method a detector can do that cannot do the whole."""


def config(method: str = "pointdistiller", detector: str = "pointpillars", **parameters) -> TrialConfig:
    return TrialConfig(method=method, detector=DetectorConfig(name=detector), parameters=parameters)


def test_pointdistillers_values_have_the_papers_letters():
    called = one_run.called(config())
    assert {key: name.symbol for key, name in called.items()} == {
        "parameters.neighbors": "K", "parameters.samples": "N", "parameters.temperature": "τ",
        "parameters.local": "LD", "parameters.reweight": "RL",
    }  # fmt: skip
    assert [key for key, name in called.items() if name.switch] == ["parameters.local", "parameters.reweight"]
    assert all(name.title for name in called.values())


@pytest.mark.parametrize(
    ("run", "unit", "highest"),
    [
        (config(), "points per pillar", 50),
        (config(importance="feature"), "the feature's unit", 5),
        (config(reweight_by="graph"), "the feature's unit", 5),
        (config(detector="second"), "the feature's unit", 5),
        (config(detector="pointrcnn"), "the feature's unit", 5),
    ],
)
def test_the_unit_and_the_range_of_tau_are_those_of_the_importance(run, unit, highest):
    assert one_run.called(run)["parameters.temperature"].unit == unit
    assert one_run.search_space(run)["parameters.temperature"].high == highest


def test_n_is_counted_and_searched_per_frame_or_per_batch():
    for scope, whole, most in (("scan", "frame", 4000), ("batch", "batch", 12000)):
        run = config(scope=scope)
        assert one_run.called(run)["parameters.samples"].title == f"distilled rows per {whole}"
        assert one_run.search_space(run)["parameters.samples"].high == most


def test_k_is_searched_only_with_ld_and_tau_only_with_rl():
    space = one_run.search_space(config(local=False))
    assert space["parameters.neighbors"].when == {"parameters.local": True}
    assert space["parameters.temperature"].when == {"parameters.reweight": True}
    assert all(not space[f"parameters.{name}"].when for name in ("samples", "local", "reweight"))


@pytest.mark.parametrize("method", [name for name in distillers.names() if name not in OWN])
def test_of_every_other_method_the_weight_is_searched_in_its_range(method):
    space = one_run.search_space(config(method))
    assert list(space) == ["parameters.weight"]
    assert (space["parameters.weight"].low, space["parameters.weight"].high) == distillers.load(method).weight_range
    assert space["parameters.weight"].log


@pytest.mark.parametrize("detector", detectors.names())
@pytest.mark.parametrize("method", distillers.names())
def test_whatever_is_searched_is_called_something_and_both_ends_of_its_range_can_be_set(method, detector):
    run = config(method, detector, **ALONE.get((method, detector), {}))
    called, space = one_run.called(run), one_run.search_space(run)
    assert space.keys() <= called.keys()
    for key, searched in space.items():
        assert searched.when.keys() <= space.keys()
        for value in searched.choices or (searched.low, searched.high):
            changed = override(run, {**searched.when, key: int(value) if searched.integer else value})
            one_run.called(changed)


@pytest.mark.parametrize(
    ("parameters", "searched"),
    [
        ({}, {"most", "threshold", "tau"}),
        ({"select": "distance", "normalize": "none"}, {"most", "threshold"}),
        ({"select": "fraction"}, {"most", "share", "tau"}),
        ({"select": "all", "feature_weight": 0}, {"most"}),
    ],
    ids=lambda value: ", ".join(sorted(value)) if isinstance(value, set) else str(value),
)
def test_of_rdd_its_weight_the_proposals_and_what_is_read_of_the_choice_and_the_softmax_are_searched(
    parameters, searched
):
    space = one_run.search_space(config("rdd", **parameters))
    assert {key.removeprefix("parameters.") for key in space} == {"weight", *searched}
    assert (space["parameters.weight"].low, space["parameters.weight"].high) == (0.1, 1000)


def test_a_combination_calls_its_parts_values_as_the_parts_do():
    called = one_run.called(config("combined", methods={"pointdistiller": {}, "kd": {}}))
    assert called["parameters.methods.pointdistiller.neighbors"].symbol == "K"
    assert called["parameters.methods.kd.weight"].symbol == called["parameters.weight"].symbol == "weight"


@pytest.mark.parametrize("method", ["teacher", "student"])
def test_without_distillation_nothing_is_called_or_searched(method):
    assert one_run.called(config(method)) == one_run.search_space(config(method)) == {}


def test_what_a_method_does_not_know_is_refused_in_words():
    with pytest.raises(InputError, match=r"parameters\.neighbors"):
        one_run.called(config(neighbours=3))
