"""Where the files of a study lie, and of its runs: the only place that knows, and that writes what is kept of them.

    results/runs/<key>/  record.json  detector.pth  detector.py  train.log  inspection.*  retried/  unreadable/
    results/<study>/     study.json  plan.json  spent.json  optuna.journal  importances.json  tune/  report/
                         inspect.log

Runs lie beside the studies, because several may ask for the same one: it is trained once for all of them. Which runs
are a study's, and what it calls them, says its plan.

A record (study/nouns/run_record.py) is written by an atomic rename, whole or not at all, by the process that holds the
run (study/nouns/leases.py). Results that lie in an object store have the same files: study/nouns/study_in_store.py.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from study.nouns.errors import InputError
from study.nouns.fenced import put, put_record
from study.nouns.json_files import read_json, write_json
from study.nouns.lease_places import Place
from study.nouns.leases import fence
from study.nouns.promised import Plan, PlannedRun
from study.nouns.promised import Role as Role
from study.nouns.run_record import EpochRecord as EpochRecord
from study.nouns.run_record import RunRecord, Status, first_of
from study.nouns.run_record import read_record as read_record
from study.nouns.spec import StudySpec, refused_name

RESERVED_BYTES = 2**18
LATEST, DETECTOR, RECORD = "latest.pth", "detector.pth", "record.json"


class StudyFiles:
    """The files of one study below a results folder, and the runs that all studies there share.

    Args:
        results: folder of all studies.
        study: its name.

    Raises:
        InputError: the study's name leaves that folder, or is that of a folder with another use.
    """

    url: str | None = None
    """Of the object store in which the results lie, and of which the folder holds what this machine needs."""
    look_s = 1.0
    """How often a process looks whether another has come to the end of a run."""

    def __init__(self, results: Path, study: str) -> None:
        if complaint := refused_name(study):
            raise InputError(complaint)
        self.results = Path(results).absolute()
        self.study = study
        self.root = self.results / study
        self.study_json = self.root / "study.json"
        self.plan_json = self.root / "plan.json"
        self.journal = self.root / "optuna.journal"
        self.tune = self.root / "tune"
        self.spent_json = self.root / "spent.json"
        self.stop = self.root / ".stop"
        """Where it lies, the study's driver ends after the epochs under way."""
        self.importances_json = self.root / "importances.json"
        self.data = self.results / "data"
        self.runs = self.results / "runs"
        self._reserve = self.runs / ".reserve"
        self._statuses: dict[str, tuple[tuple[int, int], Status | None]] = {}

    def run(self, key: str) -> Path:
        """Working folder of a run: its record, checkpoints, the exported detector, its log."""
        return self.runs / key

    def checkpoint(self, key: str) -> Path:
        """The trained detector of a finished run, a plain mmdet3d checkpoint."""
        return self.run(key) / DETECTOR

    def latest(self, key: str) -> Path:
        """The checkpoint that a run on its way continues from."""
        return self.run(key) / LATEST

    def record_json(self, key: str) -> Path:
        """Where the record of a run lies."""
        return self.run(key) / RECORD

    def inspection_json(self, key: str) -> Path:
        """What `inspect` leaves of a run (study/nouns/inspections.py)."""
        return self.run(key) / "inspection.json"

    def record(self, key: str) -> RunRecord | None:
        """The record of a run, or None where there is none that can be read (see `set_unreadable_aside`)."""
        path = self.record_json(key)
        try:
            return read_record(path) if path.exists() else None
        except (InputError, OSError):
            return None

    def finished(self, key: str) -> RunRecord | None:
        """The record of a run that needs no second run, as its detector is there too; or None."""
        return self.record(key) if self.status(key) == "finished" else None

    def ended(self, key: str) -> RunRecord | None:
        """The record of a run that is over, finished or failed; None for one that has to run."""
        return self.record(key) if self.status(key) is not None else None

    def status(self, key: str) -> Status | None:
        """How a run that is over has ended; None for one that has to run. Reads each record once: there are many."""
        try:
            seen = self.record_json(key).stat()
        except FileNotFoundError:
            return None
        written = seen.st_mtime_ns, seen.st_ino
        if self._statuses.get(key, (None, None))[0] != written:
            record = self.record(key)
            self._statuses[key] = (written, record.status if record else None)
        status = self._statuses[key][1]
        return None if status == "finished" and not self.has(key, DETECTOR) else status

    def has(self, key: str, name: str) -> bool:
        """Whether a file of a run is kept, here or where the results lie."""
        return (self.run(key) / name).exists()

    def fetch(self, keys: Iterable[str]) -> None:
        """Have here what people read of runs: logs, inspections, records that were set aside.

        Raises:
            OSError: where the results lie gives no answer.
        """

    def look(self, keys: Iterable[str] | None = None) -> None:
        """Make sure that what others have written of runs by now is seen here; of all runs, where none are named.

        Raises:
            OSError: where they are written gives no answer.
        """
        for key in keys or ():
            with suppress(FileNotFoundError):
                os.listdir(self.run(key))  # a network disk then asks its server what is new

    def versions(self, key: str) -> tuple[int | str, ...]:
        """What changes with every checkpoint of a run, and with its record; 0 where there is none."""
        found = [0, 0]
        for place, path in enumerate((self.latest(key), self.record_json(key))):
            with suppress(FileNotFoundError):
                found[place] = path.stat().st_mtime_ns
        return tuple(found)

    def lease_places(self, key: str | None = None) -> tuple[Path | Place, ...]:
        """Where the leases of a run lie, or those of the study: who holds it holds all of them. What counts is last."""
        return (self.root if key is None else self.run(key),)

    @contextmanager
    def at_work(self, keys: Sequence[str], teachers: Iterable[str]) -> Iterator[None]:
        """Inside, this process trains runs that it holds; what they have so far, and their teachers, lie here."""
        yield

    def ask_to_stop(self) -> None:
        """Have the driver of the study end after the epochs under way."""
        self.stop.touch()

    def reserve(self) -> None:
        """Set room aside for records, so that a run that fills the disk can still say so."""
        self.runs.mkdir(parents=True, exist_ok=True)
        if not self._reserve.exists():
            self._reserve.write_bytes(bytes(RESERVED_BYTES))

    def write(self, record: RunRecord) -> None:
        """Keep a record (replacing an earlier one of the same key), unless another process has taken the run over."""
        path = self.record_json(record.key)
        content = {**record.model_dump(mode="json"), "lease": fence(path.parent)}
        try:
            write_json(path, content, put_record)
        except OSError as error:
            if error.errno != errno.ENOSPC or not self._reserve.exists():
                raise
            self._reserve.unlink(missing_ok=True)
            write_json(path, content, put_record)

    def all(self) -> Iterator[RunRecord]:
        """Every record of the study that can be read, in the order of its plan and under its names."""
        for run in self.read_plan().runs:
            if run.final and (record := self.record(run.config.key)) is not None:
                yield self.named(record, run)

    def named(self, record: RunRecord, run: PlannedRun) -> RunRecord:
        """The record of a run as this study calls it, whichever study it was made for."""
        return record.model_copy(update={"study": self.study, "label": run.label, "role": run.role})

    def set_unreadable_aside(self, keys: Iterable[str]) -> list[str]:
        """Move records that cannot be read into `unreadable/`, so that their runs are run again; says why each."""
        reasons = []
        for key in keys:
            path = self.record_json(key)
            try:
                if self.status(key) is None and path.exists():
                    read_record(path)
            except (InputError, OSError) as error:
                self._set_aside(key, "unreadable")
                reasons.append(str(error))
        return reasons

    def retry(self, key: str) -> None:
        """Set a failed record aside (`retried/`), so that the run may be tried again."""
        if self.status(key) == "failed":
            self._set_aside(key, "retried")

    def go_on(self, key: str) -> None:
        """Set the record of a pruned run aside (`retried/`), so that it may go on to its end."""
        if self.status(key) == "pruned":
            self._set_aside(key, "retried")

    def attempts(self, key: str) -> Iterator[Path]:
        """The failed records of a run that were set aside."""
        return self.run(key).glob("retried/*.json")

    def _set_aside(self, key: str, where: str) -> None:
        aside = self.run(key) / where / f"{uuid4().hex[:8]}.json"
        aside.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # another study was faster
            self.record_json(key).replace(aside)

    def spent(self) -> float:
        """Seconds that earlier launches of the study took."""
        return float(read_json(self.spent_json).get("seconds", 0.0)) if self.spent_json.exists() else 0.0

    def spend(self, seconds: float) -> None:
        """Keep the seconds that all launches took so far."""
        write_json(self.spent_json, {"seconds": seconds}, put)

    def write_study(self, spec: StudySpec) -> None:
        """Keep the question beside its answers."""
        write_json(self.study_json, spec.model_dump(mode="json"), put)

    def read_study(self) -> StudySpec | None:
        """The study that was asked here, or None before the first run.

        Raises:
            InputError: the file is not JSON, or not a study of this version, or the results are of an earlier one.
        """
        for old in (self.root / "records", self.results / "teachers" / "records"):
            if old.is_dir():
                raise InputError(f"{old}: of a version that kept each study's runs apart; choose another --results")
        if not self.study_json.exists():
            return None
        try:
            return StudySpec.model_validate(read_json(self.study_json))
        except ValidationError as error:
            raise InputError(f"{self.study_json}: not a study: {first_of(error)}") from None

    def write_plan(self, plan: Plan) -> None:
        """Keep everything that the study has promised."""
        write_json(self.plan_json, plan.model_dump(mode="json"), put)

    def read_plan(self) -> Plan:
        """What was promised here; an empty plan before the first launch.

        Raises:
            InputError: the file is not JSON, or not a plan.
        """
        if not self.plan_json.exists():
            return Plan()
        try:
            return Plan.model_validate(read_json(self.plan_json))
        except ValidationError as error:
            raise InputError(f"{self.plan_json}: not a plan: {first_of(error)}") from None
