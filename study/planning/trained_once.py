"""A run is trained by one process at a time, whatever studies ask for it; who comes second is answered by its record.

What tells them apart is a lock in the run's folder. The system lets go of it even where the process is killed. A
process that waits holds nothing, so no two wait for each other. Between machines the lock works where their shared disk
passes locks on, as NFS does.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from study.nouns.assignment import Assignment
from study.nouns.records import RunRecord

LOCK = ".training"
LOOK_S = 1.0
"""How often a process looks whether another has come to the end of a run."""


def train_once(
    assigned: Sequence[Assignment],
    train: Callable[[list[Assignment]], None],
    wait: Callable[[Assignment], None],
    answer: Callable[[Assignment, RunRecord], None] = lambda one, record: None,
) -> None:
    """Train the runs that are not over and that no other process trains, then look what has become of the others.

    Args:
        assigned: runs that may train together.
        train: trains some of them.
        wait: is told once of each that another process trains.
        answer: is told of each that was over, with its record.
    """
    left, waits = list(assigned), set[str]()
    while left:
        with ExitStack() as locks:
            mine = [one for one in left if locks.enter_context(held(one.files.run(one.config.key)))]
            over = {one.config.key: record for one in left if (record := one.files.ended(one.config.key)) is not None}
            done = {*over, *(one.config.key for one in mine)}
            for one in left:
                if one.config.key in over:
                    answer(one, over[one.config.key])
                elif one.config.key not in done | waits:
                    waits.add(one.config.key)
                    wait(one)
            if open_ := [one for one in mine if one.config.key not in over]:
                train(open_)
        left = [one for one in left if one.config.key not in done]
        if left and not open_:
            time.sleep(LOOK_S)


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Whether this process holds the run of a folder now."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        mine = _taken(lock)
        os.listdir(folder)  # a network disk then asks its server what is new
        try:
            yield mine
        finally:
            if mine:
                fcntl.flock(lock, fcntl.LOCK_UN)  # processes that load data may have inherited it


def is_held(folder: Path) -> bool:
    """Whether some process holds the run of a folder now. Nothing is written."""
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
