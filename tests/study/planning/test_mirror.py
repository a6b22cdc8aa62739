"""A study in an object store: a real S3 server, machines that are lost, and two drivers at once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from other_processes import REPOSITORY
from toy_driver import Driver, taught

from study.nouns import leases
from study.nouns.errors import InputError
from study.nouns.leases import Lease, LeaseLostError
from study.nouns.object_store import Prefix, Store
from study.nouns.records import StudyFiles
from study.planning import mirror as mirror_file
from study.planning.mirror import Mirror, mirrored

HOLDS = """
import sys
from study.nouns import leases
from study.nouns.leases import Lease
from study.nouns.object_store import Prefix, Store

leases.BEAT_S, leases.EXPIRY_S = 0.2, 1.5
lease = Lease(Prefix(Store(sys.argv[1]), "toy"))
print(lease.take(), flush=True)
for _ in sys.stdin:
    try:
        lease.check()
        print("mine", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""


def quiet(line: str) -> None:
    """Say nothing."""


def keys_by_status(files: StudyFiles) -> dict[str, str | None]:
    return {run.config.key: files.status(run.config.key) for run in files.read_plan().runs}


def test_another_machine_goes_on_with_what_the_store_holds_and_repeats_nothing(url, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    with mirrored(StudyFiles(here, "toy"), url, quiet):
        driver = taught(Driver(here))
        first = driver.next(students=2)
        driver.end(first)
        begun = driver.next(students=2)
        for one in begun:
            one.files.run(one.config.key).mkdir(parents=True, exist_ok=True)
            one.files.latest(one.config.key).write_bytes(bytes(100_000))
    said: list[str] = []
    with mirrored(StudyFiles(there, "toy"), url, said.append):
        again = Driver(there)
        left = again.next(students=99)
    assert said[0].endswith(f"files fetched from {url}")
    assert keys_by_status(again.files) == keys_by_status(driver.files)
    ended = {one.config.key for one in first}
    assert not ended & {one.config.key for one in left}
    for one in begun:
        assert again.files.latest(one.config.key).stat().st_size == 100_000
    assert [record.model_dump() for record in again.files.all()] == [r.model_dump() for r in driver.files.all()]


def test_what_is_gone_here_goes_there_and_nothing_is_put_twice(url, tmp_path):
    driver = taught(Driver(tmp_path))
    store, mirror = Store(url), Mirror(driver.files, Store(url))
    assert mirror.lease.take()
    one = driver.next()[0]
    latest = driver.files.latest(one.config.key)
    latest.parent.mkdir(parents=True)
    latest.write_bytes(b"epoch 1")
    (latest.parent / "latest.1.partial").touch()
    assert mirror.push() > 0
    names = set(store.seen("runs"))
    assert f"runs/{one.config.key}/latest.pth" in names
    assert not [name for name in names if name.endswith("partial") or ".lease" in name]
    assert mirror.push() == 0
    latest.unlink()
    driver.end([one])
    mirror.push()
    assert set(store.seen("runs")) == (names - {f"runs/{one.config.key}/latest.pth"}) | {
        f"runs/{one.config.key}/{name}" for name in ("record.json", "detector.pth")
    }
    mirror.lease.release()


def test_a_record_comes_into_the_store_after_the_detector_that_it_promises(url, tmp_path, monkeypatch):
    driver = taught(Driver(tmp_path))
    mirror = Mirror(driver.files, Store(url))
    assert mirror.lease.take()
    upload, order = mirror.store.upload, list[str]()
    monkeypatch.setattr(mirror.store, "upload", lambda path, name: (upload(path, name), order.append(path.name)))
    mirror.push()
    assert order.index("detector.pth") < order.index("record.json")
    assert order[-1] == "record.json"
    mirror.lease.release()


def test_a_run_that_another_study_has_recorded_there_stays_as_it_is(url, tmp_path):
    first, second = taught(Driver(tmp_path / "a", name="first")), taught(Driver(tmp_path / "b", name="second"))
    (teacher,) = [run.config.key for run in first.files.read_plan().runs if run.role == "teacher"]
    for driver in (first, second):
        with mirrored(driver.files, None, quiet):
            mirror = Mirror(driver.files, Store(url))
            assert mirror.lease.take()
            mirror.push()
            mirror.lease.release()
    kept = Store(url).read(f"runs/{teacher}/record.json")
    assert kept is not None
    assert b'"study": "first"' in kept


def test_a_machine_whose_files_are_older_than_those_of_another_takes_these(url, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    with mirrored(StudyFiles(old, "toy"), url, quiet):
        taught(Driver(old)).files.spend(1.0)
    with mirrored(StudyFiles(new, "toy"), url, quiet):
        Driver(new).files.spend(2.0)
    with mirrored(StudyFiles(old, "toy"), url, quiet):
        assert StudyFiles(old, "toy").spent() == 2.0
        StudyFiles(old, "toy").spend(3.0)
    StudyFiles(old, "toy").spend(4.0)  # it was killed before this came into the store
    with mirrored(StudyFiles(old, "toy"), url, quiet):
        assert StudyFiles(old, "toy").spent() == 4.0


def test_two_processes_do_not_mirror_one_study(url, tmp_path):
    files = StudyFiles(tmp_path, "toy")
    with (
        mirrored(files, url, quiet),
        pytest.raises(InputError, match=r"s3://.*/toy: another process is running this study \(process \d+ on"),
        mirrored(files, url, quiet),
    ):
        pass


def test_of_two_that_make_a_lease_in_a_store_at_once_one_holds_it(url):
    first, second = (Prefix(Store(url), "toy") for _ in range(2))
    assert [first.create(1, "a"), second.create(1, "b")] == [True, False]
    assert first.text(1) == "a"


def test_a_stopped_process_is_replaced_in_the_store_and_refused_when_it_goes_on(url, monkeypatch):
    monkeypatch.setattr(leases, "BEAT_S", 0.2)
    monkeypatch.setattr(leases, "EXPIRY_S", 1.5)
    command = [sys.executable, "-c", HOLDS, url]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "True\n"
            os.kill(process.pid, signal.SIGSTOP)
            lease, give_up = Lease(Prefix(Store(url), "toy")), time.monotonic() + 60
            while not lease.take():
                assert time.monotonic() < give_up
                time.sleep(0.1)
            os.kill(process.pid, signal.SIGCONT)
            print("check", file=process.stdin, flush=True)
            assert "this process was taken for dead, and process" in process.stdout.readline()
        finally:
            process.kill()
    lease.release()


def test_a_driver_that_has_lost_the_study_to_another_machine_puts_nothing_there_and_is_told_to_stop(
    url, tmp_path, monkeypatch
):
    monkeypatch.setattr(mirror_file, "PUSH_S", 0.1)
    files, said = StudyFiles(tmp_path, "toy"), list[str]()
    with pytest.raises(LeaseLostError), mirrored(files, url, said.append):  # noqa: PT012
        Store(url).write("toy/.leases/.lease.2", b"free")
        taught(Driver(tmp_path))
        give_up = time.monotonic() + 60
        while not files.stop.exists():
            assert time.monotonic() < give_up
            time.sleep(0.05)
    assert said[-1].endswith("took over; this study ends here")
    assert not Store(url).seen("runs")


def test_a_store_that_is_away_is_tried_again_and_what_it_lacks_at_the_end_is_an_error(tmp_path, url, monkeypatch):
    monkeypatch.setattr(mirror_file, "PUSH_S", 0.1)
    said: list[str] = []
    away = OSError(5, "the store does not answer: connection refused", url)

    def upload(self: Store, path: Path, name: str) -> None:
        raise away

    with monkeypatch.context() as cut:
        cut.setattr(Store, "upload", upload)
        files = StudyFiles(tmp_path, "toy")
        with pytest.raises(OSError, match="connection refused"), mirrored(files, url, said.append):  # noqa: PT012
            taught(Driver(tmp_path))
            time.sleep(1.0)
    assert len([line for line in said if "not put into the store yet" in line]) == 1
    with mirrored(StudyFiles(tmp_path, "toy"), url, quiet):
        pass
    assert len(Store(url).seen("runs")) == 2


@pytest.mark.parametrize(
    ("bad", "words"), [("s3:/x", "expected s3://, gs:// or az://"), ("ftp://host/x", "expected s3://, gs:// or az://")]
)
def test_what_is_no_store_is_refused_in_words(bad, words):
    with pytest.raises(InputError, match=words):
        Store(bad)


def test_a_store_that_nobody_serves_is_said_not_to_answer(url, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("study.nouns.object_store.PATIENCE_S", 2)
    with pytest.raises(OSError, match="the store does not answer"):
        Store(url).seen()
