"""Choosing loss weights: the same number of suggestions for every row, repeatable from the records alone."""

import math

import pytest
from toy_study import METRIC, OFFERED, resolve, run, toy

from study.nouns.errors import InputError
from study.nouns.metrics import Metric
from study.nouns.overrides import validated
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import StudySpec
from study.planning.completing import complete
from study.planning.plan import expand
from study.planning.weight_tuning import Row, Tuning, read, rows, to_retry

LOW, START, HIGH = 0.01, 1.0, 100.0


def tuned(**changes) -> StudySpec:
    """A study of a student and one row whose weight is tuned."""
    points = [
        {"label": "student", "set": {"method": "student"}},
        {"label": "method", "set": {"parameters.weight": START}, "tune": [LOW, START, HIGH]},
    ]
    return toy(**{"points": points, "seeds": [0, 1], "tuning": {"trials": 5, "at_once": 2}, **changes})


def files_of(tmp_path) -> StudyFiles:
    return StudyFiles(tmp_path, "toy")


def row_of(spec: StudySpec) -> Row:
    (row,) = rows(spec, OFFERED)
    return row


def tuning_of(spec: StudySpec, files: StudyFiles, direction: str = "max") -> Tuning:
    return read(row_of(spec), spec, Metric(name=METRIC, title="a score", direction=direction), files)


def answer(files: StudyFiles, planned, score, status="finished") -> None:
    """Records of runs, scored by their weight."""
    for one in planned:
        metrics = {METRIC: score(one.config.parameters["weight"])} if status == "finished" else {}
        error = None if status == "finished" else "the loss is not finite"
        result = {"status": status, "metrics": metrics, "error": error}
        files.checkpoint(one.config.key).parent.mkdir(parents=True, exist_ok=True)
        files.checkpoint(one.config.key).touch()
        files.write(RunRecord(key=one.config.key, study="toy", **one.model_dump(exclude={"final", "wave"}), **result))


def finish(spec: StudySpec, files: StudyFiles, score) -> list[int]:
    """Answer round after round; returns how many runs each round had."""
    sizes = []
    while runs := tuning_of(spec, files).open:
        sizes.append(len(runs))
        answer(files, runs, score)
    return sizes


def best_near_three(weight: float) -> float:
    return 50 - abs(math.log10(weight / 3))


def test_the_first_suggestion_is_the_rows_own_weight_and_all_lie_in_its_range(tmp_path):
    spec, files = tuned(), files_of(tmp_path)
    assert finish(spec, files, best_near_three) == [2, 2, 1]
    weights = [record.config.parameters["weight"] for record in tuning_of(spec, files).tried]
    assert weights[0] == START
    assert len(set(weights)) == 5
    assert all(LOW <= weight <= HIGH for weight in weights)


def test_tuning_runs_have_a_seed_and_a_length_of_their_own_and_say_what_they_are(tmp_path):
    spec = tuned(tuning={"trials": 2, "epochs": 1, "seed": 77})
    run = tuning_of(spec, files_of(tmp_path)).runs[0]
    assert (run.role, run.label, run.config.seed, run.config.training.epochs) == ("tuning", "method", 77, 1)


def test_the_weight_with_the_best_result_is_chosen_after_the_last_round(tmp_path):
    spec, files = tuned(), files_of(tmp_path)
    answer(files, tuning_of(spec, files).open, best_near_three)
    assert tuning_of(spec, files).chosen is None
    finish(spec, files, best_near_three)
    records = {record.config.parameters["weight"]: record.metrics[METRIC] for record in tuning_of(spec, files).tried}
    assert tuning_of(spec, files).chosen == max(records, key=records.get)


def test_the_lowest_result_is_the_best_where_less_is_better(tmp_path):
    spec, files = tuned(), files_of(tmp_path)
    while runs := tuning_of(spec, files, "min").open:
        answer(files, runs, best_near_three)
    tuning = tuning_of(spec, files, "min")
    records = {record.config.parameters["weight"]: record.metrics[METRIC] for record in tuning.tried}
    assert tuning.chosen == min(records, key=records.get)


def test_of_equal_results_the_nearest_to_the_start_is_chosen(tmp_path):
    spec, files = tuned(), files_of(tmp_path)
    finish(spec, files, lambda weight: 40.0)
    assert tuning_of(spec, files).chosen == START


