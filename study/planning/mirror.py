"""A study's results in an object store: fetched before a launch, kept there while it runs, so that any machine goes on.

In the store lie the same files under the same names as below the results folder. What promises another file comes after
it: a record after its detector. So at whatever moment a machine is lost, the store holds results that a launch can go
on from: the last seconds are missing, and runs go on from the newest checkpoint there.

One driver at a time mirrors a study, by a lease in the store, and asks for it before it writes. A run that another
study has recorded in the store meanwhile stays there as that one recorded it.

Where all results lie in the store (study/nouns/study_in_store.py), workers put their runs themselves: of these the
driver only looks what is new.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event

from study.nouns.errors import InputError
from study.nouns.leases import Lease, LeaseLostError
from study.nouns.object_store import Prefix, Seen, Store, at_once, meanwhile
from study.nouns.records import RECORD, StudyFiles
from study.nouns.runs_in_store import files_of_run
from study.nouns.study_in_store import StudyInStore, files_at
from study.planning.same_study import hold

PUSH_S = 10.0
"""How often what is new is put into the store."""
OF_STUDY = ("study.json", "plan.json", "spent.json", "importances.json", "optuna.journal")
Version = tuple[int, int]


class Mirror:
    """A study's files here and in a store.

    Args:
        files: of the study.
        store: below whose URL they lie.
    """

    def __init__(self, files: StudyFiles, store: Store) -> None:
        self.files, self.store = files, store
        self.lease = Lease(Prefix(store, files.study))
        self.stop = f"{files.study}/{files.stop.name}"
        """Where `run_study.py stop` leaves its word, for a study whose results lie in the store."""
        self._last = files.root / ".mirrored"
        self._copied: dict[str, Version] = {}
        """What both sides have, and the file here that it is."""
        self._recorded: set[str] = set()
        """Runs whose records in the store are of this study, or were there before."""
        self._plan: tuple[Version | None, list[str]] = (None, [])

    def pull(self) -> int:
        """Fetch what is in the store and not here; returns how many files.

        Where another machine has mirrored the study since this one did, its files replace those that are here.

        Raises:
            OSError: the store does not answer, or a file cannot be written.
        """
        mine = self._last.exists() and self._last.read_text() == f"{self.store.url} {self.lease.number - 1}"
        of_study = {f"{self.files.study}/{name}" for name in OF_STUDY}
        there = self.store.seen(self.files.study)
        count = self._fetch({name: seen for name, seen in there.items() if name in of_study}, mine)
        if self.files.url is not None:
            for name in () if mine else of_study - there.keys():
                (self.files.results / name).unlink(missing_ok=True)
            self.files.look()
            return count
        keys, there = set(self._keys()), self.store.seen("runs")
        self._recorded = {key for key in keys if f"runs/{key}/{RECORD}" in there}
        return count + self._fetch({name: seen for name, seen in there.items() if _run_of(name) in keys}, mine)

    def push(self) -> int:
        """Put what is new here into the store, and remove there what is gone here; returns how many files.

        Raises:
            LeaseLostError: another driver mirrors the study now.
            OSError: the store does not answer, or a file cannot be read.
        """
        here = {f"{self.files.study}/{name}": self.files.root / name for name in OF_STUDY}
        here |= {
            f"runs/{key}/{inside}": path for key in self._keys() for inside, path in files_of_run(self.files.run(key))
        }
        seen = {name: version for name, path in here.items() if (version := _version(path))}
        new = [name for name, version in seen.items() if version != self._copied.get(name)]
        gone = [name for name in self._copied if name not in seen]
        if not new and not gone:
            return 0
        self.lease.check()
        others = self._recorded_by_others(new)
        mine = [name for name in new if _run_of(name) not in others]
        for part in _records_last(mine):
            at_once(lambda name: self._put(name, here[name], seen[name]), part)
        self.store.remove(gone)
        for name in gone:
            del self._copied[name]
        self._last.write_text(f"{self.store.url} {self.lease.number}")
        return len(mine)

    def look(self) -> None:
        """Where workers put their runs themselves: see what is new of them, and whether the study is to stop.

        Raises:
            OSError: the store does not answer.
        """
        if self.files.url is not None:
            self.files.look()
            if self.store.read(self.stop) is not None:
                self.files.stop.touch()

    def _put(self, name: str, path: Path, version: Version) -> None:
        with suppress(FileNotFoundError):  # it was removed while this went on
            self.store.upload(path, name)
            self._copied[name] = version
            if name.endswith(f"/{RECORD}"):
                self._recorded.add(_run_of(name))

    def _recorded_by_others(self, new: Iterable[str]) -> set[str]:
        unknown = sorted({_run_of(name) for name in new if name.startswith("runs/")} - self._recorded)
        there = at_once(lambda key: self.store.read(f"runs/{key}/{RECORD}") is not None, unknown)
        return {key for key, is_there in zip(unknown, there, strict=True) if is_there}

    def _fetch(self, there: dict[str, Seen], mine: bool) -> int:
        """Fetch those that are not here, or older here; what is the same on both sides is not put again."""
        paths = {name: self.files.results / name for name in there}
        same = {
            name
            for name, path in paths.items()
            if (version := _version(path))
            and version[1] == there[name].size
            and path.suffix not in (".json", ".journal")
        }
        wanted = [name for name, path in paths.items() if not path.exists() or not (mine or name in same)]
        for part in _records_last(wanted):
            self.store.download({name: paths[name] for name in part}, there)
        self._copied |= {name: version for name in {*wanted, *same} if (version := _version(paths[name]))}
        return len(wanted)

    def _keys(self) -> list[str]:
        """The runs of the plan, which is read again when it has changed; none that workers put themselves."""
        if self.files.url is not None:
            return []
        version = _version(self.files.plan_json)
        if version != self._plan[0]:
            self._plan = (version, sorted({run.config.key for run in self.files.read_plan().runs}))
        return self._plan[1]


def readable(files: StudyFiles, reports: bool = False) -> StudyFiles:
    """Files of a study that can be read as they are now: of one in a store, as fetched into a folder of their own.

    Args:
        files: of the study.
        reports: also logs, inspections and records that were set aside, of the runs of its plan.

    Raises:
        OSError: the store does not answer.
    """
    if files.url is None:
        return files
    found = StudyInStore(files.url, files.study, "read")
    Mirror(found, found.kept.store).pull()
    if reports:
        found.fetch({run.config.key for run in found.read_plan().runs})
    return found


def as_it_is_now(folder: Path | str, reports: bool = False) -> StudyFiles:
    """The files of the study of a folder, or of its address in a store (see `readable`).

    Raises:
        InputError: the address is none.
        OSError: the store does not answer.
    """
    if isinstance(folder, Path):
        return StudyFiles(folder.absolute().parent, folder.absolute().name)
    above, _, study = folder.rstrip("/").rpartition("/")
    return readable(files_at(above, study), reports)


@contextmanager
def mirrored(files: StudyFiles, url: str | None, say: Callable[[str], None]) -> Iterator[None]:
    """Keep a study in a store, for as long as the block takes.

    A store that is away is tried again; what could not be put there at the end is an error. Where another machine has
    taken the study over, it ends here as `stop` ends it.

    Args:
        files: of the study.
        url: of the store that keeps a copy; None: the study lies on a disk alone, or all its results in a store.
        say: where lines go.

    Raises:
        InputError: the store cannot be used, or another process mirrors the study there.
        OSError: the store does not answer.
    """
    if url and files.url:
        raise InputError(f"--mirror {url}: the results lie in a store already ({files.url}); leave it out")
    url = url or files.url
    if url is None:
        yield
        return
    mirror = Mirror(files, Store(url))
    hold(mirror.lease, f"{url}/{files.study}", say)
    try:
        count = mirror.pull()
        if files.url:
            mirror.store.remove([mirror.stop])  # what stopped an earlier launch does not stop this one
            say(f"results lie in {url}, and what this machine needs of them in {files.results}")
        else:
            say(f"{count} files fetched from {url}")
        try:
            with meanwhile(partial(_pushing, mirror, say)):
                yield
        finally:
            mirror.push()
    finally:
        mirror.lease.release()


def _pushing(mirror: Mirror, say: Callable[[str], None], over: Event) -> None:
    told = ""
    while not over.wait(PUSH_S):
        try:
            mirror.push()
            mirror.look()
            told = ""
        except LeaseLostError as error:
            say(f"{error.filename}: {error.strerror}; this study ends here")
            mirror.files.stop.touch()
            return
        except OSError as error:
            if told != str(error):
                say(f"not put into the store yet: {error}")
            told = str(error)


def _run_of(name: str) -> str:
    """The key of the run that an object is of; of a study's own, nothing."""
    return name.split("/")[1] if name.startswith("runs/") else ""


def _records_last(names: Iterable[str]) -> tuple[list[str], list[str]]:
    records = {name for name in names if name.endswith(f"/{RECORD}")}
    return [name for name in names if name not in records], sorted(records)


def _version(path: Path) -> Version | None:
    """What changes with every write of a file; None where there is none."""
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return seen.st_mtime_ns, seen.st_size
