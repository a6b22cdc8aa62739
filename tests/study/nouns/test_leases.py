"""Leases between real processes: killed, stopped and gone on, and machines that are not this one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from other_processes import REPOSITORY
from toy_study import resolve, toy

from study.nouns import leases
from study.nouns.holders import Holder
from study.nouns.lease_places import PREFIX
from study.nouns.leases import Lease, LeaseLostError, entrust, fence, is_lost, taken
from study.nouns.records import RunRecord, StudyFiles
from study.planning.plan import expand

EXPIRY = 1.5
HOLDS = f"""
import sys
from pathlib import Path
from study.nouns import leases
from study.nouns.leases import Lease
from study.nouns.records import RunRecord, StudyFiles

leases.BEAT_S, leases.EXPIRY_S = 0.2, {EXPIRY}
files, record = StudyFiles(Path(sys.argv[1]), "toy"), RunRecord.model_validate_json(sys.argv[2])
lease = Lease(files.run(record.key))
print(lease.take(), flush=True)
for _ in sys.stdin:
    try:
        files.write(record)
        print("written", flush=True)
    except OSError as error:
        print(error, flush=True)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(leases, "BEAT_S", 0.2)
    monkeypatch.setattr(leases, "EXPIRY_S", EXPIRY)


@pytest.fixture
def files(tmp_path) -> StudyFiles:
    return StudyFiles(tmp_path, "toy")


@pytest.fixture
def record() -> RunRecord:
    config = expand(toy(), resolve)[0].config
    return RunRecord(key=config.key, study="toy", label="first", config=config, status="failed", error="x")


@contextmanager
def holding(files: StudyFiles, record: RunRecord) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a run, and writes its record when told to."""
    command = [sys.executable, "-c", HOLDS, str(files.results), record.model_dump_json()]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        try:
            yield process
        finally:
            process.kill()


def told_to_write(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    print("write", file=process.stdin, flush=True)
    return process.stdout.readline().strip()


def seconds_until_taken(lease: Lease, most: float = 20.0) -> float:
    start = time.monotonic()
    while not lease.take():
        assert time.monotonic() - start < most, "it was never taken"
        time.sleep(0.05)
    return time.monotonic() - start


def numbers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(f"{PREFIX}*"))


def elsewhere(folder: Path, beat: int = 0) -> Path:
    """The lease of a process on another machine, in whose place somebody writes its changes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{PREFIX}4"
    path.write_text(json.dumps({**Holder("node7", os.getpid(), "elsewhere", "1")._asdict(), "beat": str(beat)}))
    return path


def test_a_lease_is_held_by_one_and_its_number_grows_with_every_holder(tmp_path):
    first, second = Lease(tmp_path), Lease(tmp_path)
    assert first.take()
    assert not second.take()
    assert second.answers
    first.release()
    assert second.is_free()
    assert second.take()
    assert (first.number, second.number) == (1, 2)
    assert numbers(tmp_path) == [f"{PREFIX}2"]
    second.release()


