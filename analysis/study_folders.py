"""Studies, their records and the teachers that they used, from their folders."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from analysis.declarations import Shared
from analysis.not_run import unasked_key
from analysis.results import Results, tidy
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.importances import Importances
from study.nouns.promised import PlannedRun, Promise
from study.nouns.records import RunRecord, StudyFiles, read_record
from study.nouns.spec import StudySpec


def load(study_folders: Iterable[Path]) -> Results:
    """Read studies, and the teachers they used, from their folders.

    Records that cannot be read are named in `unreadable`; a run that two studies share counts once, and to both.

    Raises:
        InputError: a folder holds no readable study.json, a plan.json that is none, or no records folder.
    """
    specs: list[StudySpec] = []
    records: dict[str, RunRecord] = {}
    planned: list[tuple[str, PlannedRun]] = []
    promised: list[tuple[str, Promise]] = []
    held: dict[str, frozenset[str]] = {}
    retried: list[RunRecord] = []
    unreadable: list[str] = []
    importances: dict[str, Importances] = {}
    shared = Shared()
    for folder in study_folders:
        files = _study_files(Path(folder))
        spec = _spec(files)
        specs.append(spec)
        plan = files.read_plan()
        if rated := Importances.read(files.importances_json):
            importances[spec.name] = rated
        planned += [(spec.name, run) for run in plan.runs]
        own = [shared(record) for record in _read(files, unreadable)]
        wanted = {record.teacher_key for record in own} | set(_teacher_keys(run.config for run in plan.runs))
        above = [shared(record) for record in _read(files.teachers(), unreadable) if record.key in wanted]
        for record in [*own, *above]:
            if record.key not in records or records[record.key].status != "finished":
                records[record.key] = record
        left = plan.unasked((record.role, record.label) for record in own)
        promised += [(spec.name, promise) for promise in left]
        keys = {record.key for record in [*own, *above]} | {run.config.key for run in plan.runs}
        to_come = {unasked_key(spec.name, promise, n) for promise in left for n in range(1, promise.runs + 1)}
        held[spec.name] = held.get(spec.name, frozenset()) | keys | to_come
        retried += _retried(files, keys)
    if not specs:
        raise InputError("a report needs at least one study folder, got none")
    said = tuple(dict.fromkeys(unreadable))
    return tidy(tuple(specs), records.values(), planned, said, held, _once(retried), promised, importances)


def _teacher_keys(planned: Iterable[TrialConfig]) -> Iterator[str]:
    for config in planned:
        if config.method == "teacher":
            yield config.key  # trained among the shared teachers
        elif config.distills:
            yield config.teacher_run().key


def _read(files: StudyFiles, unreadable: list[str], pattern: str = "*.json") -> list[RunRecord]:
    found = []
    for path in sorted(files.records.glob(pattern)):
        try:
            found.append(read_record(path))
        except (InputError, OSError) as error:
            unreadable.append(str(error))
    return found


def _retried(files: StudyFiles, keys: set[str]) -> list[RunRecord]:
    """Failed attempts that were set aside; one that cannot be read is of no run's result and is left out."""
    aside = [*_read(files, [], "retried/*.json"), *_read(files.teachers(), [], "retried/*.json")]
    return [record for record in aside if record.key in keys]


def _once(attempts: list[RunRecord]) -> list[RunRecord]:
    """Without those that two studies of one teacher found twice."""
    return list({(attempt.key, attempt.started, attempt.seconds): attempt for attempt in attempts}.values())


def _study_files(folder: Path) -> StudyFiles:
    folder = folder.absolute()
    for name in ("study.json", "records"):
        if not (folder / name).exists():
            raise InputError(f"{folder}: not the folder of a study: it holds no {name}")
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
