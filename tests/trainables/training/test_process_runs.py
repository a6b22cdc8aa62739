"""Runs that two processes train together, and what becomes of them when a process dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_run
import torch

from study.nouns import leaving
from study.nouns.config import TrialConfig
from study.nouns.leaving import LeavingError
from study.nouns.records import EpochRecord, RunRecord, StudyFiles
from trainables import run as one_run
from trainables.datasets import ready
from trainables.training.checkpoints import latest
from trainables.training.seeds import epoch_seed

REPOSITORY = Path(__file__).resolve().parents[3]
SIMULATION = tiny_run.SIMULATION.model_copy(update={"seed": 5})
TOGETHER = {
    "method": "pointdistiller",
    "parameters": {"samples": 64, "selection": "drawn"},
    "dataset__options": SIMULATION.model_dump(),
    "teacher__training__epochs": 1,
    "training__devices": 2,
    "training__batch_size": 1,
}


def processes(parent: int) -> list[int]:
    """The processes that train for `parent`, in the order in which it started them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (folder / "status").read_text(), (folder / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if f"\nPPid:\t{parent}\n" in status and b"trainables.training.processes.one_process" in command:
            found.append(int(folder.name))
    return sorted(found)


def lives(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:  # it has ended
        return False


def wait_until(fulfilled: Callable[[], bool], seconds: float = 90) -> None:
    give_up = time.monotonic() + seconds
    while not fulfilled():
        assert time.monotonic() < give_up, f"not within {seconds:g} s"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Where the data lies, of which one scan to train on and the last to validate on hold no point in range."""
    results = tmp_path_factory.mktemp("results")
    dataset = tiny_run.config(dataset__options=SIMULATION.model_dump()).dataset
    root = ready.ensure(dataset, StudyFiles(results, "any"))
    for split, line in (("train", 0), ("val", -1)):
        name = (root / "ImageSets" / f"{split}.txt").read_text().split()[line]
        np.full((9, 4), 99, dtype=np.float32).tofile(root / "training" / "velodyne_reduced" / f"{name}.bin")
    return results


@pytest.fixture(scope="module")
def whole(results) -> tuple[StudyFiles, RunRecord]:
    """An uninterrupted run of two processes, under a teacher of one."""
    files = StudyFiles(results, "whole")
    return files, tiny_run.train(files, **TOGETHER)


def went_on(run: TrialConfig, files: StudyFiles, whole: tuple[StudyFiles, RunRecord]) -> list[int]:
    """Train a run to its end, which is that of the whole one, to the bit; returns the epochs that were ended now."""
    told: list[EpochRecord] = []
    continued = one_run.run(run, files, tell=told.append)
    assert [epoch.losses for epoch in continued.epochs] == [epoch.losses for epoch in whole[1].epochs]
    assert continued.metrics == whole[1].metrics
    weights = [torch.load(each.checkpoint(run.key), weights_only=True)["state_dict"] for each in (files, whole[0])]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    return [epoch.epoch for epoch in told]


def kept(files: StudyFiles, run: TrialConfig) -> tuple[int, list[dict]]:
    """Whole epochs in the newest checkpoint of a run, and where each of its processes was in the next one."""
    checkpoint = latest.load(files.run(run.key)) or {"meta": {"so_far": latest.SoFar()}}
    return len(checkpoint["meta"]["so_far"].epochs), checkpoint.get("midway", [])


def steps(midway: list[dict]) -> list[int]:
    return [len(each["journal"]["durations"]) for each in midway]


def leaves(run: TrialConfig, files: StudyFiles, tell: Callable[[EpochRecord], None] = print) -> None:
    """Train a run until this process leaves it without a record; the next one has not been asked to end."""
    try:
        with pytest.raises(LeavingError):
            one_run.run(run, files, tell=tell)
    finally:
        leaving._asked.clear()
    assert files.record(run.key) is None
    assert processes(os.getpid()) == []


@pytest.fixture(scope="module")
def broken(whole) -> tuple[StudyFiles, RunRecord, float]:
    """The same run, whose second process was killed after the first epoch, and how long its end took (s)."""
    files = tiny_run.elsewhere(whole[0], "broken")
    run, killed = tiny_run.config(**TOGETHER), []

    def kill_the_second(epoch) -> None:
        os.kill(processes(os.getpid())[1], signal.SIGKILL)
        killed.append(time.monotonic())

    with pytest.raises(one_run.RunFailedError):
        one_run.run(run, files, tell=kill_the_second)
    return files, files.record(run.key), time.monotonic() - killed[0]


def test_two_processes_train_one_run(whole):
    files, record = whole
    assert record.status == "finished"
    assert record.facts["steps"] == 2 * 6 / 2
    assert len(record.metrics) == 24
    assert {"loss_cls", "kd_loss"} <= record.epochs[0].losses.keys()
    assert files.checkpoint(record.key).exists()
    assert not list(files.run(record.key).glob("latest*"))


def test_the_number_of_processes_is_part_of_the_key(whole):
    assert tiny_run.config(**{**TOGETHER, "training__devices": 1}).key != whole[1].key


def test_a_process_that_dies_ends_the_run_with_its_reason(broken):
    _, record, seconds = broken
    assert record.status == "failed"
    assert record.error.startswith("process 2 of 2 was ended by SIGKILL")
    assert seconds < 90
    assert processes(os.getpid()) == []


def test_two_processes_continue_where_two_processes_were_killed(broken, whole):
    """Every loss and every weight as without the kill: each process found its own place in every random stream."""
    files, failed, _ = broken
    files.retry(failed.key)
    assert went_on(failed.config, files, whole) == [2]


def test_processes_that_are_asked_to_end_agree_on_a_step_and_go_on_from_it_to_the_same_end(whole):
    """First this process is asked, before they begin, then the second of them by SIGTERM, in its second epoch."""
    files, run = tiny_run.elsewhere(whole[0], "asked"), tiny_run.config(**TOGETHER)
    leaving.ask()
    leaves(run, files)
    epochs, (first, second) = kept(files, run)
    assert (epochs, steps([first, second])) == (0, [1, 1])
    assert not torch.equal(first["generator"], second["generator"]), "each draws for itself"
    assert not all(torch.equal(each, second["buffers"][name]) for name, each in first["buffers"].items())
    leaves(run, files, lambda epoch: os.kill(processes(os.getpid())[1], signal.SIGTERM))
    epochs, midway = kept(files, run)
    assert epochs == 1
    assert len(set(steps(midway))) == 1
    assert went_on(run, files, whole) == [2]


def test_processes_keep_checkpoints_inside_an_epoch_on_request_and_fail_no_run_where_one_is_killed_as_they_leave(whole):
    files = tiny_run.elsewhere(whole[0], "often")
    run = tiny_run.config(**TOGETHER, training__checkpoint_minutes=1e-9)

    def end_everything(epoch: EpochRecord) -> None:
        wait_until(lambda: kept(files, run)[1] != [])
        os.kill(processes(os.getpid())[1], signal.SIGKILL)
        leaving.ask()

    leaves(run, files, end_everything)
    epochs, midway = kept(files, run)
    assert (epochs, len(midway), len(set(steps(midway)))) == (1, 2, 1)


def test_no_process_outlives_the_one_that_started_it(tmp_path):
    script = f"""
from pathlib import Path
from study.nouns.config import TrainingConfig, TrialConfig
from trainables.training.processes import starting
nowhere = Path({str(tmp_path)!r})
starting.train(TrialConfig(training=TrainingConfig(devices=2)), nowhere, nowhere, None, print)
"""
    trial = subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY)
    wait_until(lambda: len(processes(trial.pid)) == 2)
    started = processes(trial.pid)
    trial.kill()
    trial.wait()
    wait_until(lambda: not any(lives(process) for process in started))


def test_every_process_has_its_own_random_streams_and_the_first_those_of_a_process_alone():
    alone = int(np.random.SeedSequence([7, 3]).generate_state(1)[0])
    assert epoch_seed(7, 3, rank=0) == alone
    seeds = {epoch_seed(seed, epoch, rank) for seed in range(3) for epoch in range(3) for rank in range(4)}
    assert len(seeds) == 36
