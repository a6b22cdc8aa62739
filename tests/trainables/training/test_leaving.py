"""A process that is asked to end keeps a checkpoint between two steps; what goes on from it ends as if nothing was."""

import os
import signal
from typing import Any

import pytest
import tiny_run
import torch
from test_cohorts import differing, train, weights

from study.nouns import leaving
from study.nouns.config import TrialConfig
from study.nouns.leaving import LeavingError
from study.nouns.records import RunRecord, StudyFiles
from trainables import run as one_run
from trainables.training.checkpoints import latest
from trainables.training.stream import Stream
from trainables.training.student import Student
from trainables.training.student_model import StudentModel

BATCHES = {"training__batch_size": 1, "teacher__training__batch_size": 3}
STEPS = tiny_run.SIMULATION.train_frames
METHODS: dict[str, dict[str, Any]] = {
    "student": {},
    "pointdistiller": {"samples": 64, "neighbors": 8},
    "crd": {},
    "se_ssd": {},
}


def runs() -> dict[str, TrialConfig]:
    """Methods with random draws, memories and averages of their own, six steps an epoch."""
    return {name: tiny_run.config(method=name, parameters=some, **BATCHES) for name, some in METHODS.items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> StudyFiles:
    files = StudyFiles(tmp_path_factory.mktemp("results"), "leaving")
    one_run.run(one_run.resolve(tiny_run.config(method="kd", **BATCHES).teacher_run()), files)
    return files


@pytest.fixture(scope="module")
def whole(files) -> dict[str, RunRecord]:
    return train(runs(), files)


@pytest.fixture
def asked_to_end():
    """A process that hears SIGTERM, before and after whose test nobody has asked for anything."""
    before = signal.getsignal(signal.SIGTERM)
    leaving.listen()
    yield
    leaving._asked.clear()
    signal.signal(signal.SIGTERM, before)


def end_after(steps: int, monkeypatch, what: str = "step") -> None:
    """Send this process a SIGTERM while a student does something for the so-many-th time."""
    owner: Any = StudentModel if what == "predict" else Student
    does, done = getattr(owner, what), [0]

    def ended(self, *args):
        done[0] += 1
        if done[0] == steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return does(self, *args)

    monkeypatch.setattr(owner, what, ended)


def kept(files: StudyFiles) -> dict[str, tuple[int, int]]:
    """Epochs, and steps of the next one, that the checkpoint of each run holds."""
    found = {}
    for label, config in runs().items():
        content = latest.load(files.run(config.key))
        assert content is not None
        steps = sum(len(each["journal"]["durations"]) for each in content.get("midway", []))
        found[label] = len(content["meta"]["so_far"].epochs), steps
    return found


def same(files: StudyFiles, found: dict[str, RunRecord], others: StudyFiles, whole: dict[str, RunRecord]) -> None:
    for label, record in found.items():
        assert record.status == "finished", record.error
        assert differing(record, whole[label]) == [], label
        ours, theirs = weights(files, record), weights(others, whole[label])
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items()), label


@pytest.mark.parametrize(
    ("what", "times", "where"),
    [
        ("step", 2, (0, 1)),
        ("step", len(METHODS) * (STEPS + 3), (1, 3)),
        ("predict", 2, (1, STEPS)),
    ],
    ids=["in the first step", "in the second epoch", "while it is validated"],
)
def test_a_cohort_that_is_asked_to_end_goes_on_from_the_middle_of_its_epoch_to_the_same_end(
    what, times, where, files, whole, asked_to_end, monkeypatch
):
    apart = tiny_run.elsewhere(files, f"ended-{what}-{times}")
    with monkeypatch.context() as patched:
        end_after(times, patched, what)
        with pytest.raises(LeavingError):
            train(runs(), apart)
    assert kept(apart) == dict.fromkeys(runs(), where)
    assert not any(apart.record(config.key) for config in runs().values()), "no run has failed"
    leaving._asked.clear()
    seen: list[int] = []
    stream = Stream.epoch

    def watched(self, number, device, start=0):
        seen.append(start)
        return stream(self, number, device, start)

    monkeypatch.setattr(Stream, "epoch", watched)
    same(apart, train(runs(), apart), files, whole)
    assert seen[0] == where[1], "steps were trained twice"


def test_runs_that_left_at_different_steps_go_on_together(files, whole, asked_to_end, monkeypatch):
    apart = tiny_run.elsewhere(files, "different")
    some = dict(list(runs().items())[:2])
    for steps, (label, config) in zip((2, 5), some.items(), strict=True):
        with monkeypatch.context() as patched:
            end_after(steps, patched)
            with pytest.raises(LeavingError):
                train({label: config}, apart)
        leaving._asked.clear()
    same(apart, train(some, apart), files, whole)


def test_checkpoints_inside_an_epoch_are_kept_on_request_and_change_neither_key_nor_result(files, whole, monkeypatch):
    apart = tiny_run.elsewhere(files, "often")
    often = runs()["pointdistiller"].model_copy(
        update={"training": runs()["pointdistiller"].training.model_copy(update={"checkpoint_minutes": 1e-9})}
    )
    assert often.key == runs()["pointdistiller"].key
    with monkeypatch.context() as patched:
        keep, steps = Student.keep, []

        def kept_at(self):
            keep(self)
            steps.append(self.journal.steps)
            if self.done == 1 and self.journal.steps == 4:
                raise KeyboardInterrupt  # as a kill at any moment

        patched.setattr(Student, "keep", kept_at)
        with pytest.raises(KeyboardInterrupt):
            train({"pointdistiller": often}, apart)
    assert steps == [*range(1, STEPS + 1), 1, 2, 3, 4]
    same(apart, train({"pointdistiller": runs()["pointdistiller"]}, apart), files, whole)


def test_a_process_in_which_nothing_trains_ends_as_it_always_did():
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        leaving.listen()
        os.kill(os.getpid(), signal.SIGTERM)
        assert (heard, leaving.asked()) == ([signal.SIGTERM], False)
        with leaving.under_way():
            os.kill(os.getpid(), signal.SIGTERM)
        assert (heard, leaving.asked()) == ([signal.SIGTERM], True)
    finally:
        leaving._asked.clear()
        signal.signal(signal.SIGTERM, before)
