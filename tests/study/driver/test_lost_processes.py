"""Runs that are lost again and again: any number of times while they advance, a few times in a row else."""

import pytest
from test_launch import epochs_trained
from toy_study import run, toy

from study.nouns.records import StudyFiles


@pytest.fixture(scope="module")
def lost(cluster, tmp_path_factory):
    """A study of runs that lose their processes in three ways, after its only launch."""
    results = tmp_path_factory.mktemp("lost")
    lines: list[str] = []
    points = [
        {"label": "after every epoch", "set": {"parameters.kill": "every"}},
        {"label": "before the first", "set": {"parameters.kill": "always"}},
        {"label": "gives up", "set": {"parameters.exit": True}},
    ]
    base = {"method": "student", "training": {"epochs": 4}}
    budget = {"retries": 1, "cohort": 1}
    outcome = run(toy(base=base, points=points, seeds=[0], budget=budget), results, cluster, say=lines.append)
    files = StudyFiles(results, "toy")
    return outcome, files, {record.label: record for record in files.all()}, lines


def test_a_run_may_be_lost_more_often_than_it_is_retried_as_long_as_it_advances(lost):
    outcome, files, records, lines = lost
    run = records["after every epoch"]
    assert run.status == "finished"
    assert epochs_trained(files, run.key) == [0, 1, 2, 3]
    assert sum("after every epoch seed 0: the process died; it is started again" in line for line in lines) == 3
    assert (outcome.finished, outcome.failed) == (1, 2)


def test_a_run_that_is_lost_without_any_progress_is_given_up_after_its_retries(lost):
    _, _, records, lines = lost
    said = "its process died 2 times in a row without coming any further (killed, out of memory, or its node was lost)"
    assert records["before the first"].error == said
    assert sum("before the first seed 0: the process died; it is started again" in line for line in lines) == 1
    assert sum("before the first seed 0: FAILED" in line for line in lines) == 1


def test_what_a_run_does_itself_is_not_tried_again(lost):
    _, _, records, lines = lost
    assert records["gives up"].error == "SystemExit: a library gave up"
    assert not any("gives up seed 0: the process died" in line for line in lines)


def test_a_search_that_is_lost_many_times_is_told_each_trial_once(cluster, tmp_path):
    base = {"method": "student", "training": {"epochs": 3}, "parameters": {"kill": "every"}}
    search = {"trials": 3, "startup": 2, "space": {"parameters.samples": {"low": 100, "high": 900}}}
    outcome = run(toy(base=base, points=[], search=search, budget={"retries": 0}), tmp_path, cluster)
    assert (outcome.finished, outcome.failed) == (3, 0)
    assert outcome.failed_tries == 0
