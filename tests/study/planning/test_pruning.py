"""Runs that try values end early where they are behind, are kept as such, and never stand for a whole run."""

from typing import Any

import pytest
from toy_driver import Driver, taught
from toy_search import PLANE, ask, measure, opened, rounds
from toy_study import DECLARED, METRIC, OFFERED, curve_to, run, toy

from study.nouns.assignment import Bar
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.metrics import Metric
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import Pruning
from study.planning.pruning import bars
from study.planning.study_state import StudyState

HALF = {"epochs": [1], "keep": 0.5, "after": 4}
TRAINING = {"epochs": 2, "validate_every": 1, "workers": 0}
BASE = {"method": "pointdistiller", "training": TRAINING, "teacher": {"training": TRAINING}}


def came_to(height: float, epochs: int = 2) -> RunRecord:
    config = TrialConfig(method="student", seed=round(height))
    return RunRecord(
        key=config.key, study="toy", config=config, status="finished", epochs=curve_to(height, epochs),
        metrics={METRIC: height}, declared=DECLARED,
    )  # fmt: skip


def test_the_bar_is_what_the_better_share_of_the_runs_before_it_had_reached():
    before = [came_to(height) for height in (1, 2, 3, 4, 5, 6)]
    (bar,) = bars(Pruning(**HALF), DECLARED[0], before)
    assert bar == Bar(epoch=1, metric=METRIC, value=3.0, sign=1)  # after one epoch a run stands 1 below its height
    assert bar.held(1, {METRIC: 3.0})
    assert not bar.held(1, {METRIC: 2.9})
    assert bar.held(2, {METRIC: 2.9})


def test_where_small_values_are_better_the_bar_is_mirrored():
    smaller = Metric(name=METRIC, title="error", direction="min")
    (bar,) = bars(Pruning(**HALF), smaller, [came_to(height) for height in (1, 2, 3, 4, 5, 6)])
    assert bar.value == 2.0
    assert bar.held(1, {METRIC: 1.9})
    assert not bar.held(1, {METRIC: 2.1})


def test_nothing_ends_before_enough_runs_came_to_the_epoch():
    assert bars(Pruning(**HALF), DECLARED[0], [came_to(height) for height in (1, 2, 3)]) == ()
    assert bars(Pruning(**{**HALF, "epochs": [3]}), DECLARED[0], [came_to(height) for height in range(9)]) == ()


def test_runs_that_are_behind_are_told_as_pruned_and_answer_their_suggestions(tmp_path):
    search = opened(tmp_path, "tpe", trials=16, prune=HALF)
    records = [record for runs in rounds(search) for record in runs]
    states = [trial.state.name for trial in search.study.trials]
    assert len(records) == 16
    assert search.left == 0
    assert states.count("PRUNED") == sum(record.status == "pruned" for record in records) > 0
    assert states.count("COMPLETE") == 16 - states.count("PRUNED")


def test_the_best_run_is_never_pruned(tmp_path):
    records = [record for runs in rounds(opened(tmp_path, "tpe", trials=16, prune=HALF)) for record in runs]
    whole = [record for runs in rounds(opened(tmp_path / "whole", "random", trials=16)) for record in runs]
    assert all(record.status == "finished" for record in whole)
    best = max(records, key=lambda record: record.epochs[0].metrics[METRIC])
    assert best.status == "finished"


def test_a_search_that_was_killed_asks_for_no_pruned_run_again(tmp_path):
    search = opened(tmp_path, "tpe", trials=16, prune=HALF)
    for _ in range(3):
        last = [measure(one) for one in ask(search, 4)]
        for record in last[:2]:  # the driver dies before it tells the others
            search.ended(record.key)
    again = opened(tmp_path, "tpe", trials=16, prune=HALF)
    assert again.left == 4
    new = [record for runs in rounds(again) for record in runs]
    assert not {record.key for record in new} & set(search.runs)


def test_a_row_goes_on_to_its_end_where_a_search_of_another_study_pruned_it(tmp_path):
    row = {"label": "N 200", "set": {"parameters.samples": 200}}
    driver = taught(Driver(tmp_path, points=[row], seeds=[0]))
    (run,) = driver.state.students
    driver.files.write(came_to(1.0, 1).model_copy(update={"key": run.config.key, "status": "pruned"}))
    driver = Driver(tmp_path, points=[row], seeds=[0])
    assert [one.config.key for one in driver.next()] == [run.config.key]


def test_tuning_runs_are_pruned_by_those_of_their_own_row_and_finalists_never(tmp_path):
    tune = {"trials": 6, "at_once": 2, "seed": 1000, "finalists": 2, "fresh": 1, "prune": HALF}
    row = {"label": "N 200", "set": {"parameters.weight": 1.0}, "tune": [0.1, 1.0, 10.0]}
    driver = taught(Driver(tmp_path, base=BASE, points=[row], seeds=[0], tuning=tune))
    seen: list[tuple[int, int]] = []
    height = 30.0
    while runs := driver.next():
        for one in runs:
            height += 1
            seen.append((one.config.seed, len(one.bars)))
            record = came_to(height).model_copy(update={"key": one.config.key, "config": one.config})
            driver.files.run(one.config.key).mkdir(parents=True, exist_ok=True)
            driver.files.checkpoint(one.config.key).touch()
            driver.files.write(record)
        driver.planner.ended(one.config.key for one in runs)
    assert seen == [(1000, 0)] * 4 + [(1000, 1)] * 2 + [(1001, 0)] * 2 + [(0, 0)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search": {"prune": {"epochs": [2]}}}, "search.prune.epochs=2: runs are validated every 1 epochs and end"),
        ({"base.training.validate_every": 2, "search": {"prune": {"epochs": [1]}}}, "multiples of 2 below 2"),
    ],
)
def test_epochs_at_which_nothing_can_be_compared_are_refused(tmp_path, changes: dict[str, Any], said: str):
    training = {"epochs": 2, "validate_every": changes.pop("base.training.validate_every", 1), "workers": 0}
    spec = toy(base={"method": "pointdistiller", "training": training, "teacher": {"training": training}}, **changes)
    with pytest.raises(InputError, match=said):
        StudyState(spec, OFFERED, StudyFiles(tmp_path, "toy"))


def test_a_rule_that_compares_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match=r"search\.prune compares runs by one objective"):
        toy(search={"prune": HALF, "objectives": [METRIC, "gflops"]})
    with pytest.raises(ValueError, match=r"search\.space varies training\.epochs"):
        toy(search={"prune": HALF, "space": {"training.epochs": {"low": 1, "high": 4, "integer": True}}})


def test_a_study_that_prunes_comes_to_its_end_on_ray(tmp_path):
    search = {"trials": 12, "startup": 6, "space": PLANE, "prune": HALF, "confirm": [7]}
    said: list[str] = []
    outcome = run(toy(base=BASE, points=[], seeds=[0], search=search), tmp_path, say=said.append)
    files = StudyFiles(tmp_path, "toy")
    ended = [record for record in files.all() if record.role == "search"]
    pruned = [record for record in ended if record.status == "pruned"]
    assert len(ended) == 12
    assert pruned
    assert all(len(record.epochs) == 1 for record in pruned)
    assert (outcome.finished, outcome.failed) == (12 - len(pruned) + 1, 0)
    assert sum(line.endswith("pruned") or ", pruned;" in line for line in said) == len(pruned)
