"""How a run fails: the errors that end one, and the one line that its record keeps."""

import errno
from pathlib import Path

from study.nouns.errors import InputError


class DivergedError(RuntimeError):
    """A loss is not finite: the run cannot recover, and its search must not see a number."""


class RankFailedError(RuntimeError):
    """One process of a run failed or died; the message says which and why, in one line."""


def reason_of(error: Exception, folder: Path) -> str:
    """Why a run failed, in one line for its record."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full: {error.filename or folder} could not be written"
    text = str(error) if isinstance(error, InputError | RankFailedError) else f"{type(error).__name__}: {error}"
    # A data loading process hands its error over as a traceback in text, whose last line says what happened.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if "Traceback" in text else lines[0]
