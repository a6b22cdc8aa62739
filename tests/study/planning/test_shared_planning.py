"""What a study still has to run beside others that have trained some of it, or where a part is asked for."""

from toy_driver import STUDENT, Driver, taught


def test_a_search_whose_suggestions_another_study_has_trained_starts_nothing_and_ends(tmp_path):
    space = {"parameters.samples": {"choices": [100, 200]}}
    first = taught(Driver(tmp_path, name="one", points=[], seeds=[0], search={"trials": 8, "space": space}))
    while runs := first.next():
        first.end(runs)
    second = Driver(tmp_path, name="two", points=[], seeds=[0], search={"trials": 8, "space": space})
    assert second.next() == []
    assert second.planner.over
    assert {record.key for record in second.files.all()} == {record.key for record in first.files.all()}


def test_a_part_of_a_study_is_run_with_its_teacher_and_its_tuning_and_the_rest_stays_planned(tmp_path):
    tuned = {"label": "tuned", "set": {"parameters.weight": 1}, "tune": [0.1, 1, 10]}
    other = {"label": "other", "set": {"parameters.weight": 2, "teacher.seed": 1}, "tune": [0.1, 2, 10]}
    asked = {"points": [STUDENT, tuned, other], "seeds": [0], "tuning": {"trials": 1}, "search": {"trials": 2}}
    driver = Driver(tmp_path, only=["tuned"], **asked)
    assert driver.state.missing() == {"teacher": 1, "tuning run": 1, "row": 1}
    started = []
    while not driver.planner.over:
        started.append(driver.next())
        driver.end(started[-1])
    assert [(one.role, one.label) for runs in started for one in runs] == [
        ("teacher", "teacher"), ("tuning", "tuned"), ("row", "tuned")
    ]  # fmt: skip
    assert driver.state.missing() == {}
    assert {run.label for run in driver.files.read_plan().runs} == {"student", "tuned", "other", "teacher"}
    rest = Driver(tmp_path, **asked)
    assert rest.state.missing() == {"teacher": 1, "tuning run": 1, "row": 2, "searched run": 2}


def test_a_part_tries_again_only_what_it_runs(tmp_path):
    driver = taught(Driver(tmp_path, seeds=[0]))
    driver.end(driver.next(), status="failed")
    part = Driver(tmp_path, seeds=[0], only=["N 100"])
    assert part.state.missing() == {"row": 1}
    assert [record.status for record in part.files.all()].count("failed") == 3


def test_the_result_of_another_study_is_not_that_of_a_row_whose_weight_is_still_to_be_chosen(tmp_path):
    row = {"label": "row", "set": {"parameters.weight": 1.0}}
    other = taught(Driver(tmp_path, name="other", points=[row], seeds=[0]))
    other.end(other.next())
    driver = Driver(tmp_path, points=[{**row, "tune": [0.1, 1, 10]}], seeds=[0], tuning={"trials": 1})
    assert driver.state.missing() == {"tuning run": 1, "row": 1}
    assert driver.state.outcome(None).finished == 0
    assert [record.role for record in driver.files.all()] == ["teacher"]
    driver.end(driver.next())
    assert driver.planner.over, "its own weight was chosen, and another study has trained it"
    assert driver.state.outcome(None).finished == 2
