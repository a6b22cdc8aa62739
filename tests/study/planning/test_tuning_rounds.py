"""The round of finalists, and the tuning of the student without distillation: from the spec and the records alone."""

import pytest
from test_weight_tuning import HIGH, LOW, START, answer, best_near_three, files_of, finish, tuned, tuning_of
from toy_study import DECLARED, METRIC, OFFERED, resolve, run

from study.driver.progress import name_of
from study.nouns.errors import InputError
from study.nouns.records import RunRecord
from study.planning.completing import complete
from study.planning.missing import assign
from study.planning.plan import expand
from study.planning.same_study import first_difference
from study.planning.study_state import StudyState
from study.planning.weight_tuning import read, rows, to_retry

FINALISTS = {"trials": 5, "at_once": 2, "finalists": 3, "fresh": 2}
STUDENT = {"label": "student", "set": {"method": "student"}, "tune": True}


def last_round(tmp_path, score=best_near_three):
    """A study whose finalists are known, and have not run."""
    spec, files = tuned(tuning=FINALISTS), files_of(tmp_path)
    for _ in range(3):
        answer(files, tuning_of(spec, files).open, score)
    return spec, files


def lucky(config) -> float:
    """Every weight but the row's own is better on the first seed, and worse on the others."""
    weight = config.parameters["weight"]
    return 10.0 if weight == START else 12.0 + weight / 1000 if config.seed == 1000 else 7.0


def answer_by_config(files, planned, score) -> None:
    for one in planned:
        files.checkpoint(one.config.key).parent.mkdir(parents=True, exist_ok=True)
        files.checkpoint(one.config.key).touch()
        result = {"status": "finished", "metrics": {METRIC: score(one.config)}}
        files.write(RunRecord(key=one.config.key, study="toy", **one.model_dump(exclude={"final", "wave"}), **result))


def test_the_best_weights_and_the_rows_own_run_again_on_fresh_seeds_as_one_round(tmp_path):
    spec, files = last_round(tmp_path, score=lambda weight: -abs(weight - 90))
    tuning = tuning_of(spec, files)
    again = tuning.open
    best = sorted((record.config.parameters["weight"] for record in tuning.tried), key=lambda weight: abs(weight - 90))
    assert [run.config.seed for run in again] == [1001, 1002] * 3
    assert {run.config.parameters["weight"] for run in again} == {*best[:2], START}
    assert {(run.role, run.label) for run in again} == {("tuning", "method")}
    assert (tuning.chosen, tuning.hopeless, tuning.left) == (None, False, 0)


def test_a_weight_that_was_lucky_once_is_not_chosen(tmp_path):
    spec, files = tuned(tuning=FINALISTS), files_of(tmp_path)
    while runs := tuning_of(spec, files).open:
        answer_by_config(files, runs, lucky)
    assert tuning_of(spec, files).chosen == START
    assert read(rows(spec, OFFERED)[0], tuned(tuning={**FINALISTS, "finalists": 0}), DECLARED[0], files).chosen != START


def test_a_weight_that_is_better_on_every_seed_is_chosen(tmp_path):
    spec, files = tuned(tuning=FINALISTS), files_of(tmp_path)
    assert finish(spec, files, best_near_three) == [2, 2, 1, 6]
    scores = {record.config.parameters["weight"]: record.metrics[METRIC] for record in tuning_of(spec, files).tried}
    assert tuning_of(spec, files).chosen == max(scores, key=scores.get)


def test_finalists_of_a_metric_that_is_better_when_lower_are_the_lowest(tmp_path):
    spec, files = tuned(tuning=FINALISTS), files_of(tmp_path)
    while runs := tuning_of(spec, files, "min").open:
        answer(files, runs, best_near_three)
    scores = {r.config.parameters["weight"]: r.metrics[METRIC] for r in tuning_of(spec, files, "min").tried}
    assert tuning_of(spec, files, "min").chosen == min(scores, key=scores.get)


def test_the_same_finalists_follow_after_a_kill(tmp_path):
    spec, files = last_round(tmp_path)
    before = tuning_of(spec, files).open
    answer(files, before[:2], best_near_three)
    assert [run.config.key for run in tuning_of(spec, files).open] == [run.config.key for run in before[2:]]


def test_a_finalist_with_a_failed_run_drops_out_and_a_row_without_one_is_in_vain(tmp_path):
    spec, files = last_round(tmp_path)
    best = tuning_of(spec, files).open
    answer(files, best[:1], best_near_three, status="failed")
    answer(files, best[1:], best_near_three)
    assert tuning_of(spec, files).chosen not in (None, best[0].config.parameters["weight"])
    spec, files = last_round(tmp_path / "all")
    answer(files, tuning_of(spec, files).open, best_near_three, status="failed")
    tuning = tuning_of(spec, files)
    assert (tuning.chosen, tuning.hopeless) == (None, True)
    assert tuning.in_vain == "no weight has a result on every tuning seed: the loss is not finite"
    for key in to_retry([tuning], tuning.runs):
        files.retry(key)
    assert len(tuning_of(spec, files).open) == 6, "the finalists may try again, and nothing else has to"


