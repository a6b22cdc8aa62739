"""Several studies below one results folder: what they have in common is trained once, and each calls it by its name."""

import os
import re
import signal
from pathlib import Path

from test_launch import epochs_trained
from test_nodes import launched, read_until
from toy_study import run, toy

from analysis.study_folders import load
from study.nouns.leases import Lease
from study.nouns.overrides import override
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec


def named(name: str, label: str, **changes) -> StudySpec:
    """A study of one row and of another of its own."""
    own = {"label": f"only {name}", "set": {"parameters.samples": 100 + len(name)}}
    return toy(**{"name": name, "points": [{"label": label}, own], "seeds": [0], **changes})


def shown(folder: Path) -> list[tuple[str, str, str]]:
    """Role, label and status of every run that a study's report knows."""
    return sorted(load([folder]).runs[["role", "label", "status"]].itertuples(index=False, name=None))


def test_studies_train_what_they_have_in_common_once_and_show_it_under_their_own_labels(cluster, tmp_path):
    """The first is stopped after one row; the second has trained the other one before the first goes on."""
    first, second = named("first", "ours"), named("second", "theirs", search={"trials": 1})
    again = {"label": "theirs too", "set": first.points[1].set}
    second = override(second, {"points": [*(point.model_dump() for point in second.points), again]})
    run(first, tmp_path, cluster, only=["ours"])
    lines: list[str] = []
    outcome = run(second, tmp_path, cluster, say=lines.append)
    assert "to run: 2 rows, 1 searched run" in lines
    assert (outcome.finished, outcome.failed) == (4, 0)
    lines.clear()
    outcome = run(first, tmp_path, cluster, resume=True, say=lines.append)
    assert lines == ["nothing is missing"]
    assert (outcome.finished, outcome.failed) == (2, 0)
    keys = {name: [record.key for record in StudyFiles(tmp_path, name).all()] for name in ("first", "second")}
    assert len(set(keys["first"]) & set(keys["second"])) == 3, "a teacher and two rows"
    for key in {*keys["first"], *keys["second"]}:
        assert epochs_trained(StudyFiles(tmp_path, "any"), key) == [0, 1]
    expected = [("row", "only first"), ("row", "ours"), ("teacher", "teacher")]
    assert shown(tmp_path / "first") == [(*run, "finished") for run in expected]
    expected = [("row", "only second"), ("row", "theirs"), ("row", "theirs too"), ("search", "search")]
    assert shown(tmp_path / "second") == [(*run, "finished") for run in [*expected, ("teacher", "teacher")]]


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
    go = tmp_path / "go on"
    base = {"method": "student", "training": {"epochs": 3}, "parameters": {"until": str(go)}}
    first, second = named("first", "ours", base=base), named("second", "theirs", base=base)
    with launched(first, tmp_path, "local") as one:
        read_until(one, "ours seed 0: epoch 1/3")
        with launched(second, tmp_path, "local") as two:
            said = read_until(two, "theirs seed 0: another process trains it; waiting for its result")
            go.touch()
            said += two.communicate(timeout=90)[0]
        one.communicate(timeout=90)
    assert re.search(r"theirs seed 0: epoch 3/3", said)
    assert "2 runs finished, 0 failed" in said
    records = [*StudyFiles(tmp_path, "first").all(), *StudyFiles(tmp_path, "second").all()]
    assert [record.label for record in records] == ["ours", "only first", "theirs", "only second"]
    for key in {record.key for record in records}:
        assert epochs_trained(StudyFiles(tmp_path, "any"), key) == list(range(3))


def test_a_run_whose_driver_and_worker_were_killed_is_taken_over_by_the_study_that_waits_for_it(tmp_path):
    go = tmp_path / "go on"
    base = {"method": "student", "training": {"epochs": 3}, "parameters": {"until": str(go)}}
    first, second = named("first", "ours", base=base), named("second", "theirs", base=base)
    files = StudyFiles(tmp_path, "second")
    with launched(first, tmp_path, "local") as one:
        read_until(one, "ours seed 0: epoch 1/3")
        with launched(second, tmp_path, "local") as two:
            said = read_until(two, "theirs seed 0: another process trains it; waiting for its result")
            (shared,) = {run.config.key for run in files.read_plan().runs if run.label == "theirs"}
            holder = Lease(files.run(shared)).holder()
            assert holder is not None
            one.kill()
            os.kill(holder.pid, signal.SIGKILL)
            go.touch()
            said += two.communicate(timeout=90)[0]
    assert "2 runs finished, 0 failed" in said
    assert epochs_trained(files, shared) == list(range(3)), "none twice"
    record = files.finished(shared)
    assert record is not None
    assert (record.study, record.lease) == ("second", 2)
