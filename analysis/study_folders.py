"""Studies and the records of their runs, from their folders."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from analysis.declarations import Shared
from analysis.epoch_columns import EpochColumns
from analysis.not_run import unasked_key
from analysis.results import Named, Results, tidy
from study.nouns.errors import InputError
from study.nouns.importances import Importances
from study.nouns.inspections import Inspected
from study.nouns.promised import PlannedRun, Promise
from study.nouns.records import RunRecord, StudyFiles, read_record
from study.nouns.spec import StudySpec


def load(study_folders: Iterable[Path]) -> Results:
    """Read studies, and the runs to which their plans refer, from their folders.

    Records that cannot be read are named in `unreadable`; a run that two studies share counts once, and to both.

    Raises:
        InputError: a folder holds no readable study.json, or a plan.json that is none.
    """
    studies = [_study_files(Path(folder)) for folder in study_folders]
    if not studies:
        raise InputError("a report needs at least one study folder, got none")
    specs = tuple(_spec(files) for files in studies)
    whole = any(spec.claims and spec.rule.validations > 1 for spec in specs)  # such claims look at epochs themselves
    records: dict[str, RunRecord] = {}
    lies: dict[str, StudyFiles] = {}
    epochs = EpochColumns()
    planned: list[tuple[str, PlannedRun]] = []
    promised: list[tuple[str, Promise]] = []
    held: dict[str, dict[str, Named]] = {}
    retried: list[RunRecord] = []
    unreadable: list[str] = []
    importances: dict[str, Importances] = {}
    shared = Shared()
    for spec, files in zip(specs, studies, strict=True):
        plan = files.read_plan()
        names = held.setdefault(spec.name, {})
        for run in plan.runs:
            key = run.config.key
            names[key] = Named(run.label, run.role)
            if run.final and (key not in records or records[key].status != "finished"):
                for record in _read([files.record_json(key)], unreadable):
                    if record.key != key:
                        unreadable.append(f"{files.record_json(key)}: the record of another run, {record.key}")
                        continue
                    epochs.add(record)
                    kept = files.named(record, run) if whole else _without_epochs(files.named(record, run))
                    records[key], lies[key] = shared(kept), files
            retried += map(_without_epochs, _read(files.attempts(key), []))  # one unread is of no run's result
        if rated := Importances.read(files.importances_json):
            importances[spec.name] = rated
        planned += [(spec.name, run) for run in plan.runs]
        for promise in plan.unasked():
            promised.append((spec.name, promise))
            to_come = (unasked_key(spec.name, promise, number) for number in range(1, promise.runs + 1))
            names |= {key: Named(promise.label, promise.role) for key in to_come}
    said = tuple(dict.fromkeys(unreadable))
    found = tidy(
        specs, records.values(), planned, said, held, _once(retried), promised, importances, epochs=epochs, files=lies
    )
    return _with_inspections(found, lies)


def _with_inspections(found: Results, lies: Mapping[str, StudyFiles]) -> Results:
    """The results with what was inspected of their runs; an inspection that cannot be read is named as a record is."""
    inspected: dict[str, Inspected] = {}
    unreadable = list(found.unreadable)
    for key in found.finished["key"]:
        try:
            if seen := Inspected.read(lies[key].inspection_json(key)):
                inspected[key] = seen
        except InputError as error:
            unreadable.append(str(error))
    return replace(found, inspected=inspected, unreadable=tuple(unreadable))


def _without_epochs(record: RunRecord) -> RunRecord:
    return record.model_copy(update={"epochs": ()})


def _read(paths: Iterable[Path], unreadable: list[str]) -> list[RunRecord]:
    found = []
    for path in sorted(path for path in paths if path.exists()):
        try:
            found.append(read_record(path))
        except (InputError, OSError) as error:
            unreadable.append(str(error))
    return found


def _once(attempts: list[RunRecord]) -> list[RunRecord]:
    """Without those that two studies of one teacher found twice."""
    return list({(attempt.key, attempt.started, attempt.seconds): attempt for attempt in attempts}.values())


def _study_files(folder: Path) -> StudyFiles:
    folder = folder.absolute()
    if not (folder / "study.json").exists():
        raise InputError(f"{folder}: not the folder of a study: it holds no study.json")
    return StudyFiles(folder.parent, folder.name)


def _spec(files: StudyFiles) -> StudySpec:
    try:
        spec = files.read_study()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{files.study_json}: not a study: {where}: {first['msg']}") from None
    if spec is None:
        raise InputError(f"{files.root}: not the folder of a study: it holds no study.json")
    return spec
