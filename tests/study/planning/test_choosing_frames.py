"""What chooses is compared on frames that are not reported on: tuning and search runs, and nothing else."""

import pytest
from toy_driver import Driver, taught

from study.planning.same_study import first_difference

ROW = {"label": "N 200", "set": {"parameters.weight": 1.0}, "tune": [0.1, 1.0, 10.0]}
SEARCH = {"trials": 2, "startup": 2, "confirm": [7]}


def test_tuning_and_search_choose_on_frames_set_apart_and_rows_and_confirmations_do_not(tmp_path):
    tuning = {"trials": 2, "at_once": 2, "seed": 1000}
    driver = Driver(tmp_path, points=[ROW], seeds=[0], tuning=tuning, search=SEARCH, choose_on=0.1)
    apart: dict[str, set[float]] = {}
    while runs := driver.next():
        for one in runs:
            apart.setdefault(one.role, set()).add(one.config.dataset.apart)
        driver.end(runs)
    assert apart == {
        "teacher": {0.0}, "tuning": {0.1}, "row": {0.0}, "search": {0.1}, "confirmation": {0.0}
    }  # fmt: skip
    assert driver.planner.over


def test_the_share_cannot_change_once_something_has_chosen(tmp_path):
    driver = taught(Driver(tmp_path, points=[], seeds=[0], search=SEARCH, choose_on=0.1))
    old, plan = driver.state.spec, driver.state.plan()
    new = old.model_copy(update={"choose_on": 0.2})
    assert first_difference(old, plan, new, plan) == "choose_on was 0.1 and is now 0.2"


def test_a_warm_start_from_other_frames_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"search\.warm_start tells runs that were validated on other frames"):
        Driver(tmp_path, points=[], search={**SEARCH, "warm_start": True}, choose_on=0.1)
