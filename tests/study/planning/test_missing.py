"""What is missing: one criterion for every run, a record and the files that it promises."""

import json

import pytest
from toy_study import resolve, toy

from study.nouns.errors import InputError
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import RESERVED
from study.planning.missing import ended, finished, still_to_run
from study.planning.plan import expand, teachers


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
    assert [ended(run, files) is not None for run in runs] == [True, True, False, False]
    assert [finished(run, files) is not None for run in runs] == [True, False, False, False]


def test_a_finished_run_that_has_lost_its_detector_is_run_again(tmp_path, runs):
    files = StudyFiles(tmp_path, "toy")
    keep(runs[0], files, detector=False)
    assert still_to_run(runs[:1], files) == runs[:1]


def test_a_teacher_is_looked_for_among_the_teachers_of_all_studies(tmp_path, runs):
    files = StudyFiles(tmp_path, "toy")
    (teacher,) = teachers(runs, resolve)
    keep(teacher, files)
    assert still_to_run([teacher], files) == [teacher]
    keep(teacher, files.teachers(), detector=False)
    assert still_to_run([teacher], files) == [teacher], "its students would find no file to learn from"
    keep(teacher, files.teachers())
    assert still_to_run([teacher], files) == []


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"schema_version": 99}), json.dumps({"key": "x"})])
def test_a_record_that_cannot_be_read_is_named_and_its_run_is_missing(tmp_path, runs, content):
    files = StudyFiles(tmp_path, "toy")
    keep(runs[0], files)
    keep(runs[1], files)
    path = files.records / f"{runs[0].config.key}.json"
    path.write_text(content)
    assert still_to_run(runs[:2], files) == runs[:1]
    assert [record.key for record in files.all()] == [runs[1].config.key]
    (reason,) = files.set_unreadable_aside()
    assert str(path) in reason
    assert not path.exists()
    assert [kept.read_text() for kept in (files.records / "unreadable").iterdir()] == [content]
    assert files.set_unreadable_aside() == []


@pytest.mark.parametrize("name", ["..", ".", "", "../x", "a/b", "/abs", ".hidden", *RESERVED, "Teachers"])
def test_a_study_cannot_be_called_what_leaves_the_results_or_is_another_folder(tmp_path, name):
    with pytest.raises(InputError, match="stud"):
        StudyFiles(tmp_path, name)
    with pytest.raises(InputError, match="stud"):
        override(toy(), {"name": name})
