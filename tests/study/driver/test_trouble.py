"""What may go wrong around the runs: refusals, records that cannot be read or written, time, failures that count."""

import errno
import shutil
from pathlib import Path

import pytest
from ray import tune
from toy_study import METRIC, OFFERED, run, toy

from study.driver.departing import DriverLeavesError, Heard
from study.driver.no_run_without_record import Clock, Guard, recorded
from study.driver.progress import Progress
from study.nouns.assignment import carry
from study.nouns.errors import InputError
from study.nouns.promised import PlannedRun
from study.nouns.records import RunRecord, StudyFiles
from study.planning.missing import assign
from study.planning.plan import expand
from study.planning.study_state import StudyState

GOOD = [{"label": "good"}]


class Unwatched:
    """A watch over nodes of which there are none: these tests start no Ray."""

    def look(self) -> None:
        """Nothing to see."""


class Given:
    """A run as Tune hands it to callbacks."""

    trial_id = "t"
    status = "ERROR"
    pickled_error_file = None
    last_result = None

    def __init__(self, planned: PlannedRun, files: StudyFiles) -> None:
        self.config = carry([assign(planned, files)])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"metric": "mAP/3d/moderat"}, rf"unknown metric 'mAP/3d/moderat'\. Did you mean '{METRIC}'"),
        ({"budget": {"cpus_per_trial": 64, "teacher_cpus": 1}}, "fits on no node"),
        ({"search": {"space": {"parameters.samples": {"low": 1, "high": 1e6}}}}, "at most 12000"),
        ({"points": [{"label": "x", "set": {"training.epoch": 1}}]}, "training.epoch"),
    ],
    ids=["metric", "resources", "space", "point"],
)
def test_a_study_that_is_refused_leaves_nothing_behind(cluster, tmp_path, change, complaint):
    with pytest.raises(InputError, match=complaint):
        run(toy(**change), tmp_path, cluster)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def launched(cluster, tmp_path_factory) -> Path:
    """The results of a good row after its launch, to be copied."""
    results = tmp_path_factory.mktemp("launched")
    run(toy(points=GOOD, seeds=[0]), results, cluster)
    return results


@pytest.fixture
def files(launched, tmp_path) -> StudyFiles:
    """Results of a test's own."""
    return StudyFiles(shutil.copytree(launched, tmp_path / "results"), "toy")


def test_an_unreadable_record_is_named_and_its_run_is_run_again(cluster, files):
    lines: list[str] = []
    record = next(record for record in files.all() if record.label == "good")
    path = files.record_json(record.key)
    path.write_text("{")
    outcome = run(toy(points=GOOD, seeds=[0]), files.results, cluster, resume=True, say=lines.append)
    assert (outcome.finished, outcome.failed) == (1, 0)
    assert any(str(path) in line and "not JSON" in line for line in lines)


def test_a_teacher_whose_detector_is_gone_is_trained_again_before_its_students(cluster, files):
    lines: list[str] = []
    teacher = next(record for record in files.all() if record.role == "teacher")
    files.checkpoint(teacher.key).unlink()
    outcome = run(toy(points=GOOD, seeds=[0, 1]), files.results, cluster, resume=True, say=lines.append)
    assert (outcome.finished, outcome.failed) == (2, 0)
    assert "to run: 1 teacher, 1 row" in lines
    assert files.checkpoint(teacher.key).exists()


def test_failed_tries_are_told_apart_from_failed_rows(cluster, tmp_path):
    fails = {"parameters.fail": {"choices": [False, True]}, "parameters.samples": {"low": 100, "high": 900}}
    search = {"trials": 2, "startup": 2, "space": fails}
    points = [*GOOD, {"label": "bad", "set": {"parameters.fail": True}}]
    outcome = run(toy(points=points, seeds=[0], search=search), tmp_path, cluster)
    records = [record for record in StudyFiles(tmp_path, "toy").all() if record.role != "teacher"]
    failed = [record.role for record in records if record.status == "failed"]
    assert outcome.failed == failed.count("row") == 1
    assert outcome.failed_tries == failed.count("search") > 0
    assert outcome.finished == len(records) - len(failed)


