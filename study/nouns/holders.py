"""The process that holds a lease: which one it is, how it signs, and whether it is still there."""

import hashlib
import json
import os
import re
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4


class Holder(NamedTuple):
    """A process that holds a lease, as it signs its file."""

    host: str
    pid: int
    place: str
    """The machine since it was started, and its table of processes: a process's number means the same there only."""
    born: str
    """When the process was started; numbers of processes are used again."""

    @classmethod
    def me(cls) -> "Holder":
        """This process."""
        return cls(socket.gethostname(), os.getpid(), _place(), _born(os.getpid()))

    @property
    def runs(self) -> bool | None:
        """Whether the process is there; None where that cannot be seen from here."""
        return _born(self.pid) == self.born if self.born and self.place == _place() else None

    def text(self) -> str:
        """In words."""
        return f"process {self.pid} on {self.host}"


def signed_by(text: str | None) -> Holder | None:
    """Who has signed; None where nobody has yet, or who did has let go."""
    found = re.match(r"\{.*?\}", text or "")
    with suppress(ValueError, KeyError):
        content = json.loads(found[0]) if found else {}
        return Holder(*(content[name] for name in Holder._fields))
    return None


@cache
def _place() -> str:
    """Where numbers of processes mean the same as here; a text of its own where that cannot be known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        here = f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        here = uuid4().hex
    return hashlib.sha256(here.encode()).hexdigest()[:12]


def _born(pid: int) -> str:
    """When a process was started, as its system counts; nothing of one that is not there, or is dead and not buried."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else rest[18]
