"""What starts next, and together: decided from a study and its records alone, without Ray."""

from typing import Any

import pytest
from toy_driver import DEMANDING, POINTS, Driver, names, taught

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.spec import Budget
from study.planning.cohorts import check_alone, size, stream_of


@pytest.fixture
def driver(tmp_path) -> Driver:
    return Driver(tmp_path)


def test_rows_of_one_seed_start_together_and_seeds_apart(driver):
    taught(driver)
    first, second = driver.next(), driver.next()
    assert names(first) == ["student 0", "N 100 0", "N 200 0", "N 300 0"]
    assert names(second) == ["student 1", "N 100 1", "N 200 1", "N 300 1"]
    assert driver.next() == []
    assert not driver.planner.over
    driver.end(first), driver.end(second)
    assert driver.planner.over


def test_who_needs_no_teacher_starts_while_it_is_trained(driver):
    (teacher,) = driver.next()
    assert teacher.config.method == "teacher"
    assert names(driver.next()) == ["student 0"]
    assert names(driver.next()) == ["student 1"]
    assert driver.next() == []
    driver.end([teacher])
    assert names(driver.next()) == ["N 100 0", "N 200 0", "N 300 0"]


def test_nothing_starts_where_there_is_no_room(driver):
    assert driver.next(teachers=0, students=0) == []
    assert not driver.planner.over
    assert driver.next(teachers=1, students=0)[0].config.method == "teacher"


def test_room_is_looked_for_only_where_something_waits(driver):
    asked: list[str] = []

    def free(kind: str) -> int:
        asked.append(kind)
        return 1

    for expected in (["teacher"], ["student"], ["student"], []):
        asked.clear()
        driver.planner.next(free)
        assert asked == expected


def test_runs_are_spread_over_the_places_that_are_free(driver):
    taught(driver)
    assert [len(driver.next(students=free)) for free in (4, 3, 2, 1)] == [2, 2, 2, 2]


@pytest.mark.parametrize(("cohort", "sizes"), [(1, [1] * 8), (3, [3, 3, 1, 1])])
def test_a_study_may_say_how_many_train_together(tmp_path, cohort, sizes):
    driver = taught(Driver(tmp_path, budget={"teacher_cpus": 1, "cohort": cohort}))
    assert [len(driver.next()) for _ in sizes] == sizes


@pytest.mark.parametrize("cause", ["failed", "weak", "unrecorded"])
def test_an_unfit_teacher_stops_only_those_who_would_learn_from_it(tmp_path, cause):
    driver = Driver(tmp_path, base=DEMANDING)
    how = {"failed": {"status": "failed"}, "weak": {"value": 30.0}, "unrecorded": {"recorded": False}}[cause]
    driver.end(driver.next(), **how)
    for _ in range(2):
        runs = driver.next()
        assert {one.label for one in runs} == {"student"}
        driver.end(runs)
    assert driver.planner.over
    (reason,) = driver.planner.unfit.values()
    assert {"failed": "it broke", "weak": "reaches 30.0", "unrecorded": "left no record"}[cause] in reason


def test_a_weak_teacher_of_an_earlier_launch_is_not_trained_again_and_still_teaches_nobody(tmp_path):
    first = Driver(tmp_path, base=DEMANDING)
    first.end(first.next(students=0), value=30.0)
    again = Driver(tmp_path, base=DEMANDING)
    runs = again.next()
    assert {one.label for one in runs} == {"student"}
    again.end(runs)
    assert "reaches 30.0" in (again.planner.stopped or "")


def test_a_weak_teacher_teaches_where_that_is_forced(tmp_path):
    driver = Driver(tmp_path, base=DEMANDING, force=True)
    driver.end(driver.next(), value=30.0)
    assert len(driver.next()) == 4


def test_a_run_that_left_no_record_is_not_started_again(driver):
    taught(driver)
    first = driver.next()
    driver.end(first, recorded=False)
    driver.end(driver.next())
    assert driver.next() == []
    assert driver.planner.over


def test_a_row_starts_as_soon_as_its_weight_is_known_and_others_do_not_wait_for_it(tmp_path):
    points = [POINTS[0], {"label": "tuned", "set": {"parameters.weight": 1}, "tune": [0.1, 1, 10]}]
    driver = taught(Driver(tmp_path, points=points, seeds=[0], tuning={"trials": 3, "at_once": 2}))
    tries = driver.next()
    assert [one.role for one in tries] == ["tuning", "tuning"]
    assert names(driver.next()) == ["student 0"], "it waited for others' tuning"
    driver.end(tries)
    last = driver.next()
    assert [one.role for one in last] == ["tuning"]
    driver.end(last, value=70.0)
    (row,) = driver.next()
    assert (row.label, row.role) == ("tuned", "row")
    assert row.config.parameters["weight"] == last[0].config.parameters["weight"]


