"""Runs in an object store, and what of them lies on this machine: fetched before a process works on them, put while.

A file here that holds what the object of its name holds has the object's time (`object_store.Seen.is_in`), so what is
new on either side shows without a list of its own. A record is put first and lies here then: none is seen here that the
store lacks. Only the process that holds a run there, by a lease, puts what is of it.
"""

import json
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from threading import Event, RLock
from typing import Any

from study.nouns.leases import LeaseLostError, fence, number_of
from study.nouns.object_store import Answer, Prefix, Seen, Store, StoreAwayError, at_once, meanwhile
from study.nouns.records import DETECTOR, RECORD

PUSH_S = 3.0
"""How often a process that trains looks whether it has a new checkpoint to put."""
PATIENCE_S = 300.0
"""How long what cannot go on without the store is tried again: to begin a run, to see what became of it, its record."""
AGAIN_S = 1.0
MARK = ".lease-in-store"
ASIDE = ("retried/", "unreadable/")
"""Folders of records that were set aside: reports read them, training does not."""
Objects = dict[str, Seen]
"""What the store has of a run, by the name inside its folder."""


class RunsInStore:
    """All runs of a store.

    Args:
        url: of the store.
        folder: of the runs on this machine.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.store, self.folder = Store(url), folder
        self._there: dict[str, Objects] = {}
        self._had: dict[str, set[str]] = {}
        """What of a run that this process holds lay here when it was last compared."""
        self._one_at_a_time = RLock()  # an older list must not come after a newer one

    def lease_place(self, key: str) -> Prefix:
        """Where the lease of a run lies."""
        return Prefix(self.store, f"runs/{key}")

    def number(self, key: str) -> int:
        """Under which number this process holds a run; 0: it does not. The store is not asked."""
        return number_of(self.lease_place(key).key)

    def has(self, key: str, name: str) -> bool:
        """Whether the store had a file of a run when it was last looked at."""
        return name in self._there.get(key, {})

    def tag(self, key: str, name: str) -> str:
        """What changes when a file of a run is put, as far as was last seen; nothing: it is not there."""
        seen = self._there.get(key, {}).get(name)
        return seen.tag if seen else ""

    def look(self, keys: Iterable[str] | None = None) -> None:
        """Have the records here that the store has now, and no others: of these runs, or of all by one list.

        Raises:
            OSError: the store does not answer (of runs that are named, on which something depends: for minutes), or a
                file cannot be written.
        """
        if keys is None:
            self._look(None)
            return
        named = list(keys)
        patiently(lambda: self._look(named))

    def _look(self, keys: list[str] | None) -> None:
        with self._one_at_a_time:
            here = self._recorded_here() if keys is None else [key for key in keys if self._path(key, RECORD).exists()]
            there = self._listed(keys)
            for key in here:
                if RECORD not in there.get(key, {}):
                    self._path(key, RECORD).unlink(missing_ok=True)
            wanted = {}
            for key, objects in there.items():
                seen, before = objects.get(RECORD), self._there.get(key, {}).get(RECORD)
                if seen and (not seen.is_in(self._path(key, RECORD)) or (before and before.tag != seen.tag)):
                    wanted[key] = {RECORD: seen}
            if keys is None:  # a long list takes a while: it may have a record, and not what came just before
                there |= self._listed([key for key in wanted if DETECTOR not in there[key]])
            self._there = there if keys is None else {**self._there, **there}
            with suppress(FileNotFoundError):  # it was set aside this very moment
                self._download(wanted)

    def fetch(self, keys: Iterable[str], wanted: Callable[[str], bool]) -> None:
        """Have files of runs here as the store had them when it was last looked at.

        Args:
            keys: of the runs.
            wanted: says it of a name inside a run's folder.
        """
        found: dict[str, Objects] = {}
        for key in keys:
            named = {name: seen for name, seen in self._there.get(key, {}).items() if wanted(name)}
            found[key] = {name: seen for name, seen in named.items() if not seen.is_in(self._path(key, name))}
        self._download(found)

    @contextmanager
    def at_work(self, keys: Collection[str], teachers: Iterable[str]) -> Iterator[None]:
        """Inside, this process trains runs that it holds: they and their teachers lie here, and what is new is put.

        Raises:
            OSError: the store has not answered for minutes, or a file cannot be written.
        """
        teachers = list(teachers)
        self.look([*keys, *teachers])
        patiently(lambda: self.fetch(teachers, lambda name: name.startswith("detector.")))
        for key in keys:
            patiently(partial(self._begin, key))
        try:
            with meanwhile(partial(self._put_again_and_again, keys)):
                yield
        finally:
            self._put_now(keys)

    def put(self, key: str, but: Collection[str] = (), sparing: bool = False) -> None:
        """Put what is new here of a run that this process holds, and remove there what is gone here, but its record.

        Args:
            key: of the run.
            but: names that are not put.
            sparing: only where weights are new: a log grows all the time.

        Raises:
            LeaseLostError: another process has taken the run over.
            OSError: the store does not answer, or a file cannot be read.
        """
        with self._one_at_a_time:
            here, there = dict(self._files(key)), self._there.setdefault(key, {})
            new = [name for name, path in here.items() if name not in but and not _is_put(path, there.get(name))]
            gone = [name for name in self._had.get(key, set()) - here.keys() if name in there]
            if sparing and not any(name.endswith(".pth") for name in new):
                return
            if new or gone:
                self._fence(key)
                at_once(lambda name: self._upload(key, name, there), new)
                self.store.remove(self._name(key, name) for name in gone)
                for name in gone:
                    del there[name]
            self._had[key] = set(here)

    def put_record(self, key: str, content: Any) -> None:
        """Put the record of a run, by the process that holds it or by one that has given it up.

        Raises:
            LeaseLostError: another process has taken the run over; its record stays.
            OSError: the store does not take it.
        """
        text, name = json.dumps(content, indent=1, allow_nan=False).encode(), self._name(key, RECORD)
        self._fence(key)
        if not self.store.create(name, text):  # a process that was stopped in between is asked again
            self._fence(key)
            self.store.write(name, text)

    def set_aside(self, key: str, name: str) -> None:
        """Move the record of a run to another name inside its folder.

        Raises:
            OSError: the store does not answer.
        """
        content = self.store.read(self._name(key, RECORD))
        if content is not None:  # another study was faster
            self.store.write(self._name(key, name), content)
            self.store.remove([self._name(key, RECORD)])

    def _begin(self, key: str) -> None:
        """Have a run here as the store has it; what lies here is newer where no other machine has held it since."""
        number, mark = self.number(key), self._path(key, MARK)
        mine = mark.exists() and mark.read_text() == f"{number - 1}"
        there, here = self._there.get(key, {}), dict(self._files(key))
        for name in () if mine else here.keys() - there.keys():
            here[name].unlink(missing_ok=True)
        self.fetch([key], lambda name: name not in (RECORD, MARK) and _is_kept(name) and not (mine and name in here))
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(f"{number}")
        self._had[key] = set(dict(self._files(key)))

    def _put_again_and_again(self, keys: Collection[str], over: Event) -> None:
        while not over.wait(PUSH_S):
            self._put_now(keys, sparing=True)

    def _put_now(self, keys: Collection[str], sparing: bool = False) -> None:
        """A store that is away is tried again; of what others have taken over nothing is put."""
        for key in keys:
            try:
                self.put(key, sparing=sparing)
            except LeaseLostError:
                continue
            except OSError as error:
                print(f"{key}: not put into the store yet: {error}", file=sys.stderr)

    def _upload(self, key: str, name: str, there: Objects) -> None:
        with suppress(FileNotFoundError):  # it was removed while this went on
            there[name] = self.store.upload_stamped(self._path(key, name), self._name(key, name))

    def _download(self, wanted: dict[str, Objects]) -> None:
        seen = {self._name(key, name): one for key, objects in wanted.items() for name, one in objects.items()}
        paths = {self._name(key, name): self._path(key, name) for key, objects in wanted.items() for name in objects}
        self.store.download(paths, seen)

    def _listed(self, keys: list[str] | None) -> dict[str, Objects]:
        below = ["runs"] if keys is None else [f"runs/{key}" for key in keys]
        found: dict[str, Objects] = {key: {} for key in keys or ()}
        for part in at_once(self.store.seen, below):
            for name, seen in part.items():
                _, key, inside = name.split("/", 2)
                if not _is_hidden(f"{key}/{inside}"):
                    found.setdefault(key, {})[inside] = seen
        return found

    def _fence(self, key: str) -> None:
        fence(self.lease_place(key).key)

    def _recorded_here(self) -> list[str]:
        return [path.parent.name for path in self.folder.glob(f"*/{RECORD}")]

    def _files(self, key: str) -> Iterator[tuple[str, Path]]:
        """What a run has here besides records."""
        for name, path in files_of_run(self.folder / key):
            if name != RECORD and _is_kept(name):
                yield name, path

    def _path(self, key: str, name: str) -> Path:
        return self.folder / key / name

    def _name(self, key: str, name: str) -> str:
        return f"runs/{key}/{name}"


def patiently(ask: Callable[[], Answer]) -> Answer:
    """The answer of a store, which is asked again for some minutes where it gives none.

    Raises:
        StoreAwayError: it gave none.
    """
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except StoreAwayError:
            if time.monotonic() > give_up:
                raise
            time.sleep(AGAIN_S)


def files_of_run(folder: Path) -> Iterator[tuple[str, Path]]:
    """What a run leaves, by the name inside its folder: no leases, and nothing that is being written."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _is_whole(name) and path.is_file():
            yield name, path


@cache
def runs_at(url: str, folder: Path) -> RunsInStore:
    """The runs of a store; a process has one view of them."""
    return RunsInStore(url, folder)


def _is_kept(name: str) -> bool:
    return _is_whole(name) and not name.startswith(ASIDE)


def _is_whole(name: str) -> bool:
    return not _is_hidden(name) and not name.endswith(".partial")


def _is_hidden(name: str) -> bool:
    """A lease, what is being written, or a way out of the folder."""
    return any(part.startswith(".") for part in name.split("/"))


def _is_put(path: Path, there: Seen | None) -> bool:
    return there is not None and there.is_in(path)
