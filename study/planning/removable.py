"""What of the results nobody needs any more, and its removal while nobody works there.

Never the record of a run, its detector or its log. Nothing of a study goes whose driver is alive, nor of the runs that
it has planned, nor of a run that some process holds: runs are shared, so every study below the results counts.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from study.nouns.errors import InputError
from study.nouns.records import StudyFiles
from study.nouns.sizes import size_of
from study.planning.same_study import only_driver
from study.planning.trained_once import held, is_held


class Removable(NamedTuple):
    """A file or a folder that may go."""

    path: Path
    why: str
    size: int
    of: tuple[StudyFiles, str] | None = None
    """The run that it is of, by its key; None: a study's own."""

    def remove(self) -> bool:
        """Delete it, unless its run is at work again or needs it by now; returns whether it is gone."""
        if self.of is None:
            _delete(self.path)
            return True
        files, key = self.of
        with held(files.run(key)) as mine:
            if not mine or self.path not in [one.path for one in _of_run(files, key)]:
                return False
            _delete(self.path)
            return True


class Held(NamedTuple):
    """The studies below a results folder, as long as no driver can start."""

    quiet: list[StudyFiles]
    busy: list[StudyFiles]
    """Another process runs them."""


@contextmanager
def no_driver(studies: Sequence[StudyFiles]) -> Iterator[Held]:
    """Hold every study that nobody runs."""
    found = Held([], [])
    with ExitStack() as locks:
        for files in studies:
            try:
                locks.enter_context(only_driver(files))
            except InputError:
                found.busy.append(files)
            else:
                found.quiet.append(files)
        yield found


def removable(asked: Sequence[StudyFiles], held_: Held, others: StudyFiles | None = None) -> Iterator[Removable]:
    """What may go, of studies and then of runs.

    Args:
        asked: the studies that are cleaned.
        held_: all studies below the results.
        others: where every run lies, to clean also those that no study plans; None: only those of the studies asked.
    """
    quiet = [files for files in held_.quiet if files.root in {one.root for one in asked}]
    for files in quiet:
        if _is_folder(files.tune) and not any(is_held(files.run(key)) for key in _keys([files])):
            yield Removable(files.tune, "Tune's scratch", size_of(files.tune))
    needed = set(_keys(held_.busy))
    runs = {key: files for files in quiet for key in _keys([files])}
    if others is not None and others.runs.is_dir():
        runs |= {path.name: others for path in others.runs.iterdir() if path.is_dir()}
    for key, files in sorted(runs.items(), key=lambda one: one[0]):
        if key not in needed and files.run(key).is_dir() and not is_held(files.run(key)):
            yield from _of_run(files, key)


def _keys(studies: Iterable[StudyFiles]) -> Iterator[str]:
    for files in studies:
        yield from dict.fromkeys(run.config.key for run in files.read_plan().runs)


def _of_run(files: StudyFiles, key: str) -> Iterator[Removable]:
    for name, what in (("retried", "records of failed tries"), ("unreadable", "records that could not be read")):
        if _is_folder(folder := files.run(key) / name):
            yield Removable(folder, what, size_of(folder), (files, key))
    latest = files.latest(key)
    if latest.exists() and (status := files.status(key)) in ("finished", "pruned"):
        yield Removable(latest, f"checkpoint of a {status} run", size_of(latest), (files, key))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
