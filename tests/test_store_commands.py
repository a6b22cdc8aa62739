"""Real training whose results lie in an object store, and every command that reads there, on another machine."""

import json

import pytest
import yaml
from command_line import command, here
from s3_server import new_bucket, served
from test_command_line import tiny_study

from study.nouns.object_store import Store
from study.nouns.study_in_store import SCRATCH


@pytest.mark.long
def test_a_study_is_run_and_reported_without_a_folder_that_machines_share(tmp_path, monkeypatch):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny_study("tiny")))
    with served() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        url = new_bucket(environment)
        monkeypatch.setenv(SCRATCH, str(tmp_path / "one machine"))
        done = command("run", "tiny.yaml", "--results", url, cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        assert "report: " in done.stdout
        assert "the loss is not finite" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
        names = {name.rpartition("/")[2] for name in Store(url).seen("runs")}
        assert {"record.json", "detector.pth", "detector.py", "train.log"} <= names
        assert not [name for name in names if name.endswith("partial")]

        monkeypatch.setenv(SCRATCH, str(tmp_path / "another"))
        said = here("status", f"{url}/tiny").stdout
        assert "tiny: no driver is alive" in said
        assert "6 of 6 runs are over" in said
        assert "nothing to stop" in here("stop", f"{url}/tiny").stdout
        report = here("report", f"{url}/tiny", "--into", str(tmp_path / "report"))
        assert report.returncode == 0, report.stderr
        assert "the loss is not finite" in (tmp_path / "report" / "index.html").read_text()
        plan = json.loads(here("plan", "tiny.yaml", "--results", url, "--json", cwd=tmp_path).stdout)
        assert {group["label"]: (group["runs"], group["done"]) for group in plan["groups"]}["student"] == (1, 1)
        key = next(name.split("/")[1] for name in Store(url).seen("runs") if name.endswith("detector.pth"))
        shown = here("show", f"{url}/tiny", key[:8])
        assert "state    finished" in shown.stdout, shown.stderr
        assert "train.log" in shown.stdout or "none of its own" in shown.stdout
        again = here("run", "tiny.yaml", "--results", url, "--resume", "--rows", "student", cwd=tmp_path)
        assert "nothing is missing" in again.stdout, again.stderr
        assert not list((tmp_path / "another").rglob("*.pth"))
        doctor = json.loads(here("doctor", "--results", url, "--json").stdout)
        assert {one["check"]: one["ok"] for one in doctor["findings"]}["results"], doctor
    assert [path.name for path in tmp_path.iterdir() if path.name == "results"] == []
