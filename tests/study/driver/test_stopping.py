"""A study that is asked to stop ends after the epochs under way, and goes on where it was."""

import re
import time

from command_line import here
from killed_drivers import until_gone
from test_launch import epochs_trained
from test_live_table import Cohort
from test_nodes import launched, read_until
from toy_driver import Driver, taught
from toy_study import toy

from study.driver.stopping import Stopping
from study.nouns.records import StudyFiles

SPEC = toy(
    base={"method": "student", "training": {"epochs": 8}, "parameters": {"pause": 0.7}},
    points=[{"label": "row"}], seeds=[0, 1, 2], budget={"concurrent": 2},
)  # fmt: skip


def test_a_study_is_stopped_from_another_process_and_no_epoch_is_trained_twice(tmp_path):
    files = StudyFiles(tmp_path, "toy")
    with launched(SPEC, tmp_path, "local") as study:
        said = read_until(study, "epoch 2/8")
        alive = here("status", str(files.root)).stdout
        stopped = here("stop", str(files.root))
        said += study.communicate(timeout=60)[0]
    assert "a driver is alive: process" in alive
    assert "0 of 3 runs are over, no run has ended" in alive
    assert stopped.returncode == 0, stopped.stderr
    assert "toy: stopped;" in stopped.stdout
    assert re.search(r"asked to stop: [12] cohorts? to go on to the end of an epoch; nothing is started", said), said
    assert "stopped: `run_study.py stop` asked for it. Finished runs are kept" in said
    assert files.stop.exists()
    kept = epochs_trained(files, files.read_plan().runs[0].config.key)
    assert 2 <= len(kept) < 8
    assert "nothing to stop" in here("stop", str(files.root)).stdout
    with launched(SPEC, tmp_path, "local", "--resume") as again:
        said = again.communicate(timeout=120)[0]
    assert "3 runs finished, 0 failed" in said
    assert not files.stop.exists()
    assert [epochs_trained(files, record.key) for record in files.all()] == [list(range(8))] * 3
    assert "3 of 3 runs are over" in here("status", str(files.root)).stdout
    assert until_gone(str(tmp_path))


def test_a_cohort_is_held_when_none_of_its_runs_is_an_epoch_behind(tmp_path):
    driver = taught(Driver(tmp_path))
    stopping, runs = Stopping(driver.files), driver.next(students=1)
    cohort, keys = Cohort(runs), [one.config.key for one in runs]
    assert len(keys) > 1
    stopping.hold(cohort, {"key": keys[0], "epoch": 1, "epochs": 9})
    stopping.asked = True
    held = [stopping.hold(cohort, {"key": key, "epoch": 2, "epochs": 9}) for key in keys]
    assert held == [*[False] * (len(keys) - 1), True]
    driver.end(runs[1:], status="failed")
    assert stopping.hold(cohort, {"key": keys[0], "epoch": 3, "epochs": 9}), "it waits for runs that are over"


def test_a_study_without_a_driver_is_not_asked(tmp_path):
    files = StudyFiles(tmp_path, "toy")
    files.write_study(SPEC)
    began = time.monotonic()
    said = here("stop", str(files.root))
    assert (said.returncode, "no driver is alive; nothing to stop" in said.stdout) == (0, True), said.stderr
    assert time.monotonic() - began < 60
    assert not files.stop.exists()
