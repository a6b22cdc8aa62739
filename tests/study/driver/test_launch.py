"""Studies on real Ray: everything runs once, failures are kept, and a study that was killed goes on.

The trainable is `toy_study.train`, which keeps launch()'s contract. Most tests share one separately started Ray (three
CPUs, whatever this machine has), as `--address` would join it; those about the driver's own Ray start one each.
"""

import os
import re
import signal
import time
from pathlib import Path

import optuna
import pytest
import toy_study
from killed_drivers import driver, until_gone
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from toy_study import METRIC, run, toy

from study.nouns.errors import InputError
from study.nouns.importances import Importances
from study.nouns.overrides import override
from study.nouns.records import StudyFiles, read_record
from study.planning.same_study import only_driver

REPOSITORY = Path(__file__).resolve().parents[3]
TROUBLE = [
    {"label": "good"},
    {"label": "bad", "set": {"parameters.fail": True}},
    {"label": "killed once", "set": {"parameters.kill": True}},
]


def epochs_trained(files: StudyFiles, key: str) -> list[int]:
    return [int(line) for line in (files.run(key) / "epochs.log").read_text().split()]


@pytest.fixture(scope="module")
def troubled(cluster, tmp_path_factory):
    """A study with a good, a failing and a once killed row and a search, after its first launch."""
    results = tmp_path_factory.mktemp("troubled")
    lines: list[str] = []
    spec = toy(points=TROUBLE, seeds=[0], search={"trials": 3, "startup": 2})
    outcome = run(spec, results, cluster, say=lines.append)
    return spec, StudyFiles(results, "toy"), outcome, lines


def test_a_study_leaves_one_record_per_run_and_goes_on_after_a_failure(troubled):
    _, files, outcome, _ = troubled
    assert (outcome.finished, outcome.failed, outcome.stopped) == (5, 1, None)
    labels = ["bad", "good", "killed once", *["search"] * 3, "teacher"]
    assert sorted(record.label for record in files.all()) == labels


def test_a_launch_says_how_much_the_searched_values_mattered_or_that_it_cannot(troubled):
    _, files, _, _ = troubled
    rated = Importances.read(files.importances_json)
    assert rated is not None
    assert rated.trials == 3
    assert {(value.key, value.median, value.n) for value in rated.values} == {
        ("parameters.neighbors", None, 3), ("parameters.samples", None, 3)
    }  # fmt: skip


def test_the_plan_holds_every_run_under_its_final_key(troubled):
    _, files, _, _ = troubled
    planned = {(run.role, run.config.key, run.label) for run in files.read_plan().runs}
    records = [read_record(path) for path in files.runs.glob("*/record.json")]
    assert planned == {(record.role, record.key, record.label) for record in records}


def test_the_plan_promises_no_more_than_was_asked_for_in_the_end(troubled):
    _, files, _, _ = troubled
    assert [(promise.role, promise.runs) for promise in files.read_plan().promised] == [("search", 3)]
    assert files.read_plan().unasked() == []


def test_a_configuration_that_the_search_found_becomes_a_row_when_it_is_added(cluster, tmp_path):
    """Beside a row that may be called search."""
    points = [{"label": "search"}]
    spec, files = toy(points=points, seeds=[0], search={"trials": 1}), StudyFiles(tmp_path, "toy")
    run(spec, tmp_path, cluster)
    kept = sorted((record.role, record.label) for record in files.all())
    assert kept == [("row", "search"), ("search", "search"), ("teacher", "teacher")]
    (found,) = [record for record in files.all() if record.role == "search"]
    parameters = {f"parameters.{name}": value for name, value in found.config.parameters.items()}
    points.append({"label": "the best", "set": parameters})
    lines: list[str] = []
    run(toy(points=points, seeds=[0], search={"trials": 1}), tmp_path, cluster, resume=True, say=lines.append)
    assert lines == ["nothing is missing"]
    kept = [(record.role, record.label) for record in files.all() if record.key == found.key]
    assert kept == [("row", "the best")]
    assert [record.role for record in files.all()].count("search") == 0
    assert files.read_plan().unasked() == []


