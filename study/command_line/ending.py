"""How a command ends: whatever ends it is said in one line, with an exit status that scripts can read."""

import errno
import os
import sys
import traceback
from typing import Any, NoReturn

import typer

from study.nouns.errors import ExitStatus, InputError, RunFailedError

USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""What typer raises for a command line it cannot read; it exports only this subclass of it."""
DEBUG = "PDSTUDY_DEBUG"
UNUSABLE = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EROFS)
"""What the system says of a path that cannot be what it was meant to be."""

STATUSES = (
    f"Exit status: {ExitStatus.DONE:d} done; {ExitStatus.RUNS_FAILED:d} runs failed; {ExitStatus.WRONG_INPUT:d} wrong "
    f"input; {ExitStatus.STOPPED_EARLY:d} stopped early (time is up, or something outside the runs, such as Ray or a "
    f"full disk, ended them; --resume goes on); {ExitStatus.INTERRUPTED:d} interrupted. {DEBUG}=1 in the environment "
    "shows tracebacks, and what the workers of Ray print."
)


def end(error: BaseException) -> NoReturn:
    """Say what went wrong in one line and leave with its exit status."""
    if DEBUG in os.environ:
        traceback.print_exception(error)
    line, status = _said(error)
    if line:
        print(f"error: {line}", file=sys.stderr)
    sys.exit(status)


def _said(error: BaseException) -> tuple[str, ExitStatus]:
    if isinstance(error, USAGE_ERROR):
        return error.format_message(), ExitStatus.WRONG_INPUT
    if isinstance(error, InputError):
        return str(error), ExitStatus.WRONG_INPUT
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "interrupted; what was finished is kept", ExitStatus.INTERRUPTED
    if isinstance(error, RunFailedError):
        return str(error), ExitStatus.RUNS_FAILED
    if isinstance(error, OSError) and error.strerror:
        unusable = error.filename is not None and error.errno in UNUSABLE
        status = ExitStatus.WRONG_INPUT if unusable else ExitStatus.STOPPED_EARLY
        return f"{error.filename or 'writing'}: {error.strerror}", status
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
    # Errors of Ray and Tune are whole tracebacks of other processes, the cause last.
    said = lines[-1] if type(error).__module__.startswith("ray.") else lines[0]
    return f"{type(error).__name__}: {said}; set {DEBUG}=1 for the traceback", ExitStatus.STOPPED_EARLY