def test_the_results_of_tuning_runs_that_end_together_are_read_once(tmp_path, monkeypatch):
    points = [POINTS[0], {"label": "tuned", "set": {"parameters.weight": 1}, "tune": [0.1, 1, 10]}]
    driver = taught(Driver(tmp_path, points=points, seeds=[0], tuning={"trials": 2, "at_once": 2}))
    tries, reads, read = driver.next(), [], driver.state.read
    assert len(tries) == 2
    monkeypatch.setattr(driver.state, "read", lambda: reads.append(read()))
    driver.end(tries)
    assert len(reads) == 1


def test_a_row_whose_tuning_is_in_vain_fails_and_the_study_goes_on(tmp_path):
    points = [POINTS[0], {"label": "tuned", "set": {"parameters.weight": 1}, "tune": [0.1, 1, 10]}]
    driver = taught(Driver(tmp_path, points=points, seeds=[0], tuning={"trials": 1}))
    driver.end(driver.next(), status="failed")
    assert driver.given_up == [("tuned", "none of 1 tuning runs has a result: it broke")]
    driver.end(driver.next())
    assert driver.planner.over


def searching(tmp_path, trials: int, **changes: Any) -> Driver:
    return taught(Driver(tmp_path, seeds=[0], search={"trials": trials, "startup": 2}, **changes))


def test_a_search_suggests_a_quarter_of_its_trials_at_a_time_and_learns_from_them(tmp_path):
    driver = searching(tmp_path, trials=8, points=[])
    rounds = []
    while not driver.planner.over:
        runs = driver.next()
        rounds.append(len(runs))
        driver.end(runs)
    assert rounds == [2, 2, 2, 2]
    assert [trial.state.name for trial in driver.state.search.study.trials] == ["COMPLETE"] * 8


def test_what_a_search_suggests_and_a_row_is_already_is_run_once_and_answers_both(tmp_path):
    space = {"parameters.samples": {"choices": [100]}}
    driver = taught(Driver(tmp_path, seeds=[0], search={"trials": 2, "startup": 2, "space": space}))
    rows = driver.next()
    assert driver.next() == []
    driver.end(rows)
    while runs := driver.next():
        driver.end(runs)
    assert driver.planner.over
    assert [trial.state.name for trial in driver.state.search.study.trials] == ["COMPLETE"] * 2
    assert sorted({record.role for record in driver.files.all()}) == ["row", "teacher"]


def test_what_is_suggested_stands_in_the_plan_before_it_starts(tmp_path):
    driver = searching(tmp_path, trials=4, points=[])
    started = {one.config.key for one in driver.next()}
    assert started
    assert started == {run.config.key for run in driver.files.read_plan().runs if run.role == "search"}


def test_runs_share_a_stream_where_batches_and_teacher_are_the_same():
    base = TrialConfig(method="kd")

    def changed(**groups: Any) -> TrialConfig:
        return base.model_copy(
            update={n: getattr(base, n).model_copy(update=v) if isinstance(v, dict) else v for n, v in groups.items()}
        )

    together = [
        changed(method="student"), changed(method="crd"), changed(detector={"compression": 16.0}),
        changed(training={"epochs": 3, "learning_rate": 0.1, "norm_momentum": 0.1, "validate_every": 1}),
    ]  # fmt: skip
    apart = [
        changed(seed=1), changed(training={"batch_size": 2}), changed(training={"repeat": 1}),
        changed(training={"amp": True}), changed(training={"devices": 2}), changed(detector={"pillar": 0.32}),
        changed(teacher={"seed": 5}), changed(method="teacher"), changed(dataset={"options": {"seed": 3}}),
    ]  # fmt: skip
    assert {stream_of(config) for config in together} == {stream_of(base)}
    streams = [stream_of(config) for config in apart]
    assert len({*streams, stream_of(base)}) == len(streams) + 1


@pytest.mark.parametrize(
    ("cohort", "waiting", "free", "expected"),
    [(None, 40, 1, 16), (None, 10, 2, 5), (None, 1, 8, 1), (4, 40, 8, 4), (None, 5, 0, 5)],
)
def test_cohorts_are_as_large_as_room_and_budget_say(cohort, waiting, free, expected):
    assert size(Budget(cohort=cohort), waiting, free) == expected


def test_cohorts_of_runs_with_several_processes_are_refused_with_the_reason():
    two = TrialConfig().model_copy(update={"training": TrialConfig().training.model_copy(update={"devices": 2})})
    with pytest.raises(
        InputError, match=r"budget.cohort=3 and training.devices=2: a run of several processes trains by"
    ):
        check_alone(Budget(cohort=3), two)
    check_alone(Budget(cohort=1), two)
    check_alone(Budget(), two)
