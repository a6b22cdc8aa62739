"""A study that makes claims: which runs start when, and that kills and the order of endings change nothing."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_driver import DEMANDING, POINTS, STUDENT, Driver, names, taught
from toy_study import OFFERED, toy

from study.evidence.verdicts import Word
from study.nouns.assignment import Assignment
from study.nouns.errors import InputError
from study.nouns.records import StudyFiles
from study.planning.same_study import check
from study.planning.study_state import StudyState

TRUTH = {"student": 50.0, "N 100": 54.0, "N 200": 51.0, "N 300": 50.0}
CLAIMS = [{"row": label, "over": ["student"], "value": 2.0} for label in list(TRUTH)[1:]]
"""The first is right, the others are not."""


def result(one: Assignment) -> float:
    """A row's mean with noise that is a function of row and seed."""
    return TRUTH[one.label] + random.Random(f"{one.label} {one.config.seed}").gauss(0, 0.3) + one.config.seed % 3


def claiming(results: Path, **changes: Any) -> Driver:
    return Driver(results, **{"seeds": list(range(10)), "claims": CLAIMS, **changes})


def finish(driver: Driver, shuffled: Callable[[list], None] = lambda runs: None) -> list[list[str]]:
    """Run everything; returns the waves as they stand in the plan at the end."""
    while not driver.planner.over:
        started = []
        while runs := driver.next(students=2):
            started.append(runs)
        shuffled(started)
        for runs in started:
            for one in runs:  # a cohort reports its runs one after another
                driver.end([one], value=result)
    return waves(driver)


def waves(driver: Driver) -> list[list[str]]:
    found: dict[int, list[str]] = {}
    for run in driver.files.read_plan().runs:
        if run.wave is not None:
            found.setdefault(run.wave, []).append(f"{run.label} {run.config.seed}")
    return [sorted(found[number]) for number in sorted(found)]


def words(driver: Driver) -> list[Word]:
    evidence = driver.state.waves.evidence
    return [evidence.verdict(number).word for number in range(len(evidence.claims))]


def test_a_study_with_claims_begins_with_two_seeds_of_every_row_and_ends_when_they_are_decided(tmp_path):
    driver = taught(claiming(tmp_path))
    done = finish(driver)
    assert done[0] == sorted(f"{row} {seed}" for row in TRUTH for seed in (0, 1))
    assert words(driver) == [Word.SUPPORTED, Word.LESS, Word.LESS]
    assert sum(map(len, done)) <= 20, "of 40 runs that a grid would take"
    assert [line.partition(":")[0] for line in driver.said] == [
        f"{label} gains 2 over student" for label in decided_order(driver)
    ]
    assert driver.planner.stopped is None


def decided_order(driver: Driver) -> list[str]:
    evidence = driver.state.waves.evidence
    return sorted(list(TRUTH)[1:], key=lambda label: evidence.verdict(list(TRUTH)[1:].index(label)).wave)


def test_a_row_that_no_open_claim_needs_stops(tmp_path):
    driver = taught(claiming(tmp_path, claims=[*CLAIMS, {"row": "N 200", "over": ["N 300"], "value": 0.6,
                                                          "tolerance": 0.1}]))  # fmt: skip
    done = finish(driver)
    seeds = {row: sum(run.rpartition(" ")[0] == row for wave in done for run in wave) for row in TRUTH}
    assert seeds["N 100"] < seeds["N 200"]


@pytest.mark.parametrize("start", range(5))
def test_the_order_in_which_runs_end_changes_neither_waves_nor_verdicts(tmp_path, start):
    plain, mixed = taught(claiming(tmp_path / "a")), taught(claiming(tmp_path / "b"))
    expected = finish(plain)
    assert finish(mixed, random.Random(start).shuffle) == expected
    assert words(mixed) == words(plain)


@pytest.mark.parametrize("dies_after", [1, 5, 8, 9, 11])
def test_a_driver_that_dies_goes_on_with_the_same_waves(tmp_path, dies_after):
    plain = taught(claiming(tmp_path / "a"))
    expected = finish(plain)
    driver, ended = taught(claiming(tmp_path / "b")), 0
    while ended < dies_after:
        for one in driver.next(students=2):
            driver.end([one], value=result)
            ended += 1
    again = claiming(tmp_path / "b")  # as --resume makes it: from the files alone
    assert finish(again) == expected
    assert words(again) == words(plain)


