"""Runs in a real object store: worked on by machines that share nothing else, put while they train, lost and found."""

import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

import pytest
from s3_server import Switched, new_bucket
from toy_study import DECLARED, METRIC, resolve, toy

from study.nouns import leaving, object_store, runs_in_store
from study.nouns.leases import Lease, LeaseLostError, all_taken
from study.nouns.leaving import LeavingError
from study.nouns.object_store import Store
from study.nouns.promised import PlannedRun
from study.nouns.records import RunRecord
from study.nouns.runs_in_store import RunsInStore
from study.nouns.study_in_store import SCRATCH, StudyInStore, files_at, scratch_of
from study.planning.missing import assign, fail
from study.planning.plan import expand, teachers


@pytest.fixture(autouse=True)
def hurried(monkeypatch) -> None:
    """What is new is put at once."""
    monkeypatch.setattr(runs_in_store, "PUSH_S", 0.05)
    monkeypatch.setattr(runs_in_store, "AGAIN_S", 0.1)


@pytest.fixture
def machine(url, tmp_path, monkeypatch) -> Callable[[str], StudyInStore]:
    """The files of the study as a machine of this name sees them."""

    def of(name: str) -> StudyInStore:
        monkeypatch.setenv(SCRATCH, str(tmp_path / name))
        return StudyInStore(url, "toy")

    return of


@pytest.fixture(scope="module")
def student() -> PlannedRun:
    return next(run for run in expand(toy(), resolve) if run.config.distills)


@pytest.fixture(scope="module")
def teacher(student) -> PlannedRun:
    (found,) = teachers([student], resolve)
    return found


@contextmanager
def held(files: StudyInStore, run: PlannedRun) -> Iterator[None]:
    with all_taken(map(Lease, files.lease_places(run.config.key))) as mine:
        assert mine
        yield


def record_of(run: PlannedRun, status: str = "finished", **rest) -> RunRecord:
    result = {"metrics": {METRIC: 50.0}, "declared": DECLARED} | rest
    return RunRecord(key=run.config.key, study="toy", label=run.label, config=run.config, status=status, **result)


def leave_something(files: StudyInStore, run: PlannedRun, name: str, text: str) -> None:
    """A file of a run, whole or not there."""
    path = files.run(run.config.key) / name
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)


def finish(files: StudyInStore, run: PlannedRun) -> None:
    """Train a run to its end."""
    with held(files, run), files.at_work([run.config.key], []):
        leave_something(files, run, "latest.pth", "the last epoch")
        wait_for(lambda: files.kept.store.read(f"runs/{run.config.key}/latest.pth"))
        leave_something(files, run, "detector.pth", "a detector")
        files.write(record_of(run))
        files.latest(run.config.key).unlink()


def wait_for(what: Callable[[], object]) -> None:
    give_up = time.monotonic() + 30
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_each_machine_finds_a_scratch_folder_by_its_own_environment(url, tmp_path, monkeypatch):
    monkeypatch.setenv(SCRATCH, str(tmp_path))
    assert scratch_of(url).parent == tmp_path
    assert scratch_of(f"{url}/") == scratch_of(url) != scratch_of(f"{url}2")
    files = files_at(f"{url}/", "toy")
    monkeypatch.delenv(SCRATCH)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    elsewhere = pickle.loads(pickle.dumps(files))
    assert elsewhere.url == files.url == url
    assert files.results.is_relative_to(tmp_path)
    assert elsewhere.results.is_relative_to(tmp_path / "cache" / "pointdistiller-study")


def test_a_run_goes_on_elsewhere_from_what_the_store_has_of_it_and_of_its_teacher(machine, url, student, teacher):
    here, key = machine("here"), student.config.key
    finish(here, teacher)
    with held(here, student), here.at_work([key], [teacher.config.key]):
        leave_something(here, student, "latest.pth", "epoch 3")
        leave_something(here, student, "train.log", "three epochs")
    there = machine("there")
    assert not there.results.exists()
    with held(there, student), there.at_work([key], [teacher.config.key]):
        assert there.latest(key).read_text() == "epoch 3"
        assert (there.run(key) / "train.log").read_text() == "three epochs"
        assert there.checkpoint(teacher.config.key).read_text() == "a detector"
        assert there.finished(teacher.config.key) == here.finished(teacher.config.key)
    assert not [name for name in Store(url).seen("runs") if name.endswith(("partial", ".lease-in-store"))]
    finished = {name.rpartition("/")[2] for name in Store(url).seen(f"runs/{teacher.config.key}")}
    assert finished == {"detector.pth", "record.json", ".lease.1"}, "the last checkpoint went with the end of the run"


