"""Importances of searched values, where it is known which one matters."""

import optuna
import pytest

from study.nouns.importances import FEWEST, Importances
from study.planning.rating import FEWEST_BEST, rate

KEPT = {"parameters.samples", "parameters.neighbors", "parameters.local", "parameters.weight"}


def searched(trials: int, objectives: int = 1) -> optuna.Study:
    """A search in which N decides, K does next to nothing, and a weight is asked for in half of the trials."""
    study = optuna.create_study(directions=["maximize"] * objectives, sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(trials):
        trial = study.ask()
        n, k = trial.suggest_int("parameters.samples", 0, 100), trial.suggest_float("parameters.neighbors", 0, 100)
        if trial.suggest_categorical("parameters.local", [True, False]):
            trial.suggest_float("parameters.weight", 0.1, 10, log=True)
        study.tell(trial, [-((n - 30) ** 2) + k / 1000, -float(n)][:objectives])
    return study


@pytest.mark.parametrize("objectives", [1, 2])
def test_the_value_that_decides_comes_first_and_its_interval_leaves_out_the_others(objectives):
    found = rate(searched(60, objectives))
    first, *others = found.values
    assert {value.key for value in found.values} == KEPT
    assert first.key == "parameters.samples"
    assert all(value.median < first.low for value in others)
    assert all(value.low <= value.median <= value.high for value in found.values)
    assert found.best == 6


def test_a_value_with_a_condition_counts_the_trials_that_had_it():
    study = searched(40)
    had = sum("parameters.weight" in trial.params for trial in study.trials)
    assert {value.key: value.n for value in rate(study).values}["parameters.weight"] == had < 40


def test_few_trials_are_set_against_at_least_five_and_very_few_against_none():
    enough, few = rate(searched(FEWEST)), rate(searched(FEWEST - 1))
    assert (enough.trials, enough.best) == (FEWEST, FEWEST_BEST)
    assert (few.trials, few.best) == (FEWEST - 1, 0)
    assert {(value.median, value.low, value.high) for value in few.values} == {(None, None, None)}
    assert {value.key for value in few.values} == KEPT


def test_the_same_trials_are_rated_alike_and_read_back_as_they_were(tmp_path):
    study, path = searched(12), tmp_path / "importances.json"
    found = rate(study)
    assert rate(study) == found
    found.write(path)
    assert Importances.read(path) == found
    assert Importances.read(tmp_path / "none.json") is None


def test_a_search_without_a_finished_trial_has_nothing_to_rate():
    assert rate(optuna.create_study()).values == ()