def test_a_study_that_is_decided_misses_nothing_and_one_that_is_open_does(tmp_path):
    driver = taught(claiming(tmp_path))
    first = driver.next()
    state = StudyState(driver.state.spec, OFFERED, driver.files)
    state.read()
    assert state.missing() == {"row": 8}
    driver.end(first, value=result)
    finish(driver)
    state = StudyState(driver.state.spec, OFFERED, driver.files)
    state.read()
    assert state.missing() == {}


def test_a_wave_that_ended_unseen_is_followed_by_the_next(tmp_path):
    driver = taught(claiming(tmp_path, seeds=list(range(4))))
    for runs in (driver.next(), driver.next()):
        driver.planner.ended = lambda keys: None  # the driver is killed before it hears of it
        driver.end(runs, value=lambda one: TRUTH[one.label] + one.config.seed * len(one.label))
    again = StudyState(driver.state.spec, OFFERED, driver.files)
    again.read()
    assert again.missing() == {"further wave": 1}


def test_what_another_study_has_run_already_is_not_started_again(tmp_path):
    other = taught(Driver(tmp_path, name="other", seeds=list(range(10))))
    while runs := other.next():
        other.end(runs, value=result)
    driver = claiming(tmp_path)
    assert driver.planner.over
    assert words(driver) == [Word.SUPPORTED, Word.LESS, Word.LESS]


def test_free_places_take_the_seeds_that_open_claims_will_need(tmp_path):
    def close(one: Assignment) -> float:  # 1.8 lies between what would support the claim and what would answer less
        return (51.8 if one.label == "N 100" else 50.0) + (-1) ** one.config.seed * 0.4 * (one.label == "student")

    for places in (1, 4):
        driver = taught(claiming(tmp_path / f"{places}", places=places, claims=CLAIMS[:1], points=POINTS[:2]))
        while driver.planner.state.waves.evidence.readings.wave == 0:
            driver.end(driver.next(), value=close)
        assert len(waves(driver)[1]) == 2 * places


@pytest.mark.parametrize("cap", [6, 9, 12])
def test_a_study_never_starts_more_runs_than_its_budget_has(tmp_path, cap):
    driver = taught(claiming(tmp_path, budget={"teacher_cpus": 1, "runs": cap}))
    finish(driver)
    records = [record for record in driver.files.all() if record.role != "teacher"]
    assert len(records) <= cap
    assert driver.planner.stopped == f"the limit of budget.runs={cap} is reached, all launches counted"
    again = claiming(tmp_path, budget={"teacher_cpus": 1, "runs": cap})
    assert again.planner.over


def test_the_budget_counts_rows_without_claims_too(tmp_path):
    driver = taught(Driver(tmp_path, budget={"teacher_cpus": 1, "runs": 3, "cohort": 2}))
    sizes = []
    while runs := driver.next():
        sizes.append(len(runs))
        driver.end(runs)
    assert sizes == [2, 1]
    assert driver.planner.over
    assert driver.planner.stopped == "the limit of budget.runs=3 is reached, all launches counted"


def test_an_unfit_teacher_leaves_the_claims_of_its_rows_open_and_decides_the_others(tmp_path):
    alike = {"label": "again", "set": {"method": "student", "training.learning_rate": 0.002}}
    claims = [{"row": "again", "over": ["student"]}, {"row": "N 100", "over": ["student"]}]
    driver = claiming(tmp_path, base=DEMANDING, points=[STUDENT, alike, POINTS[1]], claims=claims)
    driver.end(driver.next(), value=30.0)
    while runs := driver.next():
        driver.end(runs, value=lambda one: (60.0 if one.label == "again" else 50.0) + one.config.seed % 2 * 0.1)
    assert words(driver) == [Word.SUPPORTED, Word.UNDECIDED]
    assert "reaches 30.0" in driver.planner.stopped


def test_a_row_that_diverges_is_not_tried_again_and_supports_nothing(tmp_path):
    driver = taught(claiming(tmp_path))
    for runs in (driver.next(), driver.next()):
        bad = [one for one in runs if names([one]) == ["N 100 1"]]
        driver.end(bad, status="failed", diverged=True)
        driver.end([one for one in runs if one not in bad], value=result)
    finish(driver)
    assert words(driver)[0] is not Word.SUPPORTED
    again = claiming(tmp_path)
    assert again.planner.over
    assert again.state.waves.evidence.verdict(0).diverged == {"N 100": 1}