def test_what_is_promised_and_missing_counts_the_finalists(tmp_path):
    spec, files = tuned(tuning=FINALISTS, seeds=[0]), files_of(tmp_path)
    state = StudyState(spec, OFFERED, files)
    counts = []
    for _ in range(5):
        state.read()
        promised = next(promise for promise in state.plan().promised if promise.role == "tuning")
        counts.append((promised.runs, state.missing().get("tuning run", 0)))
        answer(files, state.tunings[0].open, best_near_three)
    assert counts == [(11, 11), (11, 9), (11, 7), (11, 6), (11, 0)]


def test_equal_weights_are_one_finalist(tmp_path):
    point = {"label": "method", "set": {"parameters.weight": 1.0}, "tune": [1.0, 1.0, 1.001]}
    spec, files = tuned(points=[point], tuning=FINALISTS), files_of(tmp_path)
    finish(spec, files, best_near_three)
    tuning = tuning_of(spec, files)
    assert len({run.config.key for run in tuning.runs}) == 3, "one weight, on three seeds"
    assert tuning.chosen == START


def test_a_student_is_tuned_by_its_learning_rate_around_its_detectors_own():
    spec = complete(tuned(points=[STUDENT]), OFFERED)
    assert spec.points[0].tune == (0.000333, 0.001, 0.003)
    given = [{**STUDENT, "set": {"method": "student", "training.learning_rate": 0.01}}]
    assert complete(tuned(points=given), OFFERED).points[0].tune == (0.00333, 0.01, 0.03)


def test_a_students_own_learning_rate_stays_unsaid_and_another_is_the_rows_own(tmp_path):
    spec = complete(tuned(points=[STUDENT], tuning={"trials": 3}), OFFERED)
    files, (row,) = files_of(tmp_path), rows(spec, OFFERED)
    while runs := read(row, spec, DECLARED[0], files).open:
        answer_by_config(files, runs, lambda config: -(config.training.learning_rate or 0.001))
    tuning = read(row, spec, DECLARED[0], files)
    rates = [run.config.training.learning_rate for run in tuning.runs]
    assert rates[0] is None
    assert len(set(rates)) == 3
    assert all(0.000333 <= rate <= 0.003 for rate in rates[1:])
    assert row.changes(0.001) == {}
    chosen = {"training.learning_rate": 0.002, "training.scale_learning_rate": False}
    assert row.changes(0.002) == chosen
    assert {run.config.training.learning_rate for run in expand(spec, resolve, {"student": chosen})} == {0.002}
    assert name_of(assign(tuning.runs[0], files)) == "tuning of student: its own learning rate"
    assert name_of(assign(row.run(0.002, 1000), files)) == "tuning of student: learning rate 0.002"


def test_a_scaled_learning_rate_is_tuned_around_what_it_is_scaled_to(tmp_path):
    point = {**STUDENT, "set": {"method": "student", "training.scale_learning_rate": True}}
    offered = OFFERED._replace(learning_rate=lambda config: 0.000125 if config.training.scale_learning_rate else 0.001)
    spec = complete(tuned(points=[point]), offered)
    (row,) = rows(spec, offered)
    assert row.bounds == (0.0000417, 0.000125, 0.000375)
    assert row.run(0.000125, 7).config.training.scale_learning_rate
    assert row.run(0.0002, 7).config.training.learning_rate == 0.0002


def test_a_study_goes_on_with_the_learning_rate_that_was_chosen(tmp_path):
    state = StudyState(tuned(points=[STUDENT], tuning={"trials": 2}, seeds=[0]), OFFERED, files_of(tmp_path))
    state.read()
    before = state.plan()
    while runs := state.tunings[0].open:
        answer_by_config(state.files, runs, lambda config: config.training.learning_rate or 0.0)
        state.read()
    assert state.points[0].config.training.learning_rate == state.tunings[0].chosen != 0.001
    assert first_difference(state.spec, before, state.spec, state.plan()) is None
    assert first_difference(state.spec, state.plan(), state.spec, before) is None


@pytest.mark.parametrize("tune", [True, [LOW, START, HIGH]], ids=["its own", "a range"])
def test_a_teacher_cannot_be_tuned(tune):
    points = [{"label": "t", "set": {"method": "teacher"}, "tune": tune}]
    with pytest.raises(InputError, match="'t' cannot be tuned: it is a teacher"):
        complete(tuned(points=points), OFFERED)


def test_a_study_of_finalists_runs_to_its_end(cluster, tmp_path):
    spec, files, lines = tuned(tuning={**FINALISTS, "trials": 2}, seeds=[0]), files_of(tmp_path), []
    spec = spec.model_copy(update={"points": (*complete(tuned(points=[STUDENT]), OFFERED).points, spec.points[1])})
    outcome = run(spec, tmp_path, cluster, say=lines.append)
    assert (outcome.finished, outcome.failed, outcome.stopped) == (14, 0, None)
    assert sorted({(r.label, r.config.seed) for r in files.all() if r.role == "tuning"}) == [
        (label, seed) for label in ("method", "student") for seed in (1000, 1001, 1002)
    ]
    assert any("[15/15]" in line for line in lines), "the total was not known from the start"
    assert files.read_plan().unasked() == []