def test_the_same_suggestions_come_again_from_the_records_alone(tmp_path):
    spec, once, again = tuned(), files_of(tmp_path / "once"), files_of(tmp_path / "again")
    finish(spec, once, best_near_three)
    answer(again, tuning_of(spec, again).open[:1], best_near_three)  # killed within the first round
    finish(spec, again, best_near_three)
    keys = [[run.config.key for run in tuning_of(spec, files).runs] for files in (once, again)]
    assert keys[0] == keys[1]


def test_later_suggestions_follow_the_results(tmp_path):
    spec = tuned(tuning={"trials": 24})
    found = []
    for name, score in (("up", lambda weight: weight), ("down", lambda weight: -weight)):
        files = files_of(tmp_path / name)
        finish(spec, files, score)
        weights = [record.config.parameters["weight"] for record in tuning_of(spec, files).tried]
        found.append(weights)
    assert found[0][:2] == found[1][:2], "the first suggestions cannot know of results"
    late = [sum(map(math.log10, weights[-8:])) / 8 for weights in found]
    assert late[0] > late[1] + 1, "the model did not move towards the better end"


def test_rows_of_one_study_are_first_tried_at_the_same_places_of_their_ranges(tmp_path):
    points = [
        {"label": name, "set": {"parameters.weight": 10.0**at, "parameters.neighbors": at}, "tune": bounds}
        for name, at, bounds in (("one", 0, [0.1, 1, 10]), ("two", 3, [100, 1000, 10000]))
    ]
    spec = tuned(points=points)
    first, second = rows(spec, OFFERED)
    one, two = (
        [
            r.config.parameters["weight"]
            for r in read(x, spec, Metric(name=METRIC, title="a score"), files_of(tmp_path)).runs
        ]
        for x in (first, second)
    )
    assert two == pytest.approx([1000 * weight for weight in one], rel=0.02)


def test_a_failed_tuning_run_counts_as_tried_and_is_not_chosen(tmp_path):
    spec, files = tuned(), files_of(tmp_path)
    answer(files, tuning_of(spec, files).runs[:1], best_near_three, status="failed")
    finish(spec, files, lambda weight: -weight)
    assert len(tuning_of(spec, files).tried) == 5
    assert tuning_of(spec, files).chosen not in (None, START)


def test_a_row_without_any_result_is_hopeless(tmp_path):
    spec, files = tuned(), files_of(tmp_path)
    while runs := tuning_of(spec, files).open:
        assert not tuning_of(spec, files).hopeless
        answer(files, runs, best_near_three, status="failed")
    assert tuning_of(spec, files).hopeless
    assert tuning_of(spec, files).chosen is None


@pytest.mark.parametrize(("finished", "aside"), [(0, 5), (1, 0)], ids=["all failed", "one finished"])
def test_failed_tuning_runs_are_tried_again_only_where_all_of_a_row_failed(tmp_path, finished, aside):
    spec, files = tuned(), files_of(tmp_path)
    answer(files, tuning_of(spec, files).runs[:finished], best_near_three)
    while runs := tuning_of(spec, files).open:
        answer(files, runs, best_near_three, status="failed")
    (last,) = [run for run in expand(spec, resolve) if run.label == "method" and run.config.seed == 0]
    answer(files, [last], best_near_three, status="failed")
    tuning = tuning_of(spec, files)
    for key in to_retry([tuning], [*tuning.runs, last]):
        files.retry(key)
    assert files.record(last.config.key) is None
    assert len(tuning_of(spec, files).tried) == 5 - aside


def test_the_rows_own_runs_get_the_chosen_weight():
    runs = expand(tuned(), resolve, {"method": {"parameters.weight": 7.5}})
    weights = [(run.label, run.config.parameters.get("weight")) for run in runs]
    assert weights == [("student", None)] * 2 + [("method", 7.5)] * 2


def test_a_row_that_leaves_the_range_to_its_method_gets_it_with_the_start_inside():
    points = [{"label": "method", "set": {"parameters.weight": 20}, "tune": True}]
    filled = complete(tuned(points=points), OFFERED)
    assert filled.points[0].tune == (0.1, 20.0, 20.0)
    assert filled.points[0].set == points[0]["set"]