def test_a_search_without_any_result_has_failed(tmp_path):
    spec, files = toy(points=[], search={"trials": 1}), StudyFiles(tmp_path, "toy")
    state = StudyState(spec, OFFERED, files)
    config = state.searched[0].config
    state._suggested = {config.key: state.searched[0]}
    failure = {"status": "failed", "error": "the loss is not finite"}
    files.write(RunRecord(key=config.key, study="toy", role="search", config=config, **failure))
    assert state.outcome(None)[:3] == (0, 1, 0)


def test_the_hours_of_a_study_count_over_all_of_its_launches(tmp_path):
    files = StudyFiles(tmp_path, "toy")
    files.spend(3590.0)
    clock = Clock(files, hours=1)
    Guard(clock, Unwatched(), Heard()).on_step_begin(0, [])
    clock.keep(at_once=True)
    assert 3590 < files.spent() < 3600
    files.spend(3600.0)
    with pytest.raises(DriverLeavesError, match=r"budget\.hours=1 is reached"):
        Guard(Clock(files, hours=1), Unwatched(), Heard()).on_step_begin(0, [])
    Guard(Clock(files, hours=None), Unwatched(), Heard()).on_step_begin(0, [])


def test_a_record_that_cannot_be_written_ends_its_own_run_only(tmp_path, monkeypatch):
    files, lines = StudyFiles(tmp_path, "toy"), []
    trial = Given(expand(toy(), OFFERED.resolve)[0], files)

    def over_quota(self: StudyFiles, record: RunRecord) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(StudyFiles, "write", over_quota)
    guard, progress = Guard(Clock(files, None), Unwatched(), Heard(), lines.append), Progress(2, METRIC, lines.append)
    progress.on_trial_start(iteration=0, trials=[], trial=trial)
    for callback in (guard, progress):
        callback.on_trial_error(iteration=0, trials=[], trial=trial)
    assert any("Disk quota exceeded" in line for line in lines)
    assert any("student seed 0: FAILED" in line for line in lines)


def test_a_run_that_left_nothing_where_the_driver_reads_has_failed(tmp_path, monkeypatch):
    files = StudyFiles(tmp_path, "toy")
    planned = expand(toy(), OFFERED.resolve)[0]
    monkeypatch.setattr("study.driver.no_run_without_record.ARRIVES_S", 0.3)
    Guard(Clock(files, None), Unwatched(), Heard()).on_trial_complete(
        iteration=0, trials=[], trial=Given(planned, files)
    )
    assert "no record of it is in" in files.record(planned.config.key).error


def test_a_clock_that_cannot_be_kept_does_not_end_the_study(tmp_path, monkeypatch):
    files, lines = StudyFiles(tmp_path, "toy"), []
    guard = Guard(Clock(files, None), Unwatched(), Heard(), lines.append)
    guard.clock._kept -= 3600

    def full(self: StudyFiles, seconds: float) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StudyFiles, "spend", full)
    guard.on_step_begin(0, [])
    assert any("No space left" in line for line in lines)


def test_a_run_whose_files_are_lost_fails_anew_and_not_by_its_old_result(tmp_path, monkeypatch):
    files = StudyFiles(tmp_path, "toy")
    planned = expand(toy(), OFFERED.resolve)[0]
    files.write(RunRecord(key=planned.config.key, study="toy", config=planned.config, status="finished"))

    def breaks(tune_config: dict) -> None:
        raise ValueError("no such device")

    monkeypatch.setattr(tune, "report", lambda result: None)
    recorded(breaks)(carry([assign(planned, files)]))
    assert files.record(planned.config.key).error == "ValueError: no such device"


def test_a_result_that_has_lost_its_files_is_not_taken_for_that_of_a_run_which_was_killed(tmp_path):
    files, lines = StudyFiles(tmp_path, "toy"), []
    planned = expand(toy(), OFFERED.resolve)[0]
    files.write(RunRecord(key=planned.config.key, study="toy", config=planned.config, status="finished"))
    trial, progress = Given(planned, files), Progress(1, METRIC, lines.append)
    progress.on_trial_start(iteration=0, trials=[], trial=trial)
    progress.on_trial_result(iteration=0, trials=[], trial=trial, result={"key": planned.config.key})
    assert progress.done == 0
    Guard(Clock(files, None), Unwatched(), Heard(), lines.append).on_trial_error(iteration=0, trials=[], trial=trial)
    assert files.record(planned.config.key).status == "failed"
