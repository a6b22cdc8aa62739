"""Whether this process has been asked to end: set by whoever hears it, looked at by whoever trains, between two steps.

A run that is under way then keeps a checkpoint from the middle of its epoch and leaves; a process in which none is ends
as it always did.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

EXIT_STATUS = 128 + signal.SIGTERM
"""Of a process that kept what it did and left."""
_asked = threading.Event()
_under_way: list[bool] = []


class LeavingError(SystemExit):
    """What was under way is kept, and this process ends. No run has failed."""


@contextmanager
def under_way() -> Iterator[None]:
    """Inside, a run looks between its steps whether this process is to end."""
    _under_way.append(True)
    try:
        yield
    finally:
        _under_way.pop()


def is_under_way() -> bool:
    """Whether a run of this process would hear of it."""
    return bool(_under_way)


def asked() -> bool:
    """Whether this process is to end."""
    return _asked.is_set()


def ask() -> None:
    """Have this process end once what is under way is kept."""
    _asked.set()


def leave() -> NoReturn:
    """What was under way is kept: leave.

    Raises:
        LeavingError: always.
    """
    raise LeavingError(EXIT_STATUS)


def listen() -> None:
    """Hear SIGTERM from now on. Only the main thread of a process can do so."""
    before = signal.getsignal(signal.SIGTERM)

    def heard(number: int, frame: FrameType | None) -> None:
        if is_under_way():
            ask()
        elif callable(before):
            before(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, heard)
