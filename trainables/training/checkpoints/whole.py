"""Writing a checkpoint so that readers see the old one or the whole new one, also after a crash of the machine."""

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import torch


def save(content: dict[str, Any], path: Path) -> None:
    """Put a file of torch in the place of an earlier one.

    Raises:
        OSError: it cannot be written.
    """
    whole = BytesIO()  # torch hides a full disk behind an error of its own
    torch.save(content, whole)
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            file.write(whole.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    entry = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