def test_a_failed_run_keeps_its_reason_and_shows_it(troubled):
    _, files, _, lines = troubled
    reason = "the loss is not finite at step 3"
    assert [record.error for record in files.all() if record.status == "failed"] == [reason]
    assert any("bad seed 0: FAILED" in line and reason in line for line in lines)


def test_a_run_whose_process_was_killed_goes_on_from_its_checkpoint(troubled):
    _, files, _, lines = troubled
    record = next(record for record in files.all() if record.label == "killed once")
    assert record.status == "finished"
    assert epochs_trained(files, record.key) == [0, 1]
    assert any("the process died; it is started again" in line for line in lines)


def test_the_teacher_is_trained_once(troubled):
    _, files, _, _ = troubled
    (teacher,) = [record for record in files.all() if record.config.method == "teacher"]
    assert (teacher.role, epochs_trained(files, teacher.key)) == ("teacher", [0, 1])


def test_a_run_has_as_many_threads_as_cpus(troubled):
    _, files, _, _ = troubled
    assert {record.facts["threads"] for record in files.all()} == {1.0}


def test_a_run_that_was_given_no_gpu_sees_none(troubled):
    _, files, _, _ = troubled
    assert {record.facts["sees_gpus"] for record in files.all()} == {0.0}


def test_progress_counts_all_runs_and_names_the_metric(troubled):
    _, _, _, lines = troubled
    assert any(re.search(rf"\[\d/7\] good seed 0: epoch 2/2, {METRIC} 48\.0", line) for line in lines)
    assert re.search(r"6 runs finished, 1 failed, in \d+ s", lines[-1])


def test_resume_runs_only_what_has_no_result(troubled, cluster):
    spec, files, _, _ = troubled
    before = {record.key: record for record in files.all() if record.status == "finished"}
    lines: list[str] = []
    outcome = run(spec, files.results, cluster, resume=True, say=lines.append)
    assert (outcome.finished, outcome.failed) == (5, 1)
    assert lines[0] == "to run: 1 row"
    assert {key: files.record(key) for key in before} == before


def test_a_study_that_is_there_is_not_overwritten(troubled):
    spec, files, _, _ = troubled
    with pytest.raises(InputError, match=r"already holds a study with 7 runs.*--resume.*--name"):
        run(spec, files.results)


def test_resume_with_another_study_is_refused(troubled):
    spec, files, _, _ = troubled
    with pytest.raises(InputError, match=r"of the point 'good' \(seed 0\) training\.epochs was 2 and is now 3"):
        run(override(spec, {"base.training.epochs": 3}), files.results, resume=True)


def test_a_study_has_one_driver_at_a_time(troubled):
    spec, files, _, _ = troubled
    with only_driver(files), pytest.raises(InputError, match="another process is running this study"):
        run(spec, files.results, resume=True)


def test_a_teacher_that_fails_stops_its_students_and_nobody_else(cluster, tmp_path, monkeypatch):
    teacher = toy_study.TrialConfig.teacher_run
    monkeypatch.setattr(
        toy_study.TrialConfig,
        "teacher_run",
        lambda config: teacher(config).model_copy(update={"parameters": {"kill": "always"}}),
    )
    outcome = run(toy(seeds=[0], budget={"teacher_cpus": 1, "retries": 0}), tmp_path, cluster)
    assert "failed (its process died without coming any further" in (outcome.stopped or "")
    assert (outcome.finished, outcome.failed) == (1, 0)
    files = StudyFiles(tmp_path, "toy")
    assert [record.label for record in files.all() if record.status == "finished"] == ["student"]


