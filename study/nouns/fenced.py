"""Putting a new file in its place, by the process that holds the folder and by no other.

The new file lies beside the old one. A process that was taken for dead is refused (study/nouns/leases.py).
"""

import errno
import os
from pathlib import Path

from study.nouns.leases import fence


def put(partial: Path, path: Path) -> None:
    """Put a file in its place.

    Raises:
        LeaseLostError: another process has taken the folder over; its file stays. Between the question and the rename
            a moment remains, in which a process that is stopped may later put its file in the place of a newer one.
    """
    fence(path.parent)
    partial.replace(path)


def put_record(partial: Path, path: Path) -> None:
    """Put a record in its place; a process that is stopped right before cannot replace its successor's either.

    That is so where there was no record before. Where there was one (its detector was lost, or a driver has given the
    run up), the moment between the question and the rename remains.
    """
    if not fence(path.parent) or path.exists():
        partial.replace(path)
        return
    try:
        os.link(partial, path)
    except FileExistsError:
        put_record(partial, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):  # a disk without links
            raise
        partial.replace(path)
