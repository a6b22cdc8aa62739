"""A lease: one process at a time holds a run, a study or a folder of data, also on a disk that passes no locks on.

A lease is a file in the folder that it is about, `.lease.<number>`. Who takes it makes the file with the next number,
which a disk lets one process do alone, and removes the older ones; the greatest number holds. The holder changes its
file every few seconds. Another process takes over when it sees that the holder's process is gone (on one machine), or
when it has looked on for a minute without a change: clocks of machines are never compared.

A holder that was taken for dead and is not (it was stopped, its network was away) finds a greater number when it next
writes, and is refused (`fence`). It asks when its new file lies beside the old one, right before the rename; as a file
was just made in this folder, a network disk then answers from its server and not from what it remembers.
"""

import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from study.nouns.holders import Holder, signed_by

BEAT_S = 10.0
"""How often a holder changes its file."""
EXPIRY_S = 60.0
"""How long a file must be seen not to change before its holder is taken for dead."""
PREFIX = ".lease."
FREE = "free"
BEATS = 10
"""Digits of the count of changes: the file is written in place, and keeps its length."""


class LeaseLostError(OSError):
    """This process was taken for dead, and another has taken over: what it writes now would replace newer files."""


class Lease:
    """What one process at a time has of a folder: held by this process, or looked at.

    Args:
        folder: that it is about; it holds no other lease.
        number: under which another process holds it, for which this one writes.
    """

    def __init__(self, folder: Path, number: int = 0) -> None:
        self.folder, self.number = folder, number
        self.lost = False
        """Another process has taken it from this one."""
        self.answers = False
        """Whether the holder is certainly alive: its process is there, or its file was seen to change."""
        self._me: Holder | None = None
        self._beats = 0
        self._seen: tuple[int, str] | None = None
        self._silent, self._looked = 0.0, 0.0

    def take(self) -> bool:
        """Hold it from now on, unless another process does, as far as was seen since the first try.

        Raises:
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        number = max(self._numbers(), default=0) + 1
        if number > 1 and self._is_held(number - 1):
            return False
        try:
            descriptor = os.open(self._file(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return False
        self._me = Holder.me()
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(self._signed(self._me))
        except OSError:
            self._file(number).unlink(missing_ok=True)
            raise
        numbers = self._numbers()
        if max(numbers, default=0) != number:  # what was seen before was old
            self._file(number).unlink(missing_ok=True)
            return False
        self.number, self.lost = number, False
        for older in numbers:
            if older < number:
                self._file(older).unlink(missing_ok=True)
        _keep(self)
        return True

    def release(self) -> None:
        """Let go of it; the file stays, as the next number must be greater."""
        with _ONE_AT_A_TIME:
            _HELD.pop(self.folder, None)
            self._write(FREE)

    def check(self) -> None:
        """Make sure that this process still holds it.

        Raises:
            LeaseLostError: another process has taken over.
        """
        newest = max(self._numbers(), default=0)
        if newest != self.number:
            self.lost = True
            holder = signed_by(self._text(newest))
            by = holder.text() if holder else "another process"
            raise LeaseLostError(
                errno.ESTALE, f"not written: this process was taken for dead, and {by} took over", str(self.folder)
            )

    def holder(self) -> Holder | None:
        """Who holds it, or held it and was killed; None where nobody does, or where it is just being taken."""
        return signed_by(self._text(max(self._numbers(), default=0)))

    def is_free(self) -> bool:
        """Whether nobody holds it, as far as one look can tell: a holder on another machine counts as alive."""
        number = max(self._numbers(), default=0)
        return number == 0 or not Lease(self.folder)._is_held(number)

    def changes_within(self, seconds: float) -> bool:
        """Look on until the holder gives a sign of life."""
        give_up, number = time.monotonic() + seconds, max(self._numbers(), default=0)
        before = self._text(number)
        while time.monotonic() < give_up:
            time.sleep(min(0.5, seconds / 10))
            if self._text(number) != before:
                return True
        return False

    def beat(self) -> None:
        """Show that this process lives. Where that cannot be written, the next one may get through."""
        if self._me is not None:
            self._beats += 1
            self._write(self._signed(self._me))

    def _is_held(self, number: int) -> bool:
        text = self._text(number)
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

    def _numbers(self) -> list[int]:
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        found = (name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
        return [int(number) for number in found if number.isdigit()]

    def _file(self, number: int) -> Path:
        return self.folder / f"{PREFIX}{number}"

    def _text(self, number: int) -> str | None:
        """What a file says; None where it is gone or cannot be read now."""
        try:
            return self._file(number).read_text(errors="replace")
        except OSError:
            return None

    def _signed(self, holder: Holder) -> str:
        return json.dumps({**holder._asdict(), "beat": f"{self._beats:0{BEATS}}"})

    def _write(self, text: str) -> None:
        try:
            with self._file(self.number).open("r+") as file:  # never made anew: a successor removes it
                file.write(text)
                file.truncate()
        except FileNotFoundError:
            self.lost = True
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


def fence(folder: Path) -> int:
    """Make sure that this process may write in a folder, when the new file lies there and is to be renamed.

    Returns:
        The number under which it holds the folder; 0 where it holds no lease of it, and nothing was asked.

    Raises:
        LeaseLostError: it was taken for dead, and another process has taken over.
    """
    if (lease := _HELD.get(folder)) is None:
        return 0
    lease.check()
    return lease.number


def is_lost(folder: Path) -> bool:
    """Whether this process has found out by now that another has taken a folder from it. The disk is not asked."""
    return folder in _HELD and _HELD[folder].lost


def entrust(folder: Path, number: int) -> None:
    """Write in a folder from now on under the lease of the process that started this one (0: it has none)."""
    if number:
        _HELD[folder] = Lease(folder, number)


_HELD: dict[Path, Lease] = {}
_ONE_AT_A_TIME = threading.Lock()
_HEART: list[threading.Thread] = []


def _keep(lease: Lease) -> None:
    """Show signs of life from now on."""
    with _ONE_AT_A_TIME:
        _HELD[lease.folder] = lease
        if not _HEART:
            _HEART.append(threading.Thread(target=_beat, name="leases", daemon=True))
            _HEART[0].start()


def _beat() -> None:
    while True:
        time.sleep(BEAT_S)
        for lease in list(_HELD.values()):
            with _ONE_AT_A_TIME:
                if _HELD.get(lease.folder) is lease:
                    lease.beat()


def _forget() -> None:
    """A forked process holds nothing of what its parent holds."""
    _HELD.clear()
    _HEART.clear()
    _ONE_AT_A_TIME.release()


os.register_at_fork(before=_ONE_AT_A_TIME.acquire, after_in_parent=_ONE_AT_A_TIME.release, after_in_child=_forget)
