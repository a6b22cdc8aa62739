"""Optuna's suggestions between launches and in flight: no two equal runs at a time, none that cannot be a run."""

import optuna
from toy_search import ask
from toy_study import DECLARED, METRIC, OFFERED, resolve, toy

from study.nouns.assignment import Assignment
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.records import RunRecord, StudyFiles
from study.planning.completing import complete
from study.planning.goals import Goals
from study.planning.optuna_search import REFUSED, Search, open_search

COMPLETE = optuna.trial.TrialState.COMPLETE
SIZES = {"parameters.samples": {"choices": [100, 200]}}


def opened(tmp_path, ranges: dict, trials: int = 4, resolved=resolve, metric=DECLARED[0]) -> Search:
    spec = complete(toy(points=[], search={"trials": trials, "startup": 2, "space": ranges}), OFFERED)
    base = resolve(spec.base.model_copy(update={"seed": 0}))
    files = StudyFiles(tmp_path, "toy")
    known = {run.config.key: run for run in files.read_plan().runs}
    return open_search(spec, base, Goals((metric,)), files, resolved, known)


def keep(suggestion: Assignment, role: str = "search") -> None:
    """The finished record of a suggested run."""
    config, files, label, *_ = suggestion
    files.run(config.key).mkdir(parents=True, exist_ok=True)
    files.checkpoint(config.key).touch()
    result = {"status": "finished", "metrics": {METRIC: 1.0}}
    files.write(RunRecord(key=config.key, study="toy", label=label, role=role, config=config, **result))


def test_of_equal_suggestions_one_is_run_and_answers_all(tmp_path):
    search = opened(tmp_path, SIZES, trials=20)
    running = ask(search, 20)
    keys = {one.config.key for one in running}
    assert len(keys) == len(running) == len(SIZES["parameters.samples"]["choices"])
    assert ask(search, 20) == []
    for one in running:
        keep(one)
        search.ended(one.config.key)
    assert [trial.state for trial in search.study.trials] == [COMPLETE] * 20


def test_as_many_runs_are_suggested_as_are_asked_for_and_not_more_than_are_left(tmp_path):
    search = opened(tmp_path, {"parameters.samples": {"low": 100, "high": 1000, "integer": True}}, trials=5)
    assert [len(ask(search, most)) for most in (3, 3, 3)] == [3, 2, 0]


def test_values_that_cannot_be_a_run_together_are_passed_over_and_not_asked_again(tmp_path):
    def picky(config: TrialConfig) -> TrialConfig:
        if config.parameters.get("samples") == 100:
            raise InputError("parameters.samples: 100 does not go with the rest")
        return resolve(config)

    search = opened(tmp_path, SIZES, resolved=picky)
    (suggestion,) = ask(search, 3)
    assert suggestion.config.parameters["samples"] == 200
    refused = [trial for trial in search.study.trials if REFUSED in trial.user_attrs]
    assert refused
    assert all("does not go with" in trial.user_attrs[REFUSED] for trial in refused)
    again = opened(tmp_path, SIZES, resolved=picky)
    waiting = again.study.get_trials(states=[optuna.trial.TrialState.WAITING])
    assert {trial.system_attrs["fixed_params"]["parameters.samples"] for trial in waiting} <= {200}


def test_a_search_without_any_run_that_is_possible_ends(tmp_path):
    def never(config: TrialConfig) -> TrialConfig:
        raise InputError("nothing goes")

    search = opened(tmp_path, SIZES, resolved=never)
    assert ask(search, 1) == []
    assert search.left == 0


def test_the_metric_says_in_which_direction_is_searched(tmp_path):
    down = DECLARED[0].model_copy(update={"direction": "min"})
    assert opened(tmp_path / "down", SIZES, metric=down).study.direction.name == "MINIMIZE"
    assert opened(tmp_path / "up", SIZES).study.direction.name == "MAXIMIZE"


def test_a_searched_run_has_its_final_key_whatever_its_switches_change(tmp_path):
    ranges = {"parameters.local": {"choices": [False]}, "parameters.neighbors": {"low": 4, "high": 64, "integer": True}}
    (run,) = ask(opened(tmp_path, ranges), 1)
    assert run.config.parameters["neighbors"] is None, "K stayed although nothing reads it"
    assert run.config == resolve(run.config)


def test_what_a_dead_driver_left_open_is_asked_again_or_taken_from_its_record(tmp_path):
    ranges = {"parameters.samples": {"low": 100, "high": 1000, "integer": True}}
    finished, lost = ask(opened(tmp_path, ranges), 2)
    keep(finished)
    again = opened(tmp_path, ranges)
    assert again.left == 3
    assert ask(again, 1)[0].config.key == lost.config.key


def test_what_two_dead_drivers_left_open_and_the_second_finished_counts_once(tmp_path):
    ranges = {"parameters.samples": {"low": 100, "high": 1000, "integer": True}}
    (asked,) = ask(opened(tmp_path, ranges), 1)
    again = opened(tmp_path, ranges)
    assert ask(again, 1)[0].config.key == asked.config.key
    keep(asked)  # the second driver died before it could tell Optuna
    third = opened(tmp_path, ranges)
    assert third.left == 3
    assert asked.config.key not in {suggestion.config.key for suggestion in ask(third, 3)}
    assert [trial.state for trial in third.study.trials].count(COMPLETE) == 1


def test_a_suggestion_that_a_row_answers_is_no_run_that_is_missing(tmp_path):
    search = opened(tmp_path, SIZES, trials=2)
    first, second = ask(search, 2)
    for suggestion in (first, second):
        keep(suggestion)
        search.ended(suggestion.config.key)
    assert search.promise([second.config.key]).runs == 1, "a row answers the first"


def test_what_another_study_has_trained_answers_a_suggestion_and_is_written_down_before(tmp_path):
    other, search = opened(tmp_path / "other", SIZES, trials=20), opened(tmp_path, SIZES, trials=20)
    for suggestion in ask(other, 20):
        keep(suggestion._replace(files=StudyFiles(tmp_path, "another")))
    kept: list[int] = []
    assert search.ask(20, lambda: kept.append(len(search.study.get_trials(states=[COMPLETE])))) == []
    assert kept == [0], "it was answered before the study referred to it"
    assert len(search.runs) == len(SIZES["parameters.samples"]["choices"])
    assert [trial.state for trial in search.study.trials] == [COMPLETE] * 20


def test_the_failure_of_another_study_is_not_the_searchs_own(tmp_path):
    (asked,) = ask(opened(tmp_path / "other", SIZES, trials=1), 1)
    another = StudyFiles(tmp_path, "another")
    another.write(RunRecord(key=asked.config.key, study="another", config=asked.config, status="failed"))
    (suggestion,) = ask(opened(tmp_path, SIZES, trials=1), 1)
    assert suggestion.config.key == asked.config.key
    assert another.record(asked.config.key) is None


def test_what_another_study_finished_after_a_failure_here_is_asked_for_again_and_answered(tmp_path):
    search = opened(tmp_path, SIZES, trials=1)
    (failed,) = ask(search, 1)
    search.ended(failed.config.key)
    keep(failed)
    again = opened(tmp_path, SIZES, trials=1)
    assert ask(again, 1) == []
    assert again.left == 0
    assert list(again.runs) == [failed.config.key]
