"""`run_study.py` as a user starts it, and the same without a process of its own."""

import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import run_study

REPOSITORY = Path(__file__).resolve().parent.parent


def command(*arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """`run_study.py` as a user starts it."""
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "run_study.py"), *arguments],
        check=False, cwd=cwd, capture_output=True, text=True, timeout=600, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip


def here(*arguments: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """The same in this process: one of its own would import for seconds."""
    said, complained, status = StringIO(), StringIO(), 0
    environment = patch.dict(os.environ, {"COLUMNS": "200"})
    with patch.object(sys, "argv", ["run_study.py", *arguments]), environment, chdir(cwd):
        try:
            with redirect_stdout(said), redirect_stderr(complained):
                run_study.main()
        except SystemExit as ended:
            status = int(ended.code or 0)
    return subprocess.CompletedProcess(arguments, status, said.getvalue(), complained.getvalue())
