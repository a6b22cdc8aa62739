"""`plan`: what a study takes, with the real detectors, and nothing written."""

import json
import shlex

from tests.command_line import here


def test_a_study_is_told_before_it_starts_and_the_command_that_measures_it_is_one_that_runs(tmp_path):
    said = here("plan", "quickstart", "--results", str(tmp_path / "results"), "--price", "2")
    assert said.returncode == 0, said.stderr
    assert "quickstart: 7 runs" in said.stdout
    assert "device-hours not known" in said.stdout
    (command,) = [line.strip() for line in said.stdout.splitlines() if "run_study.py run" in line]
    measured = here(*shlex.split(command)[2:], "--dry-run")
    assert measured.returncode == 0, measured.stderr
    assert "teacher (1 epochs)" in measured.stdout
    assert not list(tmp_path.iterdir())


def test_json_holds_what_the_lines_say(tmp_path):
    said = here("plan", "quick_search", "--results", str(tmp_path / "results"), "--json", "--price", "2")
    document = json.loads(said.stdout)
    assert [(group["role"], group["runs"], group["done"]) for group in document["groups"]] == [
        ("teacher", 1, 0),
        ("search", 12, 0),
    ]
    assert all(group["hours"] is None and group["disk"] > 0 for group in document["groups"])
    measured = here(*shlex.split(document["measuring"])[2:], "--dry-run")
    assert measured.returncode == 0, measured.stderr


def test_what_run_refuses_is_refused_in_one_line(tmp_path):
    said = here("plan", "quickstart", "--rows", "studnet", "--results", str(tmp_path))
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert "Did you mean 'student'?" in said.stderr
