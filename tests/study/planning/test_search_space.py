"""A search space is data: any value of a run by its dotted key, conditions between them, all checked beforehand."""

import optuna
import pytest
from toy_study import OFFERED, resolve, toy

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.overrides import validated
from study.nouns.parameters import Range
from study.nouns.spec import SearchSpec, StudySpec
from study.planning.completing import complete
from study.planning.plan import teachers
from study.planning.search_space import around, suggest

LOCAL = "parameters.local"
K = {"low": 4, "high": 64, "log": True, "integer": True}
SWITCHED = {LOCAL: {"choices": [True, False]}, "parameters.neighbors": {**K, "when": {LOCAL: True}}}


def space(ranges: dict) -> dict[str, Range]:
    return validated(SearchSpec, {"space": ranges}).space or {}


def searched(ranges: dict, **changes) -> StudySpec:
    return complete(toy(points=[], search={"trials": 2, "space": ranges}, **changes), OFFERED)


def asked(ranges: dict, answers: dict, base: TrialConfig | None = None) -> dict:
    study = optuna.create_study()
    study.enqueue_trial(answers)
    return suggest(study.ask(), space(ranges), resolve(base or TrialConfig(method="pointdistiller")))


@pytest.mark.parametrize("local", [True, False])
def test_a_value_is_searched_only_where_its_condition_holds(local):
    assert ("parameters.neighbors" in asked(SWITCHED, {LOCAL: local})) is local


@pytest.mark.parametrize("local", [True, False])
def test_a_condition_may_name_a_value_of_the_base_run(local):
    base = TrialConfig(method="pointdistiller", parameters={"local": local})
    ranges = {"parameters.neighbors": SWITCHED["parameters.neighbors"]}
    assert ("parameters.neighbors" in asked(ranges, {}, base)) is local


def test_conditions_chain_whatever_their_order_in_the_file():
    chain = {
        "parameters.weight": {"low": 1, "high": 2, "when": {"parameters.neighbors": 8}},
        "parameters.neighbors": {"choices": [8, 16], "when": {LOCAL: True}},
        LOCAL: {"choices": [True, False]},
    }
    assert asked(chain, {LOCAL: True, "parameters.neighbors": 8}).keys() == chain.keys()
    assert asked(chain, {LOCAL: True, "parameters.neighbors": 16}).keys() == {LOCAL, "parameters.neighbors"}
    assert asked(chain, {LOCAL: False}).keys() == {LOCAL}


def test_any_value_of_a_run_can_be_searched_also_a_list():
    ranges = {
        "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "detector.range": {"choices": [[0, -1, -3, 1, 1, 1], [0, -2, -3, 2, 2, 1]]},
        "parameters.weight": {"low": 0, "high": 1},
    }
    changes = suggest(optuna.create_study().ask(), space(ranges), TrialConfig())
    assert 1e-4 <= changes["training.learning_rate"] <= 1e-2
    assert changes["detector.range"] in ranges["detector.range"]["choices"]
    assert 0 <= changes["parameters.weight"] <= 1
    runs = around(searched(ranges, base={"method": "student"}), 0, resolve)
    assert {run.config.training.learning_rate for run in runs} == {None, 1e-4, 1e-2}


@pytest.mark.parametrize(
    ("ranges", "complaint"),
    [
        ({"parameters.samples": {"low": 1, "high": 20000}}, r"search\.space of parameters\.samples: .*at most 12000"),
        ({"training.epochs": {"low": 0, "high": 4, "integer": True}}, r"of training\.epochs: training\.epochs.*got 0"),
        ({"training.epoch": {"low": 1, "high": 4}}, r"unknown key 'training\.epoch'.*Did you mean 'training\.epochs'"),
        ({"parameters.neighbors": {**K, "when": {"parameters.locl": True}}}, r"'parameters\.locl'.*parameters\.local'"),
        ({"parameters.neighbors": {**K, "when": {LOCAL: False}}}, r"as parameters\.local is never False"),
        ({**SWITCHED, "seed": {"choices": [1], "when": {"parameters.neighbors": 99}}}, r"neighbors is never 99"),
        ({"a": {"choices": [1], "when": {"b": 1}}, "b": {"choices": [1], "when": {"a": 1}}}, "go in a circle: "),
        ({"detector.width": {"low": 0.5, "high": 1}}, r"of detector\.width: its values need different teachers"),
        ({"teacher.training.epochs": {"choices": [3, 4]}}, "need different teachers"),
    ],
    ids=["high", "low", "unknown", "unknown condition", "base says no", "never", "circle", "width", "teacher"],
)  # fmt: skip
def test_a_space_that_cannot_be_searched_is_refused_before_anything_starts(ranges, complaint):
    with pytest.raises(InputError, match=complaint):
        around(searched(ranges), 0, resolve)


def test_an_empty_space_or_a_range_without_an_end_is_refused():
    for ranges in ({}, {"parameters.neighbors": {"low": 4}}):
        with pytest.raises(InputError, match=r"^space"):
            validated(SearchSpec, {"space": ranges})


def test_without_a_space_the_method_says_where_it_is_searched():
    spec = complete(toy(points=[], search={"trials": 2}), OFFERED)
    assert spec.search.space == OFFERED.search_space(spec.base)
    assert toy(points=[], search={"trials": 2}).search.space is None


def test_a_method_that_says_nothing_needs_a_space():
    with pytest.raises(InputError, match=r"method student says nothing to search: give search\.space"):
        complete(
            toy(base={"method": "student"}, points=[], search={}), OFFERED._replace(search_space=lambda config: {})
        )


def test_a_student_may_be_searched_but_a_teacher_may_not():
    rates = {"training.learning_rate": {"low": 1e-4, "high": 1e-2}}
    assert teachers(around(searched(rates, base={"method": "student"}), 0, resolve), resolve) == []
    with pytest.raises(InputError, match=r"base\.method is 'teacher'"):
        around(searched(rates, base={"method": "teacher"}), 0, resolve)


def test_a_search_alone_needs_its_teacher_once():
    assert len(teachers(around(searched(SWITCHED), 0, resolve), resolve)) == 1


def test_runs_without_local_graphs_do_not_differ_by_what_was_never_asked():
    base = TrialConfig(method="pointdistiller", parameters={"neighbors": 8})
    other = TrialConfig(method="pointdistiller", parameters={"neighbors": 16})
    off = [resolve(one.model_copy(update={"parameters": {**one.parameters, "local": False}})) for one in (base, other)]
    assert off[0].key == off[1].key
