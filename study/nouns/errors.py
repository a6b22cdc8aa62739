"""How a command may end: its exit status, and the errors that are printed as one line."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """What a script reads off a command that has ended."""

    DONE = 0
    RUNS_FAILED = 1
    WRONG_INPUT = 2
    STOPPED_EARLY = 3
    """Time or budget is up, or something outside the runs ended them: the same command with --resume goes on."""
    INTERRUPTED = 130


class InputError(ValueError):
    """Input that cannot be used. The message says what was expected, what was found, and where."""


def unknown_name(kind: str, name: str, available: list[str], near: list[str] | None = None) -> InputError:
    """The answer to a name that does not exist: the nearest existing ones (given, or found here), then all of them."""
    from difflib import get_close_matches

    near = get_close_matches(name, available, n=1) if near is None else near
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return InputError(f"unknown {kind} {name!r}.{hint} Available: {', '.join(sorted(available))}.")


class RunFailedError(RuntimeError):
    """A run that ended without a result; the reason stands in its record."""
