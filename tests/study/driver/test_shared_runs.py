"""Several studies below one results folder: what they have in common is trained once, and each calls it by its name."""

import re
import subprocess
from pathlib import Path

from test_launch import epochs_trained
from test_nodes import launched
from toy_study import run, toy

from analysis import report
from analysis.study_folders import load
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec

SLOW = {"method": "student", "training": {"epochs": 25}, "parameters": {"pause": 1.0}}


def named(name: str, label: str, **changes) -> StudySpec:
    """A study of one row and of another of its own."""
    own = {"label": f"only {name}", "set": {"parameters.samples": 100 + len(name), "parameters.pause": 0.0}}
    return toy(**{"name": name, "points": [{"label": label}, own], "seeds": [0], **changes})


def shown(folder: Path) -> list[tuple[str, str, str]]:
    """Role, label and status of every run that a study's report knows."""
    return sorted(load([folder]).runs[["role", "label", "status"]].itertuples(index=False, name=None))


def test_two_studies_train_what_they_have_in_common_once_and_show_it_under_their_own_labels(cluster, tmp_path):
    first, second = named("first", "ours"), named("second", "theirs", search={"trials": 1})
    run(first, tmp_path, cluster)
    lines: list[str] = []
    outcome = run(second, tmp_path, cluster, say=lines.append)
    assert "to run: 1 row, 1 searched run" in lines
    assert (outcome.finished, outcome.failed) == (3, 0)
    keys = {name: [record.key for record in StudyFiles(tmp_path, name).all()] for name in ("first", "second")}
    assert len(set(keys["first"]) & set(keys["second"])) == 2, "a teacher and a row"
    for key in {*keys["first"], *keys["second"]}:
        assert epochs_trained(StudyFiles(tmp_path, "any"), key) == [0, 1]
    both = [("row", "only first"), ("row", "ours"), ("teacher", "teacher")]
    assert shown(tmp_path / "first") == [(*run, "finished") for run in both]
    both = [("row", "only second"), ("row", "theirs"), ("search", "search"), ("teacher", "teacher")]
    assert shown(tmp_path / "second") == [(*run, "finished") for run in both]
    page = report.write([tmp_path / "second"]).read_text()
    assert "theirs" in page
    assert "ours" not in re.sub("hours|yours|colours|courses", "", page)


def test_a_study_is_answered_by_what_another_has_trained_since_it_was_stopped(cluster, tmp_path):
    spec, lines = named("first", "ours"), []
    run(spec, tmp_path, cluster, only=["ours"])
    run(spec.model_copy(update={"name": "second"}), tmp_path, cluster)
    outcome = run(spec, tmp_path, cluster, resume=True, say=lines.append)
    assert lines == ["nothing is missing"]
    assert (outcome.finished, outcome.failed) == (2, 0)


def test_the_failure_of_another_study_is_tried_again(cluster, tmp_path):
    bad = [{"label": "bad", "set": {"parameters.fail": True}}]
    files, lines = StudyFiles(tmp_path, "second"), []
    run(toy(name="first", points=bad, seeds=[0]), tmp_path, cluster)
    outcome = run(toy(name="second", points=bad, seeds=[0]), tmp_path, cluster, say=lines.append)
    assert "to run: 1 row" in lines
    assert outcome.failed == 1
    (failed,) = [record.key for record in files.all() if record.status == "failed"]
    assert len(list(files.attempts(failed))) == 1


def test_a_part_of_a_study_is_run_now_and_the_rest_later(cluster, tmp_path):
    spec, lines = named("parts", "ours", search={"trials": 1}), []
    outcome = run(spec, tmp_path, cluster, only=["ours"], say=lines.append)
    assert (outcome.finished, outcome.stopped) == (1, None)
    assert "to run: 1 teacher, 1 row" in lines
    assert [what for what in shown(tmp_path / "parts") if what[2] == "not_run"] == [
        ("row", "only parts", "not_run"), ("search", "search", "not_run")
    ]  # fmt: skip
    run(spec, tmp_path, cluster, resume=True, say=lines.append)
    assert "to run: 1 row, 1 searched run" in lines
    assert {status for _, _, status in shown(tmp_path / "parts")} == {"finished"}


def test_two_drivers_at_once_train_what_they_have_in_common_once(tmp_path):
    first, second = named("first", "ours", base=SLOW), named("second", "theirs", base=SLOW)
    with launched(first, tmp_path, "local") as one:
        wait_for_line(one, "ours seed 0: epoch 1/25")
        with launched(second, tmp_path, "local") as two:
            said, _ = two.communicate(timeout=90)
        one.communicate(timeout=90)
    assert "theirs seed 0: another process trains it; waiting for its result" in said
    assert re.search(r"theirs seed 0: epoch 25/25", said)
    assert "2 runs finished, 0 failed" in said
    records = [*StudyFiles(tmp_path, "first").all(), *StudyFiles(tmp_path, "second").all()]
    assert [record.label for record in records] == ["ours", "only first", "theirs", "only second"]
    for key in {record.key for record in records}:
        assert epochs_trained(StudyFiles(tmp_path, "any"), key) == list(range(25))


def wait_for_line(driver: subprocess.Popen[str], words: str) -> None:
    assert driver.stdout is not None
    said = ""
    while words not in said:
        line = driver.stdout.readline()
        assert line, said
        said += line
