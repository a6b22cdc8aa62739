"""How far a study is, as its folder says it."""

import json
import os
import socket
import threading
import time
from pathlib import Path

import pytest
from toy_driver import Driver, taught

from study.nouns.errors import InputError
from study.nouns.holders import Holder
from study.nouns.lease_places import PREFIX
from study.nouns.records import StudyFiles
from study.planning import standing as standing_file
from study.planning.same_study import only_driver
from study.planning.standing import driver_of, standing


def signed(files: StudyFiles, holder: Holder) -> Path:
    """Leave the lease of a driver that is not this process."""
    files.root.mkdir(parents=True, exist_ok=True)
    lease = files.root / f"{PREFIX}1"
    lease.write_text(json.dumps({**holder._asdict(), "beat": "0"}))
    return lease


CLAIMS = [{"row": "N 300", "over": ["student"]}]


def test_rows_and_seeds_are_counted_by_what_has_become_of_them(tmp_path):
    driver = taught(Driver(tmp_path, seeds=[0, 1]))
    first = driver.next(students=2)
    driver.end(first[:1])
    driver.end(first[1:], status="failed")
    driver.files.spend(40.0)
    found = standing(driver.files)
    rows = {row.name: row for row in found.rows}
    assert (rows["teacher"].planned, rows["teacher"].finished) == (1, 1)
    assert rows[first[0].label].seeds == {"finished": (first[0].config.seed,), "open": (1 - first[0].config.seed,)}
    assert (found.count("finished"), found.count("failed"), found.count("planned")) == (2, len(first) - 1, 9)
    over = 1 + len(first)
    assert found.left_s == pytest.approx(40.0 / over * (9 - over))
    assert found.last_record_s is not None
    assert found.last_record_s < 60


def test_a_study_in_which_nothing_has_ended_has_no_pace(tmp_path):
    found = standing(Driver(tmp_path).files)
    assert (found.left_s, found.last_record_s, found.driver.alive) == (None, None, False)


def test_tuning_and_searched_runs_are_counted_before_they_are_known(tmp_path):
    tuned = {"label": "m", "set": {"parameters.weight": 1.0}, "tune": [0.1, 1, 10]}
    found = standing(Driver(tmp_path, points=[tuned], search=None).files)
    assert {row.name: row.planned for row in found.rows}["tuning of m"] > 1
    found = standing(Driver(tmp_path, name="searching", points=[], search={"trials": 8}).files)
    assert {row.name: row.open for row in found.rows}["search"] == 8


def test_what_is_said_of_claims_so_far_is_told(tmp_path):
    driver = taught(Driver(tmp_path, seeds=list(range(6)), claims=CLAIMS))
    (verdict,) = standing(driver.files).verdicts
    assert verdict.verdict == "undecided"
    assert "N 300" in verdict.claim


def test_a_folder_without_a_study_is_said_to_be_none(tmp_path):
    with pytest.raises(InputError, match=r"expected a study's folder, and there is no study\.json"):
        standing(StudyFiles(tmp_path, "nothing"))


def test_a_driver_is_alive_as_long_as_it_holds_the_study(tmp_path):
    files = Driver(tmp_path).files
    with only_driver(files):
        held = driver_of(files)
        assert (held.alive, held.host, held.pid) == (True, socket.gethostname(), os.getpid())
    assert driver_of(files).alive is False
    assert driver_of(files).text() == "no driver is alive"


def test_a_driver_that_was_killed_is_named(tmp_path):
    files = Driver(tmp_path).files
    signed(files, Holder.me()._replace(pid=2**22 + 1))
    assert driver_of(files).text().startswith("no driver is alive; the last one, process 4194305 on ")


@pytest.mark.parametrize(("ago", "gone"), [(10, False), (900, True)])
def test_of_a_driver_on_another_machine_that_gives_no_sign_of_life_it_is_said_what_is_known(
    ago, gone, tmp_path, monkeypatch
):
    monkeypatch.setattr(standing_file, "BEAT_S", 0.1)
    files = Driver(tmp_path).files
    signed(files, Holder("node7", 123, "elsewhere", "1"))
    files.spend(5.0)
    os.utime(files.spent_json, (time.time() - ago,) * 2)
    found = driver_of(files)
    assert (found.alive, found.gone) == (None, gone)
    assert f"a driver began on node7 (process 123), and gives no sign of life: it kept its time {ago} s" in (
        found.text()
    )


def test_a_driver_on_another_machine_is_alive_when_its_lease_changes_whatever_the_clocks_say(tmp_path, monkeypatch):
    monkeypatch.setattr(standing_file, "BEAT_S", 4.0)
    files = Driver(tmp_path).files
    lease = signed(files, Holder("node7", 123, "elsewhere", "1"))
    files.spend(5.0)
    os.utime(files.spent_json, (time.time() - 3600,) * 2)
    beat = threading.Timer(0.5, lambda: lease.write_text(lease.read_text().replace('"0"', '"1"')))
    beat.start()
    found = driver_of(files)
    beat.join()
    assert (found.alive, found.gone) == (True, False)
    assert found.text() == "a driver is alive: process 123 on node7"
