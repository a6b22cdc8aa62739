"""What is missing: one criterion for every run, a record and the files that it promises."""

import json

import pytest
from toy_study import resolve, toy

from study.nouns.errors import InputError
from study.nouns.overrides import override
from study.nouns.promised import Plan, PlannedRun
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import RESERVED
from study.planning.missing import still_to_run
from study.planning.plan import expand


def keep(run: PlannedRun, files: StudyFiles, status: str = "finished", detector: bool = True) -> None:
    files.write(RunRecord(key=run.config.key, study="toy", config=run.config, status=status))
    files.run(run.config.key).mkdir(parents=True, exist_ok=True)
    if detector:
        files.checkpoint(run.config.key).touch()


@pytest.fixture
def runs() -> list[PlannedRun]:
    return expand(toy(), resolve)


def test_a_run_is_missing_until_it_is_over(tmp_path, runs):
    files = StudyFiles(tmp_path, "toy")
    keep(runs[0], files)
    keep(runs[1], files, "failed")
    assert still_to_run([*runs, *runs], files) == runs[2:]
    keys = [run.config.key for run in runs]
    assert [files.status(key) for key in keys] == ["finished", "failed", None, None]
    assert [files.ended(key) is not None for key in keys] == [True, True, False, False]
    assert [files.finished(key) is not None for key in keys] == [True, False, False, False]


def test_a_finished_run_that_has_lost_its_detector_is_run_again(tmp_path, runs):
    files = StudyFiles(tmp_path, "toy")
    keep(runs[0], files, detector=False)
    assert still_to_run(runs[:1], files) == runs[:1]


def test_how_a_run_has_ended_is_read_again_where_its_record_has_changed(tmp_path, runs):
    files, key = StudyFiles(tmp_path, "toy"), runs[0].config.key
    for status in ("failed", "finished", "failed"):
        keep(runs[0], files, status)
        assert files.status(key) == status
    files.retry(key)
    assert files.status(key) is None


def test_a_run_that_another_study_has_trained_is_not_missing(tmp_path, runs):
    keep(runs[0], StudyFiles(tmp_path, "another"))
    assert still_to_run(runs[:2], StudyFiles(tmp_path, "toy")) == runs[1:2]


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"schema_version": 99}), json.dumps({"key": "x"})])
def test_a_record_that_cannot_be_read_is_named_and_its_run_is_missing(tmp_path, runs, content):
    files = StudyFiles(tmp_path, "toy")
    keep(runs[0], files)
    keep(runs[1], files)
    files.write_plan(Plan(runs=tuple(runs)))
    path, keys = files.record_json(runs[0].config.key), [run.config.key for run in runs]
    path.write_text(content)
    assert still_to_run(runs[:2], files) == runs[:1]
    assert [record.key for record in files.all()] == keys[1:2]
    (reason,) = files.set_unreadable_aside(keys)
    assert str(path) in reason
    assert not path.exists()
    assert [kept.read_text() for kept in (files.run(keys[0]) / "unreadable").iterdir()] == [content]
    assert files.set_unreadable_aside(keys) == []


@pytest.mark.parametrize("name", ["..", ".", "", "../x", "a/b", "/abs", ".hidden", *RESERVED, "Runs"])
def test_a_study_cannot_be_called_what_leaves_the_results_or_is_another_folder(tmp_path, name):
    with pytest.raises(InputError, match="stud"):
        StudyFiles(tmp_path, name)
    with pytest.raises(InputError, match="stud"):
        override(toy(), {"name": name})
