"""A search's best run is repeated on seeds that chose nothing, once the search is over and as often as asked."""

from pathlib import Path
from typing import Any

import pytest
from toy_driver import Driver, names, taught
from toy_study import OFFERED, toy

from study.nouns.assignment import Assignment
from study.planning.confirming import LABEL
from study.planning.preview import preview


def searching(results: Path, **search: Any) -> Driver:
    asked = {"trials": 4, "startup": 2, "confirm": [7, 8], "space": {"parameters.samples": {"low": 100, "high": 900}}}
    return taught(Driver(results, seeds=[0], points=[], search={**asked, **search}))


def height(one: Assignment) -> float:
    return float(one.config.parameters["samples"]) / 100


def run_search(driver: Driver) -> int:
    """The search to its end; returns the largest number of samples that it tried."""
    tried = []
    while (runs := driver.next()) and runs[0].role == "search":
        tried += [one.config.parameters["samples"] for one in runs]
        driver.end(runs, value=height)
    driver.planner.running.clear()
    return max(tried)


def confirmed(driver: Driver) -> list[Assignment]:
    return [run for run in driver.files.read_plan().runs if run.role == "confirmation"]


def test_the_best_run_of_a_search_is_repeated_on_every_seed_that_confirms(tmp_path):
    driver = searching(tmp_path)
    assert driver.state.missing()["confirmation"] == 2
    best = run_search(driver)
    assert [(run.label, run.config.seed) for run in confirmed(driver)] == [(LABEL, 7), (LABEL, 8)]
    assert {run.config.parameters["samples"] for run in confirmed(driver)} == {best}


def test_nothing_is_confirmed_before_the_search_is_over(tmp_path):
    driver = searching(tmp_path)
    runs = driver.next()
    driver.end(runs, value=height)
    assert confirmed(driver) == []
    assert [(one.role, one.runs) for one in driver.files.read_plan().promised][-1] == ("confirmation", 2)


def test_a_launch_that_was_killed_after_its_search_confirms_the_same_run(tmp_path):
    driver = searching(tmp_path)
    best = run_search(driver)
    again = Driver(tmp_path, seeds=[0], points=[], search=driver.state.spec.search.model_dump(mode="json"))
    seven, eight = again.next(), again.next()
    assert names([*seven, *eight]) == [f"{LABEL} 7", f"{LABEL} 8"]
    assert {one.config.parameters["samples"] for one in [*seven, *eight]} == {best}
    again.end([*seven, *eight], value=1.0)
    assert again.planner.over
    assert again.state.outcome(None).finished == 6
    assert again.state.missing() == {}


def test_a_run_beyond_a_bound_is_never_confirmed(tmp_path):
    driver = searching(tmp_path, constraints={"mAP/3d/moderate": 1000.0})
    run_search(driver)
    assert confirmed(driver) == []


def test_seeds_that_cannot_confirm_are_refused():
    with pytest.raises(ValueError, match=r"search\.confirm holds 0, on which the search chooses"):
        toy(points=[], seeds=[0], search={"confirm": [1, 0]})
    with pytest.raises(ValueError, match="2 objectives have no best"):
        toy(points=[], seeds=[0], search={"confirm": [1], "objectives": ["mAP/3d/moderate", "gflops"]})
    with pytest.raises(ValueError, match="seeds that differ"):
        toy(points=[], seeds=[0], search={"confirm": [1, 1]})


def test_a_dry_run_says_what_will_be_confirmed():
    lines = preview(toy(points=[], seeds=[0], search={"confirm": [1, 2]}), OFFERED)
    assert "and the best of them once more on seeds 1, 2" in lines
