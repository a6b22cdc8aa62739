"""Files that are either whole or absent, whatever dies in between, written by one process at a time."""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from study.nouns.errors import InputError
from study.nouns.leases import Lease

LOOK_S = 0.5


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the target, then rename; parent folders are made.

    Raises:
        InputError: the file cannot be written (read-only, disk full, ...).
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        try:
            temporary.write_bytes(content)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        if temporary.exists():
            temporary.unlink()
        raise _unwritable(path, error) from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process prepares `folder`; one that was killed is not waited for.

    One that was only taken for dead may go on beside its successor: what both write is the same, file by file.

    Raises:
        InputError: the folder cannot be written.
    """
    lease = Lease(folder)
    try:
        while not lease.take():
            time.sleep(LOOK_S)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        yield
    finally:
        lease.release()


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot write {path}: {error.strerror}. Preparing needs a folder that can be written and has room; a "
        f"read-only data root can be prepared into another folder (`into`)."
    )
