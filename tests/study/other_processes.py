"""Processes of their own that hold a run, or a study as its driver does, until they are told to stop."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from study.nouns.records import StudyFiles

REPOSITORY = Path(__file__).resolve().parents[2]
TRAINS = """
import sys
import time
from pathlib import Path
from study.nouns import leases
from study.nouns.leases import Lease

leases.EXPIRY_S = float(sys.argv[2])
lease = Lease(Path(sys.argv[1]))
while not lease.take() and leases.EXPIRY_S < 60:
    time.sleep(0.05)
print(lease.number > 0, flush=True)
sys.stdin.readline()
lease.release()
"""
DRIVES = """
import sys
from pathlib import Path
from study.nouns.records import StudyFiles
from study.planning.same_study import only_driver

with only_driver(StudyFiles(Path(sys.argv[1]), sys.argv[2])):
    print(True, flush=True)
    sys.stdin.readline()
"""


@contextmanager
def _process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        try:
            yield process
        finally:
            process.kill()


def training(files: StudyFiles, key: str, *, waits: bool = False) -> AbstractContextManager[subprocess.Popen[str]]:
    """A process that trains a run; one that waits takes over where the holder is silent for half a second."""
    return _process(TRAINS, str(files.run(key)), "0.5" if waits else "60")


def driving(files: StudyFiles) -> AbstractContextManager[subprocess.Popen[str]]:
    """A process that runs a study."""
    return _process(DRIVES, str(files.results), files.study)
