"""Every sampler by its name: what it finds, what it suggests together, and that a kill makes none repeat itself."""

import json

import pytest
from toy_search import K, N, measure, opened, rounds
from toy_study import METRIC

from study.nouns.errors import InputError
from study.nouns.overrides import validated
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import SearchSpec

SAMPLERS = ["tpe", "gp", "random", "qmc"]
LOCAL = "parameters.local"
SWITCHED = {LOCAL: {"choices": [True, False]}, "parameters.neighbors": {**K, "when": {LOCAL: True}}}


def points(records: list[RunRecord]) -> list[str]:
    return [json.dumps([record.config.parameters[name] for name in ("neighbors", "samples")]) for record in records]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_finds_the_top_better_than_its_first_half_does(tmp_path, sampler):
    scores = [record.metrics[METRIC] for some in rounds(opened(tmp_path, sampler)) for record in some]
    assert len(scores) == 16
    assert max(scores[8:]) > max(scores[:8])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_runs_that_are_suggested_together_differ(tmp_path, sampler):
    for some in rounds(opened(tmp_path, sampler), at_once=4):
        spread = [record.config.parameters["samples"] for record in some]
        assert len(set(points(some))) == len(some) == 4
        assert max(spread) - min(spread) > 1


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_was_killed_asks_again_for_what_was_open_and_repeats_nothing(tmp_path, sampler):
    killed = opened(tmp_path, sampler)
    before = killed.ask(2)
    measure(before[0])
    killed.ended(before[0].config.key)
    measure(before[1])  # the driver died before it could tell
    open_ = killed.ask(3)
    found = [record for some in rounds(opened(tmp_path, sampler)) for record in some]
    assert {one.config.key for one in open_} <= {record.key for record in found[:4]}
    assert len(found) == 14
    assert (
        len(
            {
                *points(found),
                *(json.dumps([one.config.parameters[n] for n in ("neighbors", "samples")]) for one in before),
            }
        )
        == 16
    )


def test_a_sequence_that_was_killed_has_the_same_points_as_one_that_was_not(tmp_path):
    whole = [record.key for some in rounds(opened(tmp_path / "whole", "qmc")) for record in some]
    killed = opened(tmp_path / "killed", "qmc")
    open_ = killed.ask(3)
    for one in open_[:1]:
        measure(one)
        killed.ended(one.config.key)
    again = opened(tmp_path / "killed", "qmc")
    again.ask(2)
    for some in rounds(opened(tmp_path / "killed", "qmc")):
        assert some
    assert {record.key for record in StudyFiles(tmp_path / "killed", "toy").all()} == set(whole)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_takes_values_with_conditions(tmp_path, sampler):
    space = {**SWITCHED, "parameters.samples": N}
    found = [record for some in rounds(opened(tmp_path, sampler, space=space)) for record in some]
    locals_ = {record.config.parameters["local"] for record in found}
    assert locals_ == {True, False}
    assert all(
        (record.config.parameters["neighbors"] is None) is not record.config.parameters["local"] for record in found
    )


def test_a_sequence_fills_the_space_evenly(tmp_path):
    found = [record.config.parameters["samples"] for some in rounds(opened(tmp_path, "qmc")) for record in some]
    quarters = [int((value - 100) / 225) for value in found]
    assert sorted(quarters) == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4


@pytest.mark.parametrize(("sampler", "most"), [("tpe", 8), ("gp", 8), ("random", 16), ("qmc", 16)])
def test_what_learns_from_nothing_can_be_asked_for_at_once(tmp_path, sampler, most):
    assert opened(tmp_path, sampler).draws_left == most


def test_an_unknown_sampler_is_refused_with_the_one_that_is_meant():
    with pytest.raises(InputError, match=r"sampler: unknown sampler 'tpee'\. Did you mean 'tpe'\? Available: gp, qmc,"):
        validated(SearchSpec, {"sampler": "tpee"})