def test_a_teacher_below_its_minimum_stops_its_students_until_it_is_forced(cluster, tmp_path):
    base = {"method": "pointdistiller", "training": {"epochs": 2}}
    base["teacher"] = {"training": {"epochs": 2}, "minimum": 60}
    spec, files, lines = toy(base=base, seeds=[0]), StudyFiles(tmp_path, "toy"), []
    refused = run(spec, tmp_path, cluster)
    assert (refused.finished, refused.failed) == (1, 0), "who needs no teacher learns"
    assert "reaches 48.0 mAP/3d/moderate" in (refused.stopped or "")
    assert "teacher.minimum=60" in (refused.stopped or "")
    forced = run(spec, tmp_path, cluster, resume=True, force=True, say=lines.append)
    assert (forced.finished, forced.failed, forced.stopped) == (2, 0, None)
    assert lines[0] == "to run: 1 row", "the teacher was run twice"
    assert any(line.startswith("forced: the teacher") for line in lines)
    assert [record.role for record in files.all()].count("teacher") == 1


@pytest.mark.parametrize(("key", "amount"), [("cpus_per_trial", 64), ("gpus_per_trial", 1), ("teacher_cpus", 64)])
def test_what_no_node_holds_is_refused_at_once(cluster, tmp_path, key, amount):
    budget = {"teacher_cpus": 1, key: amount}
    with pytest.raises(InputError, match=rf"budget\.{key}={amount} fits on no node of this Ray: the largest has"):
        run(toy(budget=budget), tmp_path, cluster)


def test_the_time_limit_leaves_open_runs_open(cluster, tmp_path):
    base = {"method": "student", "training": {"epochs": 50}, "parameters": {"pause": 0.5}}
    spec = toy(base=base, points=[{"label": "long"}], seeds=[0], budget={"teacher_cpus": 1, "hours": 3 / 3600})
    outcome = run(spec, tmp_path, cluster)
    assert (outcome.finished, outcome.failed) == (0, 0)
    assert "budget.hours" in (outcome.stopped or "")
    for begun in StudyFiles(tmp_path, "toy").runs.glob("*/pid"):  # on a busy machine none was, perhaps
        assert begun.with_name("left").exists(), "the epoch under way was thrown away"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "ray://127.0.0.1:10001"])
def test_an_address_without_a_cluster_is_one_clear_line(tmp_path, address):
    with pytest.raises(InputError, match=f"--address {address}: ") as caught:
        run(toy(), tmp_path, address)
    assert "\n" not in str(caught.value)


def test_killed_and_interrupted_drivers_lose_nothing_and_repeat_nothing(tmp_path):
    files = StudyFiles(tmp_path, "toy")
    with driver(tmp_path) as killed:
        wait_for_records(files, 2)
        killed.kill()
    with driver(tmp_path, "--resume") as interrupted:
        wait_for_records(files, 4)
        os.killpg(interrupted.pid, signal.SIGINT)  # as a terminal does: driver, Ray and runs all get it
        lines, _ = interrupted.communicate(timeout=30)
    assert "stopped: interrupted. Finished runs are kept; the same command with --resume goes on" in lines
    assert "Traceback" not in lines
    with driver(tmp_path, "--resume") as last:
        lines, _ = last.communicate(timeout=90)
    assert "0 failed" in lines
    assert [record.role for record in files.all()].count("search") == 8
    trials = optuna_trials(files)
    suggested = [tuple(sorted(trial.params.items())) for trial in trials if trial.state.name == "COMPLETE"]
    assert len(suggested) == len(set(suggested)) == 8
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "FAIL"}
    assert map_epochs(files) == [[0, 1, 2, 3]] * 8, "an epoch is missing, or was trained twice"
    assert until_gone(str(tmp_path)), "a Ray of a killed driver is still there"


def wait_for_records(files: StudyFiles, count: int) -> None:
    give_up = time.monotonic() + 90
    while sum(record.role != "teacher" for record in files.all()) < count:
        assert time.monotonic() < give_up, f"no {count} records within 90 s"
        time.sleep(0.05)
    time.sleep(0.4)  # into the next run


def map_epochs(files: StudyFiles) -> list[list[int]]:
    return [epochs_trained(files, record.key) for record in files.all() if record.role == "search"]


def optuna_trials(files: StudyFiles) -> list[optuna.trial.FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(files.journal)))
    (summary,) = optuna.get_all_study_summaries(storage)
    return optuna.load_study(study_name=summary.study_name, storage=storage).trials