def test_a_failure_that_later_waves_were_planned_after_stays(tmp_path):
    driver = taught(claiming(tmp_path))
    for runs in (driver.next(), driver.next()):
        lost = [one for one in runs if names([one]) == ["N 100 1"]]
        driver.end(lost, status="failed")
        driver.end([one for one in runs if one not in lost], value=result)
    expected = finish(driver)
    assert len(expected) > 1
    again = claiming(tmp_path)
    assert again.planner.over
    assert waves(again) == expected


def test_a_failure_of_the_last_wave_is_tried_again(tmp_path):
    driver = taught(claiming(tmp_path, seeds=[0, 1]))
    for runs in (driver.next(), driver.next()):
        lost = [one for one in runs if names([one]) == ["N 100 1"]]
        driver.end(lost, status="failed")
        driver.end([one for one in runs if one not in lost], value=result)
    assert driver.planner.over
    again = claiming(tmp_path, seeds=[0, 1])
    assert names(again.next()) == ["N 100 1"]


def test_a_row_whose_weight_is_tuned_joins_its_wave_when_it_is_chosen(tmp_path):
    points = [STUDENT, {"label": "N 100", "set": {"parameters.weight": 1}, "tune": [0.1, 1, 10]}]
    driver = taught(claiming(tmp_path, points=points, claims=CLAIMS[:1], tuning={"trials": 2, "at_once": 2}))
    tries = driver.next()
    assert [one.role for one in tries] == ["tuning", "tuning"]
    assert names(driver.next()) == ["student 0"]
    assert names(driver.next()) == ["student 1"]
    driver.end(tries, value=lambda one: one.config.parameters["weight"])
    assert names(driver.next()) == ["N 100 0"]
    assert waves(driver) == [["N 100 0", "N 100 1", "student 0", "student 1"]]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"claims": CLAIMS[:2]}, "the claim “N 300 gains 2 over student” is gone"),
        ({"claims": [*CLAIMS, {"row": "N 100", "over": ["N 200"]}]}, "came after runs were made: say exploratory"),
        ({"seeds": list(range(12))}, "are frozen"),
        ({"rule": {"alpha": 0.1}}, "rule.alpha was 0.05 and is now 0.1"),
    ],
)
def test_claims_their_rule_and_their_seeds_are_frozen(tmp_path, change, complaint):
    driver = claiming(tmp_path)
    changed = StudyState(toy(**{"points": POINTS, "seeds": list(range(10)), "claims": CLAIMS, **change}), OFFERED,
                         driver.files)  # fmt: skip
    changed.read()
    with pytest.raises(InputError, match=complaint):
        check(changed.spec, changed.plan(), driver.files, resume=True)


def test_an_exploratory_claim_may_come_later(tmp_path):
    driver = claiming(tmp_path)
    later = {"row": "N 100", "over": ["N 200"], "exploratory": True}
    changed = StudyState(toy(points=POINTS, seeds=list(range(10)), claims=[*CLAIMS, later]), OFFERED, driver.files)
    changed.read()
    check(changed.spec, changed.plan(), driver.files, resume=True)
    assert changed.plan().runs == driver.files.read_plan().runs


@pytest.mark.parametrize(
    ("points", "claim", "complaint"),
    [
        ([STUDENT, {"label": "twin", "set": {"method": "student"}}], {"row": "twin", "over": ["student"]}, "same run"),
        ([STUDENT, {"label": "t", "set": {"method": "teacher"}}], {"row": "student", "over": ["t"]}, "is a teacher"),
        ([STUDENT], {"kind": "teacher", "row": "student"}, "learns from no teacher"),
    ],
)
def test_a_claim_about_a_row_that_cannot_be_compared_is_refused(tmp_path, points, claim, complaint):
    with pytest.raises(InputError, match=complaint):
        StudyState(toy(points=points, claims=[claim]), OFFERED, StudyFiles(tmp_path, "toy"))


def test_where_each_seed_has_its_teacher_only_those_of_planned_waves_are_trained(tmp_path):
    training = {"epochs": 2, "workers": 0}
    base = {"method": "pointdistiller", "training": training, "teacher": {"training": training, "seed": None}}
    driver = claiming(tmp_path, base=base)
    trained: list[int] = []
    while runs := driver.next():
        trained += [one.config.seed for one in runs if one.config.method == "teacher"]
        if len(trained) == 1:
            assert {run.config.seed for run in driver.files.read_plan().runs if run.role == "teacher"} == {0, 1}
        driver.end(runs, value=lambda one: result(one) if one.label in TRUTH else 60.0)
    assert trained == list(range(len(trained)))
    assert 2 < len(trained) < 10
    assert words(driver)[0] is Word.SUPPORTED
