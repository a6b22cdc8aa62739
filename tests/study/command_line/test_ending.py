"""What a command that fails says, and with which exit status it ends."""

import errno

import pytest
import ray
import typer
from ray.exceptions import RayTaskError
from ray.tune.error import TuneError

from study.command_line.ending import end
from study.nouns.errors import InputError, RunFailedError

WORKERS_TRACEBACK = "ray::train() (pid=1)\n  File 'a.py', line 3, in train\nValueError: the loss is not finite"


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("seeds must be whole"), 2, "error: seeds must be whole"),
        (typer.BadParameter("no such folder"), 2, "error: Invalid value: no such folder"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.yaml"), 2, "error: a.yaml: No such file"),
        (PermissionError(errno.EACCES, "Permission denied", "results"), 2, "error: results: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), 3, "error: writing: No space left on device"),
        (RunFailedError("abc: the loss is not finite"), 1, "error: abc: the loss is not finite"),
        (KeyboardInterrupt(), 130, "error: interrupted; what was finished is kept"),
        (TuneError(WORKERS_TRACEBACK), 3, "error: TuneError: ValueError: the loss is not finite; set PDSTUDY_DEBUG=1"),
        (RayTaskError("train", WORKERS_TRACEBACK, ValueError()), 3, "ValueError: the loss is not finite; set PDSTUDY_"),
        (ZeroDivisionError("division by zero"), 3, "error: ZeroDivisionError: division by zero; set PDSTUDY_DEBUG=1"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_every_error_is_one_line_with_its_exit_status(error, status, line, capsys, monkeypatch):
    monkeypatch.delenv("PDSTUDY_DEBUG", raising=False)
    with pytest.raises(SystemExit) as ended:
        end(error)
    said = capsys.readouterr().err
    assert ended.value.code == status
    assert said.count("\n") == 1
    assert line in said


def test_debugging_shows_the_traceback_before_the_line(capsys, monkeypatch):
    monkeypatch.setenv("PDSTUDY_DEBUG", "1")
    try:
        ray.ObjectRef(b"too short")
    except ValueError as error:
        with pytest.raises(SystemExit):
            end(error)
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last)")
    assert said.splitlines()[-1].startswith("error: ValueError: ")
