"""What a dotted key that does not exist is told: the key that is meant, wherever it stands."""

import pytest

from study.named_studies import ablation, quickstart
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.overrides import override, validated
from study.nouns.spec import StudySpec

ONE_RUN = TrialConfig(method="pointdistiller", parameters={"neighbors": 8})


@pytest.mark.parametrize(
    ("noun", "path", "meant"),
    [
        (quickstart(), "training.epochs", "'base.training.epochs'"),
        (quickstart(), "training.epoch", "'base.training.epochs'"),
        (quickstart(), "base.trainig.epochs", "'base.training.epochs'"),
        (quickstart(), "dataset.root", "'base.dataset.root'"),
        (quickstart(), "gpus_per_trial", "'budget.gpus_per_trial'"),
        (quickstart(), "budget.gpus", "'budget.gpus_per_trial'"),
        (quickstart(), "parameters.neighbors", "'base.parameters.neighbors'"),
        (ablation(), "parameters.neighbors", "'base.parameters.neighbors'"),
        (ablation(), "base.parameter.neighbors", "'base.parameters'"),
        (ONE_RUN, "base.training.epochs", "'training.epochs'"),
        (ONE_RUN, "base.seed", "'seed'"),
        (ONE_RUN, "base.parameters.neighbors", "'parameters.neighbors'"),
        (ONE_RUN, "base.parameters.unheard_of", "'parameters.unheard_of'"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_key_without_its_beginning_or_with_one_too_many_is_answered_by_the_whole_key(noun, path, meant):
    with pytest.raises(InputError) as caught:
        override(noun, {path: 3})
    assert f"unknown key {path!r}. Did you mean {meant}" in str(caught.value)


def test_a_key_that_may_mean_several_is_answered_by_all_of_them():
    with pytest.raises(InputError, match=r"Did you mean 'training\.epochs' or 'teacher\.training\.epochs'\?"):
        override(ONE_RUN, {"trainng.epochs": 3})


def test_a_key_that_means_nothing_is_answered_without_a_guess():
    with pytest.raises(InputError, match=r"unknown key 'xyz'\. Available: base, budget"):
        override(quickstart(), {"xyz": 3})


def test_a_value_inside_a_part_that_is_not_there_is_told_so():
    with pytest.raises(InputError, match=r"search\.trials: search is null here; give it as a whole, search=\.\.\."):
        override(ablation(), {"search.trials": 3})


def test_a_new_part_of_a_methods_parameters_may_hold_parts_of_its_own():
    changed = override(ONE_RUN, {"parameters.methods.fitnet": 1, "parameters.methods.crd": 2})
    assert changed.parameters["methods"] == {"fitnet": 1, "crd": 2}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"base": {"training": {"epoch": 3}}}, r"'base\.training\.epoch'\. Did you mean 'base\.training\.epochs'\?"),
        ({"points": [{"labl": "x"}]}, r"'points\.0\.labl'\. Did you mean 'points\.label'\?"),
        ({"training": {"epochs": 3}}, r"'training'\. Did you mean 'base\.training' or 'base\.teacher\.training'\?"),
    ],
    ids=["inside", "in a list", "at the wrong place"],
)
def test_a_key_in_a_study_file_that_does_not_exist_is_answered_by_the_one_that_is_meant(content, says):
    with pytest.raises(InputError, match=f"unknown key {says}"):
        validated(StudySpec, {"name": "mine", "question": "Is it read?", **content})
