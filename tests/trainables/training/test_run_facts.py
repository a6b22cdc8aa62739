"""What a run counts beside its losses, what survives a kill, and runs of unusual length."""

import re
from typing import Any

import pytest
import tiny_run
import torch

from study.nouns.assignment import Assignment
from study.nouns.records import StudyFiles
from tests.fake_accelerator import DEVICE, FakeAccelerator
from trainables import run as one_run
from trainables.datasets import ready
from trainables.features import Batch
from trainables.training import alone, cohort
from trainables.training.checkpoints import latest
from trainables.training.clipping import CountedOptimWrapper
from trainables.training.failing import DivergedError
from trainables.training.losses import EpochLosses


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> StudyFiles:
    return StudyFiles(tmp_path_factory.mktemp("results"), "facts")


def test_a_run_killed_between_its_last_epoch_and_its_record_knows_its_steps_memory_and_gradients(files):
    run = tiny_run.config()

    def die(epoch) -> None:
        if epoch.epoch == run.training.epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one_run.run(run, files, tell=die)
    assert files.record(run.key) is None
    before = latest.load(files.run(run.key))["meta"]["so_far"]
    assert before.peak_memory_mb > 100
    told: list[Any] = []
    record = one_run.run(run, files, tell=told.append)
    assert told == [], "it trained again"
    assert record.facts["steps"] == 4
    assert record.peak_memory_mb == before.peak_memory_mb
    assert record.facts["gradient_norm"] == before.gradients.norms / 4 > 0
    assert 0 <= record.facts["clipped_share"] <= 1


class Clock:
    """What a method knows of the time, and the learning rate, at every step of a run that trains."""

    def __init__(self, files: StudyFiles, folder, **changes) -> None:
        self.times: list[tuple[int, int]] = []
        self.rates: list[float] = []
        run = tiny_run.config(**changes)
        teacher, _ = one_run.teacher_checkpoint(run, files)
        trained = cohort.Cohort({folder: run}, ready.ensure(run.dataset, files), teacher, alone.Alone(lambda e: None))
        (self.student,) = trained.students.values()
        self._step, self.student.step = self.student.step, self.step
        trained.train()

    def step(self, batch: Batch) -> None:
        if (method := self.student.model.distiller) is not None:
            self.times.append((method.epoch, method.epochs))
        self.rates.append(self.student.schedule.optimizer.get_lr()["lr"][0])
        self._step(batch)


def test_a_method_knows_how_far_its_training_is(files, tmp_path):
    method = {"method": "pointdistiller", "parameters": {"samples": 64, "neighbors": 8}}
    method["teacher__training__epochs"] = 1
    teacher = one_run.resolve(tiny_run.config(**method).teacher_run())
    one_run.run(teacher, files)
    clock = Clock(files, tmp_path, **method, training__clip_adapters_apart=True)
    assert clock.times == [(0, 2), (0, 2), (1, 2), (1, 2)]
    assert clock.rates[0] != clock.rates[-1]
    adapters = list(clock.student.model.distiller.parameters())
    assert list(map(id, clock.student.schedule.optimizer.apart)) == list(map(id, adapters)) != []


def test_a_run_of_one_step_trains_with_its_learning_rate(files, tmp_path):
    clock = Clock(files, tmp_path, training__epochs=1, training__batch_size=6, training__learning_rate=0.02)
    assert clock.rates == [0.02]
    assert clock.student.journal.so_far.steps == 1


def test_the_last_smaller_batch_can_be_left_out(files, tmp_path):
    clock = Clock(files, tmp_path, training__batch_size=4, training__drop_last=True)
    assert clock.student.journal.so_far.steps == 2


def refusal(files: StudyFiles, **changes) -> str:
    run = tiny_run.config(**changes)
    with pytest.raises(one_run.RunFailedError):
        one_run.run(run, files)
    return files.record(run.key).error


def test_a_run_without_a_whole_batch_is_refused(files):
    assert "no whole batch of 7 frames" in refusal(files, training__batch_size=7, training__drop_last=True)


def test_a_run_that_was_given_a_gpu_which_torch_does_not_see_fails_instead_of_training_on_the_cpu(files, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run = tiny_run.config(training__epochs=7)
    (record,) = one_run.run_together([Assignment(run, files, "", "row")], gpus=1)
    assert re.search(r"was given a GPU, but torch .* sees none: set the node up with `make gpu`", record.error)
    assert files.record(run.key) == record


@pytest.mark.skipif(torch.cuda.is_available(), reason="mixed precision runs here")
def test_mixed_precision_without_a_gpu_is_refused_in_words(files):
    assert refusal(files, training__amp=True).startswith("training.amp=true needs a GPU")


def test_later_options_are_part_of_the_key_only_where_they_are_used():
    plain = tiny_run.config()
    for option in ("drop_last", "clip_adapters_apart"):
        assert option not in plain.identity()["training"]
        assert tiny_run.config(**{f"training__{option}": True}).key != plain.key


def clipped(apart: bool) -> tuple[CountedOptimWrapper, list[torch.nn.Parameter]]:
    """A student's gradients (3, 4) and 0, an adapter's 120 and 0.3, clipped to 10 in two steps."""
    student, adapter = (torch.nn.Parameter(torch.zeros(n, device=DEVICE)) for n in (2, 1))
    wrapper = CountedOptimWrapper(torch.optim.SGD([student, adapter], lr=1.0), clip_grad={"max_norm": 10.0})
    wrapper.apart = [adapter] if apart else []
    for ours, others in (([3.0, 4.0], [120.0]), ([0.0, 0.0], [0.3])):
        student.grad, adapter.grad = torch.tensor(ours, device=DEVICE), torch.tensor(others, device=DEVICE)
        FakeAccelerator.running.waits.clear()
        wrapper.step()
        assert not FakeAccelerator.running.waits
    return wrapper, [student, adapter]


def test_an_adapters_large_gradient_throttles_the_student_unless_it_is_clipped_apart():
    with FakeAccelerator():
        wrapper, (student, _) = clipped(apart=False)
        norm = (120.0**2 + 25) ** 0.5
        assert (-student).tolist() == pytest.approx([30 / norm, 40 / norm], rel=1e-5)
        assert wrapper.tally().facts == pytest.approx({"gradient_norm": (norm + 0.3) / 2, "clipped_share": 0.5})
        wrapper, (student, adapter) = clipped(apart=True)
        assert (-student).tolist() == [3, 4]
        assert (-adapter).tolist() == pytest.approx([10.3], rel=1e-5)
        assert wrapper.tally().facts == {"gradient_norm": 2.5, "clipped_share": 0}
        assert wrapper.tally().facts == {}, "counted twice"


def test_the_losses_of_a_step_wait_for_the_device_once():
    losses = EpochLosses()
    with FakeAccelerator() as accelerator:
        for value in (1.0, 3.0):
            terms = {"loss": torch.full((), value, device=DEVICE), "kd_loss": torch.full((), 0.5, device=DEVICE)}
            accelerator.waits.clear()
            losses.add(terms, 1)
            assert dict(accelerator.waits) == {"tolist": 1}
    assert losses.means() == {"loss": 2.0, "kd_loss": 0.5}
    with pytest.raises(DivergedError, match=r"in epoch 2, step 3: loss=nan, kd_loss=0.5"):
        losses.add({"loss": torch.tensor(float("nan")), "kd_loss": torch.tensor(0.5)}, 2)
