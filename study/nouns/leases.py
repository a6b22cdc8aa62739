"""A lease: one process at a time holds a run, a study or a folder of data, also on a disk that passes no locks on.

A lease is a file in the folder that it is about, `.lease.<number>`, or an object in a store (`lease_places.py`). Who
takes it makes the file with the next number, which a disk and a store let one process do alone, and removes the older
ones; the greatest number holds. The holder changes its file every few seconds. Another process takes over when it sees
that the holder's process is gone (on one machine), or when it has looked on for a minute without a change: clocks of
machines are never compared.

A holder that was taken for dead and is not (it was stopped, its network was away) finds a greater number when it next
writes, and is refused (`fence`). It asks when its new file lies beside the old one, right before the rename; as a file
was just made in this folder, a network disk then answers from its server and not from what it remembers.
"""

import errno
import json
import os
import threading
import time
from _thread import start_new_thread
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from study.nouns.holders import Holder, signed_by
from study.nouns.lease_places import PREFIX as PREFIX
from study.nouns.lease_places import Folder, Place

BEAT_S = 10.0
"""How often a holder changes its file."""
EXPIRY_S = 60.0
"""How long a file must be seen not to change before its holder is taken for dead."""
FREE = "free"
BEATS = 10
"""Digits of the count of changes: the file is written in place, and keeps its length."""


class LeaseLostError(OSError):
    """This process was taken for dead, and another has taken over: what it writes now would replace newer files."""


class Lease:
    """What one process at a time has of a folder: held by this process, or looked at.

    Args:
        of: the folder that it is about, which holds no other lease; or where else its files lie.
        number: under which another process holds it, for which this one writes.
    """

    def __init__(self, of: Path | Place, number: int = 0) -> None:
        self.place: Place = Folder(of) if isinstance(of, Path) else of
        self.number = number
        self.lost = False
        """Another process has taken it from this one."""
        self.answers = False
        """Whether the holder is certainly alive: its process is there, or its file was seen to change."""
        self._beats = 0
        self._over, self._one_at_a_time = threading.Event(), threading.Lock()
        self._seen: tuple[int, str] | None = None
        self._silent, self._looked = 0.0, 0.0

    def take(self) -> bool:
        """Hold it from now on, unless another process does, as far as was seen since the first try.

        Raises:
            OSError: the folder cannot be written.
        """
        number = max(self.place.numbers(), default=0) + 1
        if number > 1 and self._is_held(number - 1):
            return False
        me = Holder.me()
        if not self.place.create(number, self._signed(me)):
            return False
        numbers = self.place.numbers()
        if max(numbers, default=0) != number:  # what was seen before was old
            self.place.remove(number)
            return False
        self.number, self.lost = number, False
        for older in numbers:
            if older < number:
                self.place.remove(older)
        _HELD[self.place.key] = self
        self._over = threading.Event()
        # `Thread.start` waits for the thread, for ever where that finds no memory to begin (CPython 3.11).
        start_new_thread(self._live, (self._over, me))
        return True

    def release(self) -> None:
        """Let go of it; the file stays, as the next number must be greater."""
        _HELD.pop(self.place.key, None)
        self._over.set()
        with self._one_at_a_time:
            self._write(FREE)

    def check(self) -> None:
        """Make sure that this process still holds it.

        Raises:
            LeaseLostError: another process has taken over.
        """
        newest = max(self.place.numbers(), default=0)
        if newest not in (0, self.number):  # 0: the folder was removed, or another disk lies there; nobody took over
            self.lost = True
            holder = signed_by(self.place.text(newest))
            by = holder.text() if holder else "another process"
            raise LeaseLostError(
                errno.ESTALE, f"not written: this process was taken for dead, and {by} took over", str(self.place.key)
            )

    def holder(self) -> Holder | None:
        """Who holds it, or held it and was killed; None where nobody does, or where it is just being taken."""
        return signed_by(self.place.text(max(self.place.numbers(), default=0)))

    def is_free(self) -> bool:
        """Whether nobody holds it, as far as one look can tell: a holder on another machine counts as alive."""
        number = max(self.place.numbers(), default=0)
        return number == 0 or not Lease(self.place)._is_held(number)

    def changes_within(self, seconds: float) -> bool:
        """Look on until the holder gives a sign of life."""
        give_up, number = time.monotonic() + seconds, max(self.place.numbers(), default=0)
        before = self.place.text(number)
        while time.monotonic() < give_up:
            time.sleep(min(0.5, seconds / 10))
            if self.place.text(number) != before:
                return True
        return False

    def _live(self, over: threading.Event, me: Holder) -> None:
        """Show that this process lives. Where that cannot be written, the next time may get through."""
        while not over.wait(BEAT_S):
            with self._one_at_a_time:
                if not over.is_set():
                    self._beats += 1
                    self._write(self._signed(me))

    def _is_held(self, number: int) -> bool:
        text = self.place.text(number)
        if text is not None and text.startswith(FREE):
            return False
        holder = signed_by(text)
        self.answers = holder is not None and holder.runs is True
        if holder is not None and holder.runs is False:
            return False
        now, seen = time.monotonic(), (number, text or "")
        if text is None or seen != self._seen:
            self.answers |= self._seen is not None and self._seen[0] == number and text is not None
            self._seen, self._silent = seen, 0.0
        else:  # while this process was held up itself, it saw nothing
            self._silent += min(now - self._looked, BEAT_S)
        self._looked = now
        return self._silent < EXPIRY_S

    def _signed(self, holder: Holder) -> str:
        return json.dumps({**holder._asdict(), "beat": f"{self._beats:0{BEATS}}"})

    def _write(self, text: str) -> None:
        try:
            self.lost |= not self.place.change(self.number, text)
        except OSError:
            return  # the disk is full or away; the next change may get through


@contextmanager
def taken(lease: Lease) -> Iterator[bool]:
    """Whether this process holds it, for as long as the block takes."""
    mine = lease.take()
    try:
        yield mine
    finally:
        if mine:
            lease.release()


@contextmanager
def all_taken(leases: Iterable[Lease]) -> Iterator[bool]:
    """Whether this process holds all of them, for as long as the block takes; else it holds none."""
    with ExitStack() as held:
        mine = all(held.enter_context(taken(one)) for one in leases)
        if not mine:
            held.close()
        yield mine


def fence(folder: Path | str) -> int:
    """Make sure that this process may write in a folder, when the new file lies there and is to be renamed.

    Args:
        folder: or the name of the place of another lease.

    Returns:
        The number under which it holds the folder; 0 where it holds no lease of it, and nothing was asked.

    Raises:
        LeaseLostError: it was taken for dead, and another process has taken over.
    """
    if (lease := _HELD.get(folder)) is None:
        return 0
    lease.check()
    return lease.number


def number_of(folder: Path | str) -> int:
    """Under which number this process holds a folder, as far as it knows by itself; 0: it holds none."""
    return _HELD[folder].number if folder in _HELD else 0


def is_lost(folder: Path) -> bool:
    """Whether this process has found out by now that another has taken a folder from it. The disk is not asked."""
    return folder in _HELD and _HELD[folder].lost


def entrust(folder: Path, number: int) -> None:
    """Write in a folder from now on under the lease of the process that started this one (0: it has none)."""
    if number:
        _HELD[folder] = Lease(folder, number)


_HELD: dict[Path | str, Lease] = {}
os.register_at_fork(after_in_child=_HELD.clear)  # a forked process holds nothing of what its parent holds
