"""The faults themselves: each is done to a study that is running, at the moment at which it is called.

All are the real thing where a process can be given it: signals, nodes of Ray whose processes are killed or frozen, a
disk that is full (a small tmpfs), a store that is gone (an empty read-only disk laid over it in a mount namespace),
files that are cut off, a process that gets no more memory. A quota, a slow store and a clock that is off are raised,
waited for and added inside the processes, at each file that they open below the results.
"""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from killed_drivers import workers
from several_nodes import processes_of
from watched import Watched

from study.nouns.records import LATEST

OUTAGE_S = 6.0
FROZEN_S = 75.0


@dataclass
class Scene:
    """A study that is running."""

    results: Path
    driver: subprocess.Popen[str]
    watch: Watched
    chance: random.Random
    start: Callable[..., subprocess.Popen[str]]
    """Starts one more driver there."""
    nodes: list[int] = field(default_factory=list)
    """The process of each node of its Ray but the head."""
    orders: Path = Path()
    """Where files ask the study's processes for trouble."""
    others: list[subprocess.Popen[str]] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    """Runs whose finished record was destroyed: they have to be trained again."""


class Fault(NamedTuple):
    """How it is done, and what it needs."""

    strike: Callable[[Scene], None]
    real: bool = False
    """Done to a study of the real trainables."""
    mounts: bool = False
    nodes: int = 0
    """More nodes than the head."""


def worker(scene: Scene) -> int:
    """One of them; waits for one where there is none just now."""
    give_up = time.monotonic() + 60
    while not (found := workers(str(scene.results))):
        assert time.monotonic() < give_up, "nothing trains"
        time.sleep(0.05)
    return scene.chance.choice(found)


def kill_worker(scene: Scene) -> None:
    """As the system does that runs out of memory."""
    os.kill(worker(scene), signal.SIGKILL)


def kill_driver(scene: Scene) -> None:
    """The driver alone, without a word to its Ray."""
    scene.driver.kill()


def interrupt(scene: Scene) -> None:
    """Ctrl-C, as a terminal does it: driver, Ray and runs all get it."""
    os.killpg(scene.driver.pid, signal.SIGINT)


def terminate(scene: Scene) -> None:
    """As Slurm, Kubernetes and `kill` do it."""
    scene.driver.terminate()


def _node_of(scene: Scene) -> int:
    """The process of the node on which a run trains."""
    status = Path(f"/proc/{worker(scene)}/status").read_text()
    parent = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:"))
    assert parent in scene.nodes
    return parent


def lose_node(scene: Scene) -> None:
    """A machine is gone at once."""
    for process in processes_of(_node_of(scene)):
        os.kill(process, signal.SIGKILL)


def freeze_node(scene: Scene) -> None:
    """A machine hangs until Ray has given its run to another one, and then writes on where it was."""
    family = processes_of(_node_of(scene))
    before = len(scene.watch.steps) + 1  # what it was just writing
    for process in family:
        os.kill(process, signal.SIGSTOP)
    scene.watch.wait_for(before + 1, FROZEN_S)
    time.sleep(scene.chance.uniform(0, 1))
    for process in family:
        if Path(f"/proc/{process}").exists():
            os.kill(process, signal.SIGCONT)


def fill_disk(scene: Scene) -> None:
    """Somebody else's file takes all that was free, for a while."""
    filler = scene.results / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (2**16, 2**12, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))
        time.sleep(OUTAGE_S)
    finally:
        filler.unlink()


def hide_store(scene: Scene) -> None:
    """The results are gone for a while: an empty disk, which takes nothing, lies over them."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", str(scene.results)], check=True)
    time.sleep(OUTAGE_S)
    subprocess.run(["umount", "--lazy", str(scene.results)], check=True)


def _ordered(name: str) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        (scene.orders / name).touch()
        time.sleep(OUTAGE_S)
        (scene.orders / name).unlink()

    return strike


def shift_clock(scene: Scene) -> None:
    """Clocks of driver and workers are off by an hour from now on, and so is the time of all files."""
    hour = scene.chance.choice((-3600, 3600))
    (scene.orders / "clock").write_text(str(hour))
    for path in scene.results.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (time.time() + hour, time.time() + hour))


def cut_record(scene: Scene) -> None:
    """The record of a finished run loses its end, as on a disk that lost power."""
    give_up = time.monotonic() + 60
    while not scene.watch.finished:
        assert time.monotonic() < give_up, "nothing was finished"
        time.sleep(0.05)
    key = scene.chance.choice(sorted(scene.watch.finished))
    scene.damaged.add(key)
    record = scene.results / "runs" / key / "record.json"
    os.truncate(record, int(record.stat().st_size * scene.chance.uniform(0, 0.99)))


def second_driver(scene: Scene) -> None:
    """Another study of the same runs starts while this one trains them."""
    scene.others.append(scene.start("--name", "second"))


def spoil_checkpoint(scene: Scene) -> None:
    """The newest checkpoint of a run is damaged, and then its process is killed."""
    victim = worker(scene)
    give_up = time.monotonic() + 120
    while not (found := sorted((scene.results / "runs").glob(f"*/{LATEST}"))):
        assert time.monotonic() < give_up, "no checkpoint came"
        time.sleep(0.02)
    path = scene.chance.choice(found)
    os.kill(victim, signal.SIGSTOP)  # else it would mend what is damaged
    if path.exists():
        content = bytearray(path.read_bytes())
        cut, at = scene.chance.random() < 0.5, scene.chance.randrange(len(content))
        content[at : at + 4096] = b"" if cut else scene.chance.randbytes(min(4096, len(content) - at))
        path.write_bytes(content[: at if cut else None])
    os.kill(victim, signal.SIGKILL)


def make_nan(scene: Scene) -> None:
    """A weight of a network that trains becomes NaN in memory."""
    (scene.orders / "nan").touch()


FAULTS = {
    "node lost": Fault(lose_node, nodes=2),
    "worker kill -9": Fault(kill_worker),
    "driver kill -9": Fault(kill_driver),
    "Ctrl-C": Fault(interrupt),
    "SIGTERM": Fault(terminate),
    "full disk": Fault(fill_disk, mounts=True),
    "quota": Fault(_ordered("quota")),
    "store unreachable": Fault(hide_store, mounts=True),
    "slow store": Fault(_ordered("slow")),
    "clock off by an hour": Fault(shift_clock),
    "corrupt checkpoint": Fault(spoil_checkpoint, real=True),
    "truncated record": Fault(cut_record),
    "out of memory": Fault(_ordered("memory"), real=True),
    "NaN loss": Fault(make_nan, real=True),
    "two drivers": Fault(second_driver),
    "zombie writer": Fault(freeze_node, nodes=2),
}