def test_what_is_new_is_put_while_a_run_trains_and_its_record_after_the_detector(machine, student, monkeypatch, url):
    files, key, order = machine("here"), student.config.key, list[str]()
    upload, create = files.kept.store.upload_stamped, files.kept.store.create

    def create_(name: str, content: bytes) -> bool:
        order.append(name.rpartition("/")[2])
        return create(name, content)

    with held(files, student), files.at_work([key], []):
        leave_something(files, student, "latest.pth", "epoch 1")
        wait_for(lambda: Store(url).read(f"runs/{key}/latest.pth") == b"epoch 1")
        leave_something(files, student, "latest.pth", "epoch 2")
        wait_for(lambda: Store(url).read(f"runs/{key}/latest.pth") == b"epoch 2")
        monkeypatch.setattr(files.kept.store, "create", create_)
        monkeypatch.setattr(
            files.kept.store, "upload_stamped", lambda path, name: (order.append(path.name), upload(path, name))[1]
        )
        leave_something(files, student, "detector.pth", "a detector")
        files.write(record_of(student))
    assert order.index("detector.pth") < order.index("record.json")
    record = machine("there")
    record.look()
    assert record.status(key) == "finished"
    assert record.ended(key).lease == 1


def test_a_process_that_was_taken_for_dead_puts_neither_checkpoint_nor_record(machine, url, student):
    files, key = machine("here"), student.config.key
    with held(files, student), files.at_work([key], []):
        Store(url).write(f"runs/{key}/.leases/.lease.2", b"free")
        leave_something(files, student, "latest.pth", "epoch 9")
        leave_something(files, student, "detector.pth", "a detector")
        with pytest.raises(LeaseLostError, match="this process was taken for dead"):
            files.write(record_of(student))
        fail(assign(student, files), "of no use")
    assert set(Store(url).seen(f"runs/{key}")) == {f"runs/{key}/.leases/.lease.{number}" for number in (1, 2)}


def test_a_record_of_a_successor_stays_also_where_the_lease_was_lost_right_before_the_put(machine, url, student):
    files, key = machine("here"), student.config.key
    with held(files, student), files.at_work([key], []):
        leave_something(files, student, "detector.pth", "a detector")
        create = files.kept.store.create

        def stopped(name: str, content: bytes) -> bool:
            files.kept.store.create = create
            Store(url).write(f"runs/{key}/.leases/.lease.2", b"free")
            Store(url).write(f"runs/{key}/record.json", b"of the successor")
            return create(name, content)

        files.kept.store.create = stopped
        with pytest.raises(LeaseLostError):
            files.write(record_of(student))
    assert Store(url).read(f"runs/{key}/record.json") == b"of the successor"


@pytest.mark.parametrize("elsewhere", [True, False])
def test_what_was_not_put_is_gone_on_from_only_where_no_other_machine_held_the_run(machine, student, elsewhere):
    files, key = machine("here"), student.config.key
    with held(files, student), files.at_work([key], []):
        leave_something(files, student, "latest.pth", "epoch 3")
    leave_something(files, student, "latest.pth", "epoch 4")
    leave_something(files, student, "left", "in epoch 4")
    if elsewhere:
        other = machine("there")
        with held(other, student), other.at_work([key], []):
            leave_something(other, student, "latest.pth", "epoch 7")
    with held(files, student), files.at_work([key], []):
        assert files.latest(key).read_text() == ("epoch 7" if elsewhere else "epoch 4")
        assert (files.run(key) / "left").exists() is not elsewhere


