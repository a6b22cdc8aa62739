"""Checkpoints that a disk has damaged, and weights that are no numbers, never become a result."""

import random
from pathlib import Path

import pytest
import tiny_run
import torch

from study.nouns.errors import InputError
from study.nouns.records import StudyFiles
from trainables import run as one_run
from trainables.datasets import ready
from trainables.features import Batch
from trainables.training import alone, cohort
from trainables.training.checkpoints import latest, reading
from trainables.training.checkpoints.whole import save
from trainables.training.epochs import Trained
from trainables.training.failing import DivergedError
from trainables.training.student import Student


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> StudyFiles:
    return StudyFiles(tmp_path_factory.mktemp("results"), "damaged")


def turn_bits(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    at = chance.randrange(len(content))
    content[at : at + 64] = chance.randbytes(min(64, len(content) - at))
    path.write_bytes(content)


def test_every_file_in_which_bits_were_turned_or_that_was_cut_off_is_known_to_be_damaged(tmp_path):
    path, chance = tmp_path / "weights.pth", random.Random(0)
    for number in range(60):
        save({"state_dict": {"weight": torch.randn(200, 40)}}, path)
        assert not reading.is_damaged(path)
        if number % 3:
            turn_bits(path, chance)
        else:
            path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)])
        assert reading.is_damaged(path)


def test_a_damaged_detector_is_refused_instead_of_read_with_other_weights(tmp_path):
    path = tmp_path / "teacher.pth"
    save({"state_dict": {"weight": torch.randn(200, 40)}}, path)
    turn_bits(path, random.Random(0))
    assert torch.load(path, weights_only=True)["state_dict"], "torch itself says nothing"
    with pytest.raises(InputError, match=r"teacher\.pth is damaged: its content does not have the checksums"):
        reading.read_weights(path)


def test_a_run_whose_checkpoint_was_damaged_begins_again_and_ends_as_it_would_have(files, tmp_path):
    run = tiny_run.config(training__epochs=3, training__validate_every=3)
    whole = one_run.run(run, files)
    again = tiny_run.elsewhere(files, "again")

    def die(epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one_run.run(run, again, tell=die)
    turn_bits(latest.latest(again.run(run.key)), random.Random(0))
    told: list[int] = []
    record = one_run.run(run, again, tell=lambda epoch: told.append(epoch.epoch))
    assert told == [1, 2, 3]
    assert [epoch.losses for epoch in record.epochs] == [epoch.losses for epoch in whole.epochs]
    assert record.metrics == whole.metrics
    assert "is damaged: the run begins again" in (again.run(run.key) / "train.log").read_text()


@pytest.fixture
def in_training(files, tmp_path) -> cohort.Cohort:
    """A run that keeps its files in the test's folder."""
    run = tiny_run.config()
    root = ready.ensure(run.dataset, files)
    return cohort.Cohort({tmp_path: run}, root, None, alone.Alone(lambda epoch: None))


def break_memory(student: Student) -> None:
    next(student.model.parameters()).data.fill_(float("nan"))


def test_weights_that_are_no_numbers_after_an_epoch_end_the_run_and_are_not_kept(in_training, tmp_path):
    (student,) = in_training.students.values()
    step = student.step

    def break_memory_at_last(batch: Batch) -> None:
        step(batch)
        if len(student.journal.durations) == len(in_training.stream):
            break_memory(student)

    student.step = break_memory_at_last
    with pytest.raises(DivergedError, match="the weights are not finite after epoch 1"):
        in_training.train()
    assert latest.load(tmp_path) is None


def test_weights_that_break_between_two_steps_are_not_kept(in_training, tmp_path):
    (student,) = in_training.students.values()
    student.begin()
    break_memory(student)
    with pytest.raises(DivergedError, match="the weights are not finite after epoch 0"):
        student.keep()
    assert latest.load(tmp_path) is None


def test_weights_that_break_after_the_last_epoch_end_the_run(in_training):
    (student,) = in_training.students.values()
    finish, epochs = student.finish, student.config.training.epochs

    def break_memory_before() -> Trained:
        break_memory(student)
        return finish()

    student.finish = break_memory_before
    with pytest.raises(DivergedError, match=f"the weights are not finite after epoch {epochs}"):
        in_training.train()