def test_of_many_processes_that_come_at_once_one_holds(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from study.nouns.leases import Lease\n"
        "lease = Lease(Path(sys.argv[1])); print('ready', flush=True); sys.stdin.readline()\n"
        "print(lease.take(), flush=True); time.sleep(20)"
    )
    start = [sys.executable, "-c", code, str(tmp_path)]
    many = [
        subprocess.Popen(start, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    try:
        assert [one.stdout.readline() for one in many if one.stdout] == ["ready\n"] * 6
        for one in many:
            assert one.stdin is not None
            print("go", file=one.stdin, flush=True)
        said = [one.stdout.readline().strip() for one in many if one.stdout]
    finally:
        for one in many:
            one.kill()
            one.communicate()
    assert sorted(said) == ["False"] * 5 + ["True"]


def test_the_lease_of_a_killed_process_is_taken_at_once_on_its_machine(files, record, monkeypatch):
    monkeypatch.setattr(leases, "EXPIRY_S", 600.0)
    with holding(files, record) as process:
        lease = Lease(files.run(record.key))
        assert not lease.take()
        os.kill(process.pid, signal.SIGKILL)
        assert seconds_until_taken(lease) < 2
        lease.release()


def test_a_process_that_beats_keeps_its_lease_however_long_it_is_looked_at(files, record):
    with holding(files, record) as process:
        lease, until = Lease(files.run(record.key)), time.monotonic() + 2 * EXPIRY
        while time.monotonic() < until:
            assert not lease.take()
            time.sleep(0.05)
        assert told_to_write(process) == "written"


def test_a_stopped_process_is_replaced_and_refused_when_it_goes_on(files, record):
    with holding(files, record) as process:
        os.kill(process.pid, signal.SIGSTOP)
        lease = Lease(files.run(record.key))
        assert EXPIRY * 0.8 < seconds_until_taken(lease) < EXPIRY * 6
        files.write(record.model_copy(update={"label": "second"}))
        os.kill(process.pid, signal.SIGCONT)
        said = told_to_write(process)
    assert "not written: this process was taken for dead, and process" in said
    kept = files.record(record.key)
    assert kept is not None
    assert (kept.label, kept.lease) == ("second", 2)
    lease.release()


def test_a_process_that_is_stopped_between_the_question_and_the_write_replaces_no_record(files, record, monkeypatch):
    """The successor writes its record in that very moment."""
    first, second = Lease(files.run(record.key)), Lease(files.run(record.key))
    with taken(first):
        link = os.link

        def stopped(source: Path, target: Path) -> None:
            monkeypatch.setattr(os, "link", link)
            leases._HELD.pop(first.place.key)  # as the successor is another process
            first._over.set()
            elsewhere_is_dead(second)
            with taken(second):
                files.write(record.model_copy(update={"label": "second"}))
            leases._HELD[first.place.key] = first
            link(source, target)

        monkeypatch.setattr(os, "link", stopped)
        with pytest.raises(LeaseLostError, match="taken for dead"):
            files.write(record)
    kept = files.record(record.key)
    assert kept is not None
    assert kept.label == "second"


def elsewhere_is_dead(lease: Lease) -> None:
    """Make the holder of a lease one of another machine that says nothing any more."""
    (held,) = Path(lease.place.key).glob(f"{PREFIX}*")
    held.write_text(held.read_text().replace(Holder.me().place, "elsewhere"))
    seconds_until_taken(lease)
    lease.release()


def test_a_holder_on_another_machine_is_judged_by_its_changes_and_never_by_a_clock(tmp_path):
    path = elsewhere(tmp_path)
    os.utime(path, (time.time() - 3600,) * 2)
    lease = Lease(tmp_path)
    assert not lease.take(), "an hour may be the difference of two clocks"
    for beat in range(1, 5):
        time.sleep(EXPIRY / 2)
        elsewhere(tmp_path, beat)
        os.utime(path, (time.time() - 3600,) * 2)
        assert not lease.take()
    assert lease.answers
    assert seconds_until_taken(lease) > EXPIRY * 0.8
    assert lease.number == 5
    lease.release()


def test_a_process_that_was_held_up_itself_has_seen_no_silence(tmp_path):
    elsewhere(tmp_path)
    lease = Lease(tmp_path)
    assert not lease.take()
    time.sleep(1.5 * EXPIRY)
    assert not lease.take(), "it has looked twice only"


def test_a_file_that_was_made_and_never_signed_is_waited_for_and_then_taken(tmp_path):
    (tmp_path / f"{PREFIX}3").touch()
    lease = Lease(tmp_path)
    assert not lease.take()
    assert seconds_until_taken(lease) > EXPIRY * 0.8
    assert lease.number == 4
    lease.release()


def test_who_saw_an_old_number_as_the_newest_does_not_hold(tmp_path, monkeypatch):
    """Two others have come and gone meanwhile, and the file of the number that it makes is not there any more."""
    for _ in range(3):
        with taken(Lease(tmp_path)) as mine:
            assert mine
    late, seen = Lease(tmp_path), iter([[1]])
    numbers_now = late.place.numbers
    monkeypatch.setattr(late.place, "numbers", lambda: next(seen, None) or numbers_now())
    (tmp_path / f"{PREFIX}1").write_text("free")
    assert not late.take()
    assert f"{PREFIX}3" in numbers(tmp_path)
    assert f"{PREFIX}2" not in numbers(tmp_path)


def test_a_process_that_was_started_by_the_holder_writes_under_its_number(files, record):
    with taken(Lease(files.run(record.key))):
        pass
    entrust(files.run(record.key), 1)
    assert fence(files.run(record.key)) == 1
    with holding(files, record), pytest.raises(LeaseLostError):
        fence(files.run(record.key))
    assert is_lost(files.run(record.key))
    leases._HELD.clear()


def test_where_nobody_holds_a_run_its_record_is_written_without_a_number(files, record):
    files.write(record)
    kept = files.record(record.key)
    assert kept is not None
    assert kept.lease == 0


def test_a_failure_that_a_driver_wrote_down_is_replaced_by_the_result_of_who_holds_the_run(files, record):
    with taken(Lease(files.run(record.key))):
        files.write(record)
        files.write(record.model_copy(update={"status": "pruned", "error": None}))
    assert files.status(record.key) == "pruned"
