"""The report of studies that are running: the same page, written again whenever a run has ended, until all have."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from analysis import report
from analysis.not_run import NOT_RUN
from analysis.results import Results
from analysis.study_folders import load
from analysis.wording import count

Files = dict[Path, tuple[int, int]]
"""When each file was written, and how large it is."""


def watch(
    study_folders: list[Path],
    into: Path,
    every: int,
    say: Callable[[str], None],
    wait: Callable[[float], None] = time.sleep,
) -> Path:
    """Keep a report up to date; returns the path of its page when nothing is missing any more.

    A study that makes claims plans its next runs when it has seen the last ones. So it is over only when nothing is
    missing and nothing has changed since the look before.

    Args:
        study_folders: as for `load`.
        into: the folder of the report.
        every: seconds between two looks; a browser that shows the page reads it again as often.
        say: takes one line whenever the page is new.
        wait: lets so many seconds pass.

    Raises:
        InputError: a folder is not a study's.
    """
    seen: Files | None = None
    while True:
        now = _files(study_folders)
        if now != seen:
            results = load(study_folders)
            missing = int((results.runs["status"] == NOT_RUN).sum())
            page = report.lay_out(results, into, _while_running(results, missing, every), every)
            say(f"{page}: {count(missing, 'run')} to come")
        elif not missing:
            return report.lay_out(results, into)
        seen = now
        wait(every)


def _while_running(results: Results, missing: int, every: int) -> str:
    ended = f"{len(results.runs) - missing} of {count(len(results.runs), 'run')}"
    return (
        f"This page is written again as runs end, and reads itself again every {every} seconds. "
        f"At {datetime.now():%H:%M:%S} ended: {ended}."
    )


def _files(study_folders: list[Path]) -> Files:
    """What a report is made of, as far as it changes while a study runs."""
    return {path: (found.st_mtime_ns, found.st_size) for path, found in _stats(study_folders)}


def _stats(study_folders: list[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    runs = dict.fromkeys(Path(folder).absolute().parent / "runs" for folder in study_folders)
    patterns = [(Path(folder), "*.json") for folder in study_folders] + [(folder, "*/record.json") for folder in runs]
    for folder, pattern in patterns:
        for path in folder.glob(pattern):
            with suppress(FileNotFoundError):  # set aside this moment
                yield path, path.stat()
