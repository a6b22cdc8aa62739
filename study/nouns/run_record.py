"""What is known of a run: one JSON document, the contract between training and analysis.

It needs no torch and no Ray to be read. Where it lies, and who may write it, says `study/nouns/records.py`.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from study.nouns.json_files import read_json
from study.nouns.metrics import Metric
from study.nouns.parameters import Called
from study.nouns.promised import Role

SCHEMA_VERSION = 1
Status = Literal["finished", "failed", "pruned"]
"""Pruned: a run that tried values was behind others and ended before its last epoch; its metrics are from there."""


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
    `study`, `label` and `role` say why it was made: a tuning run carries its row's plain label. Another study may call
    it otherwise (`StudyFiles.named`).
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
    lease: int = Field(0, description="the number under which its process held the run; 0: it held none")


def read_record(path: Path) -> RunRecord:
    """Read one record.

    Raises:
        InputError: the file is not JSON, not a record, or written by a newer version.
    """
    try:
        record = RunRecord.model_validate_json(path.read_bytes())  # twice as fast as by way of Python's own objects
    except ValidationError as error:
        content = read_json(path)
        _check_version(path, content.get("schema_version") if isinstance(content, dict) else None)
        raise InputError(f"{path}: not a run record: {first_of(error)}") from None
    _check_version(path, record.schema_version)
    return record


def _check_version(path: Path, version: Any) -> None:
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(f"{path}: record of schema version {version}; this version reads up to {SCHEMA_VERSION}")


def first_of(error: ValidationError) -> str:
    """What is wrong first, in a line."""
    first = error.errors()[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))
