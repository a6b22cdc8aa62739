"""A study whose results lie in an object store, with no folder that machines share.

    <URL>/runs/<key>/  <URL>/<study>/        the same files as below a results folder (study/nouns/records.py)
    SCRATCH/<digest of the URL>/{work,read}/ what of them this machine works on, driver and workers alike; what
                                             commands that only read have fetched

Each machine works out for itself where its scratch is: the folder that `PDSTUDY_SCRATCH` names in its environment, or
the user's cache. What lies there may be deleted while no process works there.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from study.nouns import leaving
from study.nouns.fenced import put_record
from study.nouns.json_files import write_json
from study.nouns.lease_places import Place
from study.nouns.object_store import Prefix, Store, StoreAwayError
from study.nouns.records import LATEST, RECORD, StudyFiles
from study.nouns.run_record import RunRecord
from study.nouns.runs_in_store import patiently, runs_at

SCRATCH = "PDSTUDY_SCRATCH"
View = Literal["work", "read"]


class StudyInStore(StudyFiles):
    """The files of one study in an object store.

    Args:
        url: below which the results of all studies lie.
        study: its name.
        view: to `work` on it, or only to `read`.

    Raises:
        InputError: the study's name or the URL cannot be used.
    """

    look_s = 5.0

    def __init__(self, url: str, study: str, view: View = "work") -> None:
        url = url.rstrip("/")
        super().__init__(scratch_of(url) / view, study)
        self.url, self.view, self.kept = url, view, runs_at(url, self.runs)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process, on another machine perhaps, has a scratch and a connection of its own."""
        return StudyInStore, (self.url, self.study, self.view)

    def has(self, key: str, name: str) -> bool:
        """Whether the store has a file of a run, as far as was last seen."""
        return self.kept.has(key, name)

    def fetch(self, keys: Iterable[str]) -> None:
        """Have here what people read of runs, as it was when the store was last looked at."""
        self.kept.fetch(keys, lambda name: not name.endswith(".pth"))

    def look(self, keys: Iterable[str] | None = None) -> None:
        """Have the records here that the store has now; of all runs by one list."""
        self.kept.look(keys)

    def versions(self, key: str) -> tuple[int | str, ...]:
        """The contents of checkpoint and record in the store, as far as was last seen."""
        return tuple(self.kept.tag(key, name) for name in (LATEST, RECORD))

    def lease_places(self, key: str | None = None) -> tuple[Path | Place, ...]:
        """Here, as processes of one machine share its scratch, and in the store."""
        there = Prefix(Store(str(self.url)), self.study) if key is None else self.kept.lease_place(key)
        return (*super().lease_places(key), there)

    @contextmanager
    def at_work(self, keys: Sequence[str], teachers: Iterable[str]) -> Iterator[None]:
        """Inside, this process trains runs that it holds; what is new of them is put into the store every few seconds.

        Raises:
            OSError: the store does not answer, or a file cannot be written.
        """
        with self.kept.at_work(keys, teachers):
            yield

    def ask_to_stop(self) -> None:
        """Leave the file in the store; the driver looks there."""
        Store(str(self.url)).write(f"{self.study}/{self.stop.name}", b"")

    def write(self, record: RunRecord) -> None:
        """Keep a record in the store, after what it promises, and here.

        Raises:
            LeaseLostError: another process has taken the run over.
            LeavingError: the store was away for too long. Nothing is known of the run, so this process counts as lost.
            OSError: the store does not take it, of a process that does not hold the run.
        """
        number = self.kept.number(record.key)
        content = {**record.model_dump(mode="json"), "lease": number}
        if number == 0:
            self.look([record.key])
            if self.status(record.key) is None:  # else another process has recorded it meanwhile
                self.kept.put_record(record.key, content)
                self.look([record.key])
            return
        try:
            patiently(lambda: self.kept.put(record.key, (LATEST,) if record.status == "finished" else ()))
            patiently(lambda: self.kept.put_record(record.key, content))
        except StoreAwayError as error:
            print(f"{record.key}: its record could not be put: {error}")
            leaving.ask()
            leaving.leave()
        with suppress(OSError):  # the store has it
            write_json(self.record_json(record.key), content, put_record)

    def _set_aside(self, key: str, where: str) -> None:
        self.kept.set_aside(key, f"{where}/{uuid4().hex[:8]}.json")
        self.look([key])


def files_at(results: Path | str, study: str) -> StudyFiles:
    """The files of a study below a results folder, or below the URL of an object store.

    Raises:
        InputError: the study's name or the URL cannot be used.
    """
    return StudyInStore(str(results), study) if "://" in str(results) else StudyFiles(Path(results), study)


def scratch_of(url: str) -> Path:
    """The folder of this machine for what lies below a URL."""
    named = os.environ.get(SCRATCH)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    above = Path(named) if named else cache / "pointdistiller-study"
    return above.absolute() / hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:12]
