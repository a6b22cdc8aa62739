"""Writing a checkpoint so that readers see the old one or the whole new one, also after a crash of the machine."""

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from study.nouns.fenced import put
from study.nouns.leases import fence


def save(content: dict[str, Any], path: Path) -> None:
    """Put a file of torch in the place of an earlier one.

    Raises:
        LeaseLostError: another process has taken the folder over; its file stays (see `put` for a moment in which it
            may not: the run then goes on from an earlier epoch, and comes to the same numbers).
        OSError: it cannot be written.
    """
    whole = BytesIO()  # torch hides a full disk behind an error of its own
    torch.save(content, whole)
    partial = path.with_suffix(f".{fence(path.parent)}.partial")  # not the file that a predecessor may still write
    for left in path.parent.glob(f"{path.stem}.*partial"):
        left.unlink(missing_ok=True)
    try:
        with partial.open("wb") as file:
            file.write(whole.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        put(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    entry = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
