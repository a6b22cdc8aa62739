"""Optuna's suggestions between launches and in flight: no two equal runs at a time, none that cannot be a run."""

import optuna
from ray.tune.search import Searcher
from toy_study import DECLARED, METRIC, OFFERED, resolve, toy

from study.nouns.assignment import compose
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.records import RunRecord, StudyFiles
from study.planning.completing import complete
from study.planning.optuna_search import REFUSED, Search, open_search

SIZES = {"parameters.samples": {"choices": [100, 200]}}


def opened(tmp_path, ranges: dict, trials: int = 4, resolved=resolve, metric=DECLARED[0]) -> Search:
    spec = complete(toy(points=[], search={"trials": trials, "startup": 2, "space": ranges}), OFFERED)
    base = resolve(spec.base.model_copy(update={"seed": 0}))
    return open_search(spec, base, metric, StudyFiles(tmp_path, "toy"), resolved)


def key_of(suggestion: dict) -> str:
    return compose(suggestion["run"]).config.key


def keep(tmp_path, suggestion: dict, role: str = "search") -> None:
    """The finished record of a suggested run."""
    config, files, label, _ = compose(suggestion["run"])
    files.run(config.key).mkdir(parents=True, exist_ok=True)
    files.checkpoint(config.key).touch()
    result = {"status": "finished", "metrics": {METRIC: 1.0}}
    files.write(RunRecord(key=config.key, study="toy", label=label, role=role, config=config, **result))


def test_two_equal_suggestions_are_never_in_flight_together(tmp_path):
    searcher = opened(tmp_path, SIZES, trials=20).searcher
    running: list[str] = []
    while (suggestion := searcher.suggest(f"t{len(running)}")) is not None:
        assert key_of(suggestion) not in running, "two equal runs would share a folder"
        running.append(key_of(suggestion))
    assert len(running) <= len(SIZES["parameters.samples"]["choices"])
    assert searcher.suggest("still too early") is None
    for number in range(len(running)):
        searcher.on_trial_complete(f"t{number}", {METRIC: 1.0})
    assert key_of(searcher.suggest("now")) in running


def test_values_that_cannot_be_a_run_together_are_passed_over_and_not_asked_again(tmp_path):
    def picky(config: TrialConfig) -> TrialConfig:
        if config.parameters.get("samples") == 100:
            raise InputError("parameters.samples: 100 does not go with the rest")
        return resolve(config)

    search = opened(tmp_path, SIZES, resolved=picky)
    for number in range(3):
        suggestion = search.searcher.suggest(f"t{number}")
        assert compose(suggestion["run"]).config.parameters["samples"] == 200
        search.searcher.on_trial_complete(f"t{number}", {METRIC: 1.0})
    refused = [trial for trial in search.study.trials if REFUSED in trial.user_attrs]
    assert refused
    assert all("does not go with" in trial.user_attrs[REFUSED] for trial in refused)
    again = opened(tmp_path, SIZES, resolved=picky)
    assert not again.study.get_trials(states=[optuna.trial.TrialState.WAITING])


def test_a_search_without_any_run_that_is_possible_ends(tmp_path):
    def never(config: TrialConfig) -> TrialConfig:
        raise InputError("nothing goes")

    assert opened(tmp_path, SIZES, resolved=never).searcher.suggest("t") == Searcher.FINISHED


def test_the_metric_says_in_which_direction_is_searched(tmp_path):
    down = DECLARED[0].model_copy(update={"direction": "min"})
    assert opened(tmp_path / "down", SIZES, metric=down).study.direction.name == "MINIMIZE"
    assert opened(tmp_path / "up", SIZES).study.direction.name == "MAXIMIZE"


def test_a_searched_run_has_its_final_key_whatever_its_switches_change(tmp_path):
    ranges = {"parameters.local": {"choices": [False]}, "parameters.neighbors": {"low": 4, "high": 64, "integer": True}}
    run = compose(opened(tmp_path, ranges).searcher.suggest("t")["run"])
    assert run.config.parameters["neighbors"] is None, "K stayed although nothing reads it"
    assert run.config == resolve(run.config)


def test_what_a_dead_driver_left_open_is_asked_again_or_taken_from_its_record(tmp_path):
    ranges = {"parameters.samples": {"low": 100, "high": 1000, "integer": True}}
    searcher = opened(tmp_path, ranges).searcher
    finished, lost = searcher.suggest("a"), searcher.suggest("b")
    keep(tmp_path, finished)
    again = opened(tmp_path, ranges)
    assert again.left == 3
    assert key_of(again.searcher.suggest("c")) == key_of(lost)


def test_a_suggestion_that_a_row_answers_is_no_run_that_is_missing(tmp_path):
    search = opened(tmp_path, SIZES, trials=2)
    for trial, role in (("a", "row"), ("b", "search")):
        suggestion = search.searcher.suggest(trial)
        keep(tmp_path, suggestion, role)
        search.searcher.on_trial_complete(trial, {METRIC: 1.0})
    roles = [record.role for record in StudyFiles(tmp_path, "toy").all()]
    assert search.promise(StudyFiles(tmp_path, "toy")).runs == roles.count("search")
