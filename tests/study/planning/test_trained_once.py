"""Who trains a run: one process at a time, and those who come later are answered by its record."""

import os
import signal
import subprocess
import time
from contextlib import AbstractContextManager, ExitStack

import pytest
from other_processes import training
from toy_study import resolve, toy

from study.nouns import leases
from study.nouns.assignment import Assignment
from study.nouns.holders import Holder
from study.nouns.lease_places import PREFIX
from study.nouns.leases import LeaseLostError
from study.nouns.records import RunRecord, StudyFiles
from study.planning import trained_once
from study.planning.missing import assign, fail
from study.planning.plan import expand


@pytest.fixture
def assigned(tmp_path, monkeypatch) -> list[Assignment]:
    monkeypatch.setattr(StudyFiles, "look_s", 0.05)
    return [assign(run, StudyFiles(tmp_path, "toy")) for run in expand(toy(), resolve)[:2]]


def held_elsewhere(one: Assignment) -> AbstractContextManager[subprocess.Popen[str]]:
    """A process that trains a run, until it is told to stop."""
    return training(one.files, one.config.key)


def keep(one: Assignment) -> None:
    one.files.run(one.config.key).mkdir(parents=True, exist_ok=True)
    one.files.checkpoint(one.config.key).touch()
    one.files.write(RunRecord(key=one.config.key, study="x", config=one.config, status="finished"))


class Told:
    """What becomes of the runs, in the order in which it is told."""

    def __init__(self, *then) -> None:
        self.events: list[tuple[str, list[str]]] = []
        self.then = list(then)

    def train(self, runs: list[Assignment]) -> None:
        self.events.append(("train", [one.config.key for one in runs]))
        for one in runs:
            keep(one)

    def wait(self, one: Assignment) -> None:
        self.events.append(("wait", [one.config.key]))
        if self.then:
            self.then.pop()()

    def answer(self, one: Assignment, record: RunRecord) -> None:
        self.events.append(("answer", [record.key]))

    def of(self, runs: list[Assignment]) -> list[tuple[str, list[str]]]:
        trained_once.train_once(runs, self.train, self.wait, self.answer)
        return self.events


def test_runs_that_nobody_trains_are_trained_together_and_those_that_are_over_answered(assigned):
    keys = [one.config.key for one in assigned]
    assert Told().of(assigned) == [("train", keys)]
    assert Told().of(assigned) == [("answer", keys[:1]), ("answer", keys[1:])]


def test_a_run_that_another_process_trains_is_waited_for_after_the_others_were_trained(assigned):
    first, second = (one.config.key for one in assigned)
    with held_elsewhere(assigned[0]):
        told = Told(lambda: keep(assigned[0]))
        assert told.of(assigned) == [("wait", [first]), ("train", [second]), ("answer", [first])]


def test_a_run_whose_process_was_killed_is_trained_by_the_one_that_waited(assigned):
    with held_elsewhere(assigned[0]) as process:
        told = Told(lambda: os.kill(process.pid, signal.SIGKILL))
        assert told.of(assigned[:1]) == [("wait", [assigned[0].config.key]), ("train", [assigned[0].config.key])]


def test_a_process_that_inherited_the_lock_does_not_hold_it(assigned):
    started: list[int] = []

    def train(runs: list[Assignment]) -> None:
        if not (child := os.fork()):  # as a process does that loads data
            time.sleep(60)
            os._exit(0)
        started.append(child)

    trained_once.train_once(assigned[:1], train, lambda one: None)
    try:
        assert Told().of(assigned[:1]) == [("train", [assigned[0].config.key])]
    finally:
        os.kill(started[0], signal.SIGKILL)
        os.waitpid(started[0], 0)


def test_a_run_that_was_lost_while_it_was_trained_is_answered_by_the_record_of_who_took_it_over(assigned, monkeypatch):
    """This process stands for one that was stopped for long: its lease is one of another machine, and silent."""
    monkeypatch.setattr(leases, "EXPIRY_S", 0.5)
    monkeypatch.setattr(leases, "BEAT_S", 600.0)
    one, key = assigned[0], assigned[0].config.key
    with ExitStack() as processes:
        told = Told()

        def train(runs: list[Assignment]) -> None:
            told.events.append(("train", [key]))
            (mine,) = one.files.run(key).glob(f"{PREFIX}*")
            mine.write_text(mine.read_text().replace(Holder.me().place, "elsewhere"))
            processes.enter_context(training(one.files, key, waits=True))
            with pytest.raises(LeaseLostError, match=r"process [0-9]+ on .* took over"):
                keep(one)
            fail(one, "it ended without a record")
            assert one.files.record(key) is None

        def wait(waits: Assignment) -> None:
            told.wait(waits)
            leases._HELD.clear()
            keep(one)  # as the other process does
            processes.close()

        trained_once.train_once([one], train, wait, told.answer)
    assert told.events == [("train", [key]), ("wait", [key]), ("answer", [key])]