def test_records_that_were_set_aside_are_gone_everywhere_and_lie_beside_the_run(machine, url, student):
    here, there, key = machine("here"), machine("there"), student.config.key
    with held(here, student), here.at_work([key], []):
        here.write(record_of(student, "failed", error="it broke"))
    there.look()
    assert there.status(key) == "failed"
    there.retry(key)
    assert there.status(key) is None
    here.look()
    assert here.status(key) is None
    (aside,) = [name for name in Store(url).seen(f"runs/{key}") if "/retried/" in name]
    assert b"it broke" in (Store(url).read(aside) or b"")


def test_a_driver_that_gives_a_run_up_leaves_a_record_that_came_meanwhile(machine, student):
    driver, worker, key = machine("driver"), machine("worker"), student.config.key
    driver.look()
    finish(worker, student)
    fail(assign(student, driver), "it left no record")
    assert driver.status(key) == "finished"
    worker.look([key])
    assert worker.status(key) == "finished"


def test_a_finished_run_whose_detector_is_gone_has_to_run_again(machine, url, student):
    files, key = machine("here"), student.config.key
    finish(files, student)
    Store(url).remove([f"runs/{key}/detector.pth"])
    files.look()
    assert files.status(key) is None
    assert files.checkpoint(key).exists(), "only here"


def test_thousands_of_records_are_looked_at_by_one_list_and_read_once(machine, url, monkeypatch):
    store, files = Store(url), machine("here")
    runs = [run for run in expand(toy(seeds=list(range(30))), resolve) if run.config.distills]
    for run in runs:
        store.write(f"runs/{run.config.key}/detector.pth", b"")
        store.write(f"runs/{run.config.key}/record.json", record_of(run).model_dump_json().encode())
    asked: list[str] = []
    seen, download = files.kept.store.seen, files.kept.store.download
    monkeypatch.setattr(files.kept.store, "seen", lambda below: (asked.append("list"), seen(below))[1])
    monkeypatch.setattr(
        files.kept.store, "download", lambda paths, stamps: (asked.extend(paths), download(paths, stamps))[1]
    )
    files.look()
    assert {files.status(run.config.key) for run in runs} == {"finished"}
    assert (asked.count("list"), len(asked)) == (1, 1 + len(runs))
    asked.clear()
    files.look()
    assert asked == ["list"]
    another = RunsInStore(url, files.runs)
    monkeypatch.setattr(another.store, "download", lambda paths, stamps: asked.extend(paths))
    another.look()
    assert asked == ["list"], "another process of this machine reads none again"


@pytest.fixture
def switched(monkeypatch, tmp_path) -> Iterator[Switched]:
    """A server that can be switched off, and clients that do not wait for long."""
    monkeypatch.setattr(object_store, "PATIENCE_S", 0.5)
    monkeypatch.setenv(SCRATCH, str(tmp_path))
    server = Switched()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    server.off()


def test_while_the_store_is_away_a_run_goes_on_and_its_record_waits(switched, student):
    files, key = StudyInStore(new_bucket(switched.environment), "toy"), student.config.key
    with held(files, student), files.at_work([key], []):
        switched.off()
        began = time.monotonic()
        leave_something(files, student, "latest.pth", "epoch 1")
        leave_something(files, student, "detector.pth", "a detector")
        assert time.monotonic() - began < 0.5
        back = Timer(2.0, switched.on)
        back.start()
        files.write(record_of(student))
        back.join()
        assert time.monotonic() - began > 2.0
    files.look()
    assert files.status(key) == "finished"


def test_a_run_whose_record_cannot_be_put_for_long_counts_as_lost_and_not_as_failed(switched, monkeypatch, student):
    monkeypatch.setattr(runs_in_store, "PATIENCE_S", 1.0)
    files, key = StudyInStore(new_bucket(switched.environment), "toy"), student.config.key
    try:
        with pytest.raises(LeavingError), held(files, student), files.at_work([key], []):  # noqa: PT012
            leave_something(files, student, "detector.pth", "a detector")
            switched.off()
            files.write(record_of(student))
        assert leaving.asked()
    finally:
        leaving._asked.clear()
    switched.on()
    files.look()
    assert files.record(key) is None
    assert not files.record_json(key).exists()
