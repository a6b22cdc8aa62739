"""Drivers of their own process group with a Ray of their own, to be killed, and whether anything of them is left."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import toy_study

MARK = "STUDY_OF_THIS_TEST"
TRAINS = "ray::ResourceTr"
"""What the system calls a process in which runs train, by the class that `tune.with_resources` makes."""
REPOSITORY = Path(__file__).resolve().parents[2]


def driver(results: Path, *options: str) -> subprocess.Popen[str]:
    """A driver of its own process group, with a local Ray of its own."""
    command = [sys.executable, str(Path(toy_study.__file__)), str(results), "local", *options]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), MARK: str(results)}
    # Tests in a shell's background are started with the interrupt ignored, and would hand that on.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def until_gone(mark: str, seconds: float = 60) -> bool:
    """Wait until no living process carries the mark in its environment.

    But for the two agents of a killed Ray: they hold no work, and notice only after a minute that they are alone.
    """
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if not any(carries(process, mark) for process in Path("/proc").glob("[0-9]*")):
            return True
        time.sleep(0.5)
    return False


def carries(process: Path, mark: str) -> bool:
    try:
        agent = b"Agent" in (process / "cmdline").read_bytes().partition(b"\0")[0]
        return not agent and f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended
        return False


def workers(mark: str) -> list[int]:
    """The processes that train runs of these results now."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if (process / "comm").read_text().startswith(TRAINS) and carries(process, mark):
                found.append(int(process.name))
    return found
