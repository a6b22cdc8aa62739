"""What is kept of a run: one JSON file per run, and the only place that knows where a study's files lie.

    results/<study>/     study.json  plan.json  spent.json  records/<key>.json  runs/<key>/  optuna.journal  tune/
                         importances.json
    results/teachers/    the same, for the teachers that every study shares

A record is the contract between training and analysis: it needs no torch and no Ray to be read, and it is
written by an atomic rename, so that a killed process leaves a whole record or none.
"""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from pydantic import Field, ValidationError

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from study.nouns.metrics import Metric
from study.nouns.parameters import Called
from study.nouns.promised import Plan, Role
from study.nouns.spec import TEACHERS, StudySpec, refused_name

SCHEMA_VERSION = 1
RESERVED_BYTES = 2**18
Status = Literal["finished", "failed"]


class EpochRecord(Frozen):
    """One epoch of training: the mean of every loss term, the metrics where it was validated, and its duration.

    `seconds` is what it would take alone; `shared_seconds` is the same with what was done once for several runs
    (loading batches, the teacher's pass) divided among them. `step_seconds` is the median duration of a step of the
    student, without loading its batch and without its teacher.
    """

    epoch: int
    losses: dict[str, float]
    metrics: dict[str, float] = {}
    seconds: float
    shared_seconds: float | None = None
    step_seconds: float | None = None


class RunRecord(Frozen):
    """Everything that is known of one run.

    `metrics` holds what the data set's evaluator gives, under the names that it declares.
    `label` is the row of the study that asked for the run, `role` why: a tuning run carries its row's plain label.
    `declared` says what each metric is, `called` how people call the values of the config (by dotted key).
    `facts` holds numbers about the run itself (steps, parameters, teacher's metrics under `teacher/...`).
    """

    schema_version: int = SCHEMA_VERSION
    key: str
    study: str
    label: str = ""
    role: Role = "row"
    config: TrialConfig
    status: Status
    error: str | None = None
    diverged: bool = Field(False, description="it failed because its loss was not finite: by itself, not by a machine")
    metrics: dict[str, float] = {}
    declared: tuple[Metric, ...] = ()
    called: dict[str, Called] = {}
    epochs: tuple[EpochRecord, ...] = ()
    teacher_key: str | None = None
    facts: dict[str, float] = {}
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    host: str = ""
    device: str = ""
    started: str = ""
    commit: str = ""
    versions: dict[str, str] = {}


