"""Sending what libraries print during a run to the run's log."""

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any


@contextmanager
def quietly(log: Path) -> Iterator[Callable[..., Callable[..., Any]]]:
    """Redirect standard output and error, of Python and of the process, to the end of `log`.

    mmdet3d's progress bars hold the stream that was there when they were imported, so the descriptors are redirected
    too. A failure's traceback goes to the log.

    Yields:
        A wrapper for callbacks that shall be heard where the caller listens.
    """
    heard = sys.stdout, sys.stderr
    for stream in heard:
        stream.flush()
    descriptors = [os.dup(number) for number in (1, 2)]

    def aloud(callback: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            file.flush()
            _point(descriptors)
            try:
                with redirect_stdout(heard[0]), redirect_stderr(heard[1]):
                    return callback(*args)
            finally:
                for stream in heard:
                    stream.flush()
                _point([file.fileno()] * 2)

        return call

    with ExitStack() as stack:
        file = stack.enter_context(log.open("a"))
        stack.enter_context(redirect_stdout(file))
        stack.enter_context(redirect_stderr(file))
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        _point([file.fileno()] * 2)
        try:
            yield aloud
        except Exception:
            traceback.print_exc(file=file)
            raise
        finally:
            for stream in heard:
                stream.flush()
            _point(descriptors)
            for number in descriptors:
                os.close(number)


def _point(descriptors: list[int]) -> None:
    for number, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, number)