def test_a_method_without_a_weight_cannot_be_tuned():
    with pytest.raises(InputError, match="method pointdistiller has no weight above 0"):
        complete(tuned(points=[{"label": "x", "tune": True}]), OFFERED)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"points": [{"label": "x", "tune": [0, 1, 2]}]}, "0 < low <= start <= high"),
        ({"points": [{"label": "x", "tune": [1, 3, 2]}]}, "0 < low <= start <= high"),
        ({"tuning": {"seed": 1}}, r"tuning\.seed=1 chooses weights"),
        ({"seeds": [0, 1002], "tuning": {"finalists": 3}}, r"tuning\.seed \+ 2 = 1002 chooses weights"),
        ({"tuning": {"finalists": 1}}, "finalists must be 0 or at least 2"),
    ],
)
def test_a_tuning_that_makes_no_sense_is_refused(change, rule):
    with pytest.raises(InputError, match=rule):
        validated(StudySpec, tuned().model_dump(mode="json") | change)


@pytest.mark.parametrize("tuning", [{}, {"finalists": 3, "fresh": 0}], ids=["no finalists", "no fresh seed"])
def test_a_study_without_finalists_may_count_with_the_seeds_after_that_of_its_tuning(tuning):
    spec = validated(StudySpec, tuned().model_dump(mode="json") | {"seeds": [0, 1001], "tuning": tuning})
    assert spec.tuning.seeds == (1000,)


def test_a_study_tunes_its_rows_first_and_runs_them_with_what_was_chosen(cluster, tmp_path):
    spec, files, lines = tuned(tuning={"trials": 3}), files_of(tmp_path), []
    outcome = run(spec, tmp_path, cluster, say=lines.append)
    assert (outcome.finished, outcome.failed, outcome.stopped) == (7, 0, None)
    weight = tuning_of(spec, files).chosen
    rows_ = [(record.role, record.label, record.config.seed) for record in files.all()]
    others = [("teacher", "teacher", 0), *[("tuning", "method", 1000)] * 3]
    assert sorted(rows_) == [("row", name, seed) for name in ("method", "student") for seed in (0, 1)] + others
    assert {r.config.parameters["weight"] for r in files.all() if r.role == "row" and r.label == "method"} == {weight}
    plan, records = files.read_plan(), list(files.all())
    assert [run.config.key for run in plan.runs] == [record.key for record in records]
    assert plan.unasked() == []
    assert any("tuning of method: weight 1:" in line for line in lines)
    assert any("[8/8]" in line for line in lines), "the total was not known from the start"
    again: list[str] = []
    assert run(spec, tmp_path, cluster, resume=True, say=again.append) == outcome
    assert again == ["nothing is missing"]


def test_a_row_whose_tuning_fails_is_recorded_as_missing_and_the_study_goes_on(cluster, tmp_path):
    points = [
        {"label": "student", "set": {"method": "student"}},
        {"label": "bad", "set": {"parameters.fail": True, "parameters.weight": 1}, "tune": [0.1, 1, 10]},
        {"label": "good", "set": {"parameters.weight": 1}, "tune": [0.1, 1, 10]},
    ]
    spec, files = tuned(points=points, tuning={"trials": 1}, seeds=[0]), files_of(tmp_path)
    lines: list[str] = []
    outcome = run(spec, tmp_path, cluster, say=lines.append)
    assert outcome == (3, 1, 1, None), "the row failed; its tuning run is a try that did"
    missing = {record.error for record in files.all() if (record.role, record.label) == ("row", "bad")}
    assert missing == {"none of 1 tuning runs has a result: the loss is not finite at step 3"}
    assert not any("bad seed 0: epoch" in line for line in lines), "a row without a weight was run"
    assert any("bad seed 0: FAILED: none of 1 tuning runs" in line for line in lines)
    assert "4 runs finished, 2 failed" in lines[-1]


def test_a_weight_keeps_the_digits_that_its_row_was_written_with(tmp_path):
    point = {"label": "method", "set": {"parameters.weight": 0.11115}, "tune": [0.1111, 0.11115, 0.1112]}
    spec, files = tuned(points=[point]), files_of(tmp_path)
    finish(spec, files, best_near_three)
    weights = [record.config.parameters["weight"] for record in tuning_of(spec, files).tried]
    assert weights[0] == 0.11115, "the row's own weight was rounded"
    assert len(set(weights)) == 5, "weights that differ were rounded to one"
    assert all(0.1111 <= weight <= 0.1112 for weight in weights)
