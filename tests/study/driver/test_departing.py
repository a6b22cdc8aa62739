"""What is to end keeps the middle of an epoch first: of a signal, of a drained node, of a driver that leaves."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from test_launch import epochs_trained
from test_nodes import QUIET, RAY, TOKEN, head, launched, read_until, started
from toy_study import toy

from study.driver.departing import LET_GO_S
from study.nouns.records import StudyFiles

EPOCHS = 5


def slow(epochs: int = EPOCHS, **parameters: object):
    """A run of epochs of a second; its losses count at once."""
    base = {"method": "student", "training": {"epochs": epochs}, "parameters": {"pause": 1.0, **parameters}}
    return toy(base=base, points=[{"label": "row"}], seeds=[0], budget={"retries": 0})


def until_in_epoch(epoch: int, results: Path, seconds: float = 30) -> None:
    """A run reports an epoch, and works on the next one only after its driver has heard of it."""
    give_up = time.monotonic() + seconds
    while sum(len(nodes.read_text().split()) for nodes in StudyFiles(results, "toy").runs.glob("*/node")) <= epoch:
        assert time.monotonic() < give_up
        time.sleep(0.05)


def folder(results: Path) -> Path:
    (found,) = StudyFiles(results, "toy").runs.glob("*/epochs.log")
    return found.parent


def ended_well(said: str, results: Path) -> None:
    """It left once, in the middle of an epoch, and no epoch was trained twice or counted as a loss."""
    assert "1 runs finished, 0 failed" in said
    assert len((folder(results) / "left").read_text().split()) == 1
    assert epochs_trained(StudyFiles(results, "toy"), folder(results).name) == list(range(EPOCHS))


@contextmanager
def more_nodes(address: str, count: int) -> Iterator[None]:
    """So many nodes of one CPU."""
    with ExitStack() as stack:
        for _ in range(count):
            command = [RAY, "start", f"--address={address}", "--num-cpus=1", "--num-gpus=0", *QUIET]
            stack.enter_context(started(command, r"Ray runtime started"))
        yield


def test_a_worker_that_gets_sigterm_keeps_the_middle_of_its_epoch_and_its_run_goes_on(tmp_path):
    with head(cpus=1) as address, launched(slow(), tmp_path, address) as driver:
        read_until(driver, "epoch 2/5")
        until_in_epoch(2, tmp_path)
        os.kill(int((folder(tmp_path) / "pid").read_text()), signal.SIGTERM)
        said, _ = driver.communicate(timeout=120)
    assert "row seed 0: the process died; it is started again" in said
    ended_well(said, tmp_path)


@pytest.mark.long
def test_a_run_leaves_a_node_that_is_drained_and_goes_on_on_another(tmp_path):
    with head(cpus=0) as address, more_nodes(address, 2), launched(slow(), tmp_path, address) as driver:
        read_until(driver, "epoch 2/5")
        node = (folder(tmp_path) / "node").read_text().split()[-1]
        drain = [RAY, "drain-node", f"--address={address}", f"--node-id={node}", "--deadline-remaining-seconds=60"]
        why = ["--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=a spot machine is taken back"]
        subprocess.run([*drain, *why], check=True, env={**os.environ, **TOKEN})
        said, _ = driver.communicate(timeout=150)
    ended_well(said, tmp_path)
    places = (folder(tmp_path) / "node").read_text().split()
    assert places[-1] != node


def test_a_driver_that_gets_sigterm_leaves_once_its_runs_have_kept_what_they_did(tmp_path):
    with head(cpus=1) as address:
        with launched(slow(), tmp_path, address) as driver:
            read_until(driver, "epoch 2/5")
            until_in_epoch(2, tmp_path)
            driver.send_signal(signal.SIGTERM)
            said, _ = driver.communicate(timeout=25)
        assert "stopped: told to end by SIGTERM. Finished runs are kept" in said
        assert "failed" not in said
        assert "raylet" not in said, "Ray complains of workers that left in order"
        with launched(slow(), tmp_path, address, "--resume") as again:
            said, _ = again.communicate(timeout=120)
    ended_well(said, tmp_path)


def test_a_driver_that_leaves_does_not_wait_for_a_run_that_ended_by_itself_meanwhile(tmp_path):
    """It hears of the leaving in its only epoch, and comes to no other in which it would leave."""
    with head(cpus=1) as address, launched(slow(epochs=1, pause=3.0, deaf=True), tmp_path, address) as driver:
        until_in_epoch(0, tmp_path, seconds=60)
        driver.send_signal(signal.SIGTERM)
        said, _ = driver.communicate(timeout=LET_GO_S)
    assert "stopped: told to end by SIGTERM" in said
    (record,) = StudyFiles(tmp_path, "toy").all()
    assert record.status == "finished"