class StudyFiles:
    """The files of one study below a results folder.

    Args:
        results: folder of all studies.
        study: its name.
        shared: True for the folder of the teachers, which is no study's (`teachers`).

    Raises:
        InputError: the study's name leaves that folder, or is that of a folder with another use.
    """

    def __init__(self, results: Path, study: str, shared: bool = False) -> None:
        complaint = None if shared else refused_name(study)
        if complaint:
            raise InputError(complaint)
        self.results = Path(results).absolute()
        self.study = study
        self.root = self.results / study
        self.study_json = self.root / "study.json"
        self.plan_json = self.root / "plan.json"
        self.records = self.root / "records"
        self.journal = self.root / "optuna.journal"
        self.tune = self.root / "tune"
        self.spent_json = self.root / "spent.json"
        self.importances_json = self.root / "importances.json"
        self.data = self.results / "data"
        self._reserve = self.records / ".reserve"

    def run(self, key: str) -> Path:
        """Working folder of a run: checkpoints, the exported detector, its log."""
        return self.root / "runs" / key

    def checkpoint(self, key: str) -> Path:
        """The trained detector of a finished run, a plain mmdet3d checkpoint."""
        return self.run(key) / "detector.pth"

    def teachers(self) -> "StudyFiles":
        """The files of the teachers that every study below this results folder shares."""
        return StudyFiles(self.results, TEACHERS, shared=True)

    def record(self, key: str) -> RunRecord | None:
        """The record of a run, or None where there is none that can be read (see `set_unreadable_aside`)."""
        return _readable(self.records / f"{key}.json")

    def finished(self, key: str) -> RunRecord | None:
        """The record of a run that needs no second run, as its detector is there too; or None."""
        record = self.record(key)
        done = record is not None and record.status == "finished" and self.checkpoint(key).exists()
        return record if done else None

    def ended(self, key: str) -> RunRecord | None:
        """The record of a run that is over, finished or failed; None for one that has to run."""
        record = self.record(key)
        return record if record is not None and record.status == "failed" else self.finished(key)

    def reserve(self) -> None:
        """Set room aside for records, so that a run that fills the disk can still say so."""
        self.records.mkdir(parents=True, exist_ok=True)
        if not self._reserve.exists():
            self._reserve.write_bytes(bytes(RESERVED_BYTES))

    def write(self, record: RunRecord) -> None:
        """Keep a record (replacing an earlier one of the same key)."""
        path, content = self.records / f"{record.key}.json", record.model_dump(mode="json")
        try:
            write_json(path, content)
        except OSError as error:
            if error.errno != errno.ENOSPC or not self._reserve.exists():
                raise
            self._reserve.unlink()
            write_json(path, content)

    def all(self) -> Iterator[RunRecord]:
        """Every record of the study that can be read, in the order of their keys."""
        for path in sorted(self.records.glob("*.json")):
            if (record := _readable(path)) is not None:
                yield record

    def set_unreadable_aside(self) -> list[str]:
        """Move records that cannot be read to records/unreadable/, so that their runs are run again; says why each."""
        reasons = []
        for path in sorted(self.records.glob("*.json")):
            try:
                read_record(path)
            except (InputError, OSError) as error:
                aside = self.records / "unreadable" / f"{path.stem}.{uuid4().hex[:8]}.json"
                aside.parent.mkdir(exist_ok=True)
                path.replace(aside)
                reasons.append(str(error))
        return reasons

    def retry(self, key: str) -> None:
        """Set a failed record aside (records/retried/), so that the run may be tried again."""
        record = self.record(key)
        if record is not None and record.status == "failed":
            aside = self.records / "retried" / f"{key}.{uuid4().hex[:8]}.json"
            aside.parent.mkdir(exist_ok=True)
            (self.records / f"{key}.json").replace(aside)

    def spent(self) -> float:
        """Seconds that earlier launches of the study took."""
        content = _read_json(self.spent_json) if self.spent_json.exists() else {}
        return float(content.get("seconds", 0.0))

    def spend(self, seconds: float) -> None:
        """Keep the seconds that all launches took so far."""
        write_json(self.spent_json, {"seconds": seconds})

    def write_study(self, spec: StudySpec) -> None:
        """Keep the question beside its answers."""
        write_json(self.study_json, spec.model_dump(mode="json"))

    def read_study(self) -> StudySpec | None:
        """The study that was asked here, or None before the first run.

        Raises:
            InputError: the file is not JSON, or not a study of this version.
        """
        if not self.study_json.exists():
            return None
        try:
            return StudySpec.model_validate(_read_json(self.study_json))
        except ValidationError as error:
            raise InputError(f"{self.study_json}: not a study: {_first(error)}") from None

    def write_plan(self, plan: Plan) -> None:
        """Keep everything that the study has promised."""
        write_json(self.plan_json, plan.model_dump(mode="json"))

    def read_plan(self) -> Plan:
        """What was promised here; an empty plan before the first launch.

        Raises:
            InputError: the file is not JSON, or not a plan.
        """
        if not self.plan_json.exists():
            return Plan()
        try:
            return Plan.model_validate(_read_json(self.plan_json))
        except ValidationError as error:
            raise InputError(f"{self.plan_json}: not a plan: {_first(error)}") from None


def _readable(path: Path) -> RunRecord | None:
    try:
        return read_record(path) if path.exists() else None
    except (InputError, OSError):
        return None


def read_record(path: Path) -> RunRecord:
    """Read one record.

    Raises:
        InputError: the file is not JSON, not a record, or written by a newer version.
    """
    content = _read_json(path)
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(f"{path}: record of schema version {version}; this version reads up to {SCHEMA_VERSION}")
    try:
        return RunRecord.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: not a run record: {_first(error)}") from None


def write_json(path: Path, content: Any) -> None:
    """Write JSON so that readers see the old file or the whole new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("w") as file:
            json.dump(content, file, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not JSON ({error})") from None
