"""Several objectives, bounds, and what a search is told before it begins, on the toy parabola."""

import re

import pytest
from toy_search import K, N, measure, opened, rounds
from toy_study import DEFAULTS, METRIC, OFFERED, resolve, toy

from study.nouns.assignment import Assignment
from study.nouns.errors import InputError
from study.nouns.overrides import override, validated
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import SearchSpec
from study.planning.completing import complete
from study.planning.goals import goals_of
from study.planning.optuna_search import TOLD, Search
from study.planning.preview import preview

SAMPLERS = ["tpe", "gp", "random", "qmc"]
BOTH = (METRIC, "gflops")


def beaten(one: tuple[float, float], by: tuple[float, float]) -> bool:
    """Whether another is at least as good in both, and better in one: the first is maximized, the second minimized."""
    return by[0] >= one[0] and by[1] <= one[1] and by != one


def searched(search: Search) -> list[RunRecord]:
    return [record for some in rounds(search) for record in some]


def row(results, label: str = "row", **changes) -> RunRecord:
    """A finished fixed row of the toy study, on the search's seed."""
    config = resolve(override(toy().base, {"seed": 3, **changes}))
    return measure(Assignment(config, StudyFiles(results, "toy"), label, "row"))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_optunas_front_of_two_objectives_is_the_one_that_comparing_all_runs_gives(tmp_path, sampler):
    search = opened(tmp_path, sampler, trials=12, objectives=BOTH)
    found = {(record.metrics[METRIC], record.facts["gflops"]) for record in searched(search)}
    front = {one for one in found if not any(beaten(one, other) for other in found)}
    assert 1 < len(front) < len(found)
    assert {tuple(trial.values) for trial in search.study.best_trials} == front
    assert [direction.name for direction in search.study.directions] == ["MAXIMIZE", "MINIMIZE"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_runs_beyond_a_bound_are_known_as_such_also_after_a_kill(tmp_path, sampler):
    bounds = {"gflops": 3.0, METRIC: 45.0}
    killed = opened(tmp_path, sampler, trials=12, constraints=bounds)
    for one in killed.ask(2):
        measure(one)
    search = opened(tmp_path, sampler, trials=12, constraints=bounds)
    searched(search)
    trials = [trial for trial in search.study.trials if trial.state.name == "COMPLETE"]
    assert len(trials) == 12
    for trial in trials:
        assert trial.constraints["gflops"] == pytest.approx(trial.params["parameters.samples"] / 100 - 3)
        assert trial.constraints[METRIC] == pytest.approx(45 - trial.value)
    within = [trial for trial in trials if all(excess <= 0 for excess in trial.constraints.values())]
    assert 0 < len(within) < 12
    assert search.study.best_trial.value == max(trial.value for trial in within)


def test_a_model_that_knows_the_bound_looks_below_it(tmp_path):
    found = searched(opened(tmp_path, "tpe", trials=32, constraints={"gflops": 3.0}))
    late = [record.facts["gflops"] <= 3 for record in found[16:]]
    assert sum(late) > len(late) / 2


def test_a_run_without_one_of_its_objectives_has_no_result(tmp_path):
    search = opened(tmp_path, "tpe", trials=2, objectives=BOTH)
    (one,) = search.ask(1)
    record = measure(one)
    one.files.write(record.model_copy(update={"facts": {}}))
    search.ended(record.key)
    assert [trial.state.name for trial in search.study.trials] == ["FAIL"]


def test_a_search_that_starts_warm_is_told_the_rows_inside_its_space_and_no_others(tmp_path):
    inside = [row(tmp_path, **{"parameters.samples": n, "parameters.neighbors": 20}) for n in (300, 400, 500)]
    row(tmp_path, **{"parameters.samples": 2000})
    row(tmp_path, **{"parameters.samples": 350, "seed": 4})
    row(tmp_path, **{"parameters.samples": 360, "training.epochs": 1})
    row(tmp_path, **{"parameters.samples": 370, "parameters.temperature": 1.0})
    row(tmp_path, method="student")
    failed = row(tmp_path, **{"parameters.samples": 380})
    StudyFiles(tmp_path, "toy").write(failed.model_copy(update={"status": "failed"}))
    search = opened(tmp_path, "tpe", trials=4, startup=3, warm_start=True)
    assert search.study.trials == []
    (first,) = search.ask(1)
    told = search.study.trials[:-1]
    assert {trial.user_attrs[TOLD] for trial in told} == {record.key for record in inside}
    assert {trial.value for trial in told} == {record.metrics[METRIC] for record in inside}
    assert search.draws_left == 0
    assert search.left == 3
    measure(first)
    search.ended(first.config.key)
    again = opened(tmp_path, "tpe", trials=4, startup=3, warm_start=True)
    assert again.left == 3
    assert len(searched(again)) == 3
    assert sum(TOLD in trial.user_attrs for trial in again.study.trials) == 3


def test_a_row_that_ends_while_a_warm_search_runs_is_told_too(tmp_path):
    search = opened(tmp_path, "tpe", warm_start=True)
    search.ask(1)
    late = row(tmp_path, **{"parameters.samples": 300})
    search.ended(late.key)
    assert [trial.user_attrs.get(TOLD) for trial in search.study.trials] == [None, late.key]


def test_without_a_warm_start_nothing_is_told(tmp_path):
    known = row(tmp_path, **{"parameters.samples": 300})
    search = opened(tmp_path, "tpe")
    search.ask(1)
    search.ended(known.key)
    assert len(search.study.trials) == 1


def test_rows_are_told_with_values_that_have_conditions_and_with_lists(tmp_path):
    space = {
        "parameters.local": {"choices": [True, False]},
        "parameters.neighbors": {**K, "when": {"parameters.local": True}},
        "detector.range": {"choices": [[0, -1, -3, 1, 1, 1], [0, -2, -3, 2, 2, 1]]},
    }
    for local in (True, False):
        row(tmp_path, **{"parameters.local": local, "detector.range": [0, -2, -3, 2, 2, 1]})
    search = opened(tmp_path, "random", space=space, warm_start=True)
    search.ask(1)
    told = [trial.params for trial in search.study.trials if TOLD in trial.user_attrs]
    assert sorted(map(len, told)) == [2, 3]
    assert all(params["detector.range"] == "[0, -2, -3, 2, 2, 1]" for params in told)
    assert {params.get("parameters.neighbors") for params in told} == {DEFAULTS["neighbors"], None}


@pytest.mark.parametrize(
    ("search", "complaint"),
    [
        ({"objectives": ["gflop"]}, "unknown metric or cost 'gflop'. Did you mean 'gflops'? Available: gflops, mAP"),
        ({"constraints": {"mAP/3d/moderat": 1}}, "'mAP/3d/moderat'. Did you mean 'mAP/3d/moderate'?"),
    ],
)
def test_what_is_neither_a_metric_nor_a_cost_is_refused_before_anything_runs(search, complaint):
    with pytest.raises(InputError, match=re.escape(complaint)):
        list(preview(toy(points=[], search={"space": {"parameters.samples": N}, **search}), OFFERED))


def test_an_objective_stands_once():
    with pytest.raises(InputError, match=r"objectives must differ, got \['gflops', 'gflops'\]"):
        validated(SearchSpec, {"objectives": ["gflops", "gflops"]})


def test_the_studys_own_metric_is_the_objective_of_a_search_that_names_none():
    specs = [complete(toy(points=[], search=search), OFFERED) for search in ({}, {"objectives": [METRIC]})]
    assert specs[0].search == specs[1].search
    goals = goals_of(specs[0], OFFERED)
    assert goals is not None
    assert [metric.name for metric in goals.objectives] == [METRIC]
    assert goals_of(toy(), OFFERED) is None
