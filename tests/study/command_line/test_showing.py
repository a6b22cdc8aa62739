"""`show`: one run by the beginning of its key, whatever has become of it."""

import json

import pytest
from other_processes import training

from study.nouns.records import StudyFiles
from tests.analysis import made_up_study as made_up
from tests.command_line import here


@pytest.fixture
def files(tmp_path) -> StudyFiles:
    """A study whose row LD failed on its last seed; every finished run has a detector."""
    return made_up.with_detectors(tmp_path, size=1_300_000)


def shown(files: StudyFiles, *named: str) -> str:
    said = here("show", *named, "--results", str(files.results))
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_a_finished_run_is_told_with_its_differences_results_cost_files_and_log(files):
    key = made_up.key_of(files, "student", 1)
    (files.run(key) / "train.log").write_text("first line\nlast line\n")
    text = shown(files, str(files.root), key[:6])
    record = files.record(key)
    assert f"{key}  student (row), seed 1" in text
    assert "state    finished" in text
    assert "method = student (base: pointdistiller)" in text
    assert f"epochs   {len(record.epochs)} of {record.config.training.epochs}" in text
    assert f"mAP/3d/moderate {record.metrics['mAP/3d/moderate']:.2f}" in text
    assert f"{record.seconds:,.0f} s alone" in text
    assert record.host in text
    assert "1.3 MB" in text
    assert text.endswith("first line\n  last line\n")


def test_without_a_study_the_run_is_looked_for_below_the_results(files):
    key = made_up.key_of(files, "LD", 0)
    assert shown(files, key) == shown(files, str(files.root), key)


def test_a_run_that_no_plan_names_any_more_is_told_from_its_record(files):
    key = made_up.key_of(files, "LD", 0)
    files.plan_json.unlink()
    assert f"{key}  LD (row), seed 0" in shown(files, key)


def test_a_failed_run_is_told_with_its_error(files):
    text = shown(files, made_up.key_of(files, "LD", 1))
    assert "state    failed" in text
    assert "error    RuntimeError" in text


def test_a_run_that_is_open_says_how_far_it_is(files):
    key = made_up.key_of(files, "student", 0)
    files.record_json(key).unlink()
    with training(files, key):
        assert "under way" in shown(files, key)
    assert "without a whole epoch" in shown(files, key)
    files.latest(key).touch()
    text = shown(files, key)
    assert "a launch goes on from its checkpoint" in text
    assert "epochs   some (last checkpoint 2" in text
    for path in files.run(key).iterdir():
        path.unlink()
    files.run(key).rmdir()
    assert "state    never started" in shown(files, key)
    assert not files.run(key).exists(), "to show writes nothing"


def test_records_that_are_no_use_are_told_apart(files):
    key = made_up.key_of(files, "student", 0)
    files.checkpoint(key).unlink()
    assert "its detector is lost" in shown(files, key)
    files.record_json(key).write_text("{")
    assert "cannot be read" in shown(files, key)


def test_json_prints_the_record_as_its_study_calls_it_and_what_is_planned_where_there_is_none(files):
    key = made_up.key_of(files, "student", 0)
    document = json.loads(shown(files, key, "--json"))
    assert document == {**files.record(key).model_dump(mode="json"), "state": "finished"}
    files.record_json(key).unlink()
    document = json.loads(shown(files, key, "--json"))
    assert (document["key"], document["label"], document["config"]["seed"]) == (key, "student", 0)


def test_what_is_no_run_is_refused_in_one_line(files):
    for named, says in [
        (["student"], f"the runs of the row 'student' have the keys {made_up.key_of(files, 'student', 0)}"),
        (["zzz"], "no run has a key that begins with 'zzz'"),
        ([""], "begins the keys of"),
        (["a", "b", "c"], "got 3 arguments"),
        ([str(files.results), "abc"], "holds no study.json"),
    ]:
        said = here("show", *named, "--results", str(files.results))
        assert (said.returncode, said.stderr.count("\n")) == (2, 1), said.stderr
        assert says in said.stderr
    said = here("show", "abc", "--results", str(files.root))
    assert "found neither studies nor runs" in said.stderr
