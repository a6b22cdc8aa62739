"""From records to tidy tables: one row per run, one row per epoch; every column is named by its path in the record.

Runs: `study`, `key`, `label`, `method`, `seed`, `detector`, `compression`, `dataset`, `status`, `error`, ... then
`parameters.neighbors`, `metrics.mAP/3d/moderate` (AP in percent), `facts.gflops`, `versions.torch`. Three columns say
which runs may be compared:

    family     equal detector (whatever its compression) and data set: the runs that one teacher stands above
    setting    equal detector, compression, data set and training: runs that differ in the method and the seed only
    variant    equal setting, method and parameters: runs that differ in the seed only; `row` is its name for people

Every finished, stopped and failed run is kept; a fixed row of a study that has no record yet is a run of status
`not_run`. 10,000 records of 40 epochs are read in 13 s and 1.5 GB on one core
(`tests/analysis/test_results.py` holds a bound).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from analysis.columns import COST, epoch_table, run_row
from analysis.not_run import not_run
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.promised import PlannedRun
from study.nouns.records import RunRecord, StudyFiles, read_record
from study.nouns.spec import StudySpec

IDENTITY = [
    "study",
    "key",
    "role",
    "label",
    "row",
    "method",
    "seed",
    "detector",
    "compression",
    "dataset",
    "status",
    "error",
]
COMPARISON = ["family", "setting", "variant", "teacher_key"]


@dataclass(frozen=True)
class Results:
    """All that is known of one or more studies. Tables and figures read it and leave it as it is."""

    specs: tuple[StudySpec, ...]
    runs: pd.DataFrame
    epochs: pd.DataFrame
    unreadable: tuple[str, ...] = ()

    @property
    def metric(self) -> str:
        """Name of the metric that the (first) study was asked about."""
        return self.specs[0].metric

    @property
    def places(self) -> dict[str, int]:
        """Label -> its place among the fixed rows, in the order the studies asked them."""
        labels = dict.fromkeys(point.label for spec in self.specs for point in spec.points)
        return {label: place for place, label in enumerate(labels)}

    @property
    def tuned(self) -> pd.DataFrame:
        """All runs but those that only chose a weight."""
        return self.runs[self.runs["role"] != "tuning"]

    @property
    def rows(self) -> pd.DataFrame:
        """The runs of teachers and of the studies' fixed rows: nothing that was tried in order to choose."""
        return self.tuned[self.tuned["role"] != "search"]

    @property
    def finished(self) -> pd.DataFrame:
        """The runs whose results count."""
        return self.runs[self.runs["status"] == "finished"]


def load(study_folders: Iterable[Path]) -> Results:
    """Read studies, and the teachers they used, from their folders.

    Records that cannot be read are named in `unreadable`; a run that two studies share counts once.

    Raises:
        InputError: a folder holds no readable study.json, a plan.json that is none, or no records folder.
    """
    specs: list[StudySpec] = []
    records: dict[str, RunRecord] = {}
    planned: list[tuple[str, PlannedRun]] = []
    unreadable: list[str] = []
    for folder in study_folders:
        files = _study_files(Path(folder))
        spec = _spec(files)
        specs.append(spec)
        plan = files.read_plan().runs
        planned += [(spec.name, run) for run in plan]
        own = list(_read(sorted(files.records.glob("*.json")), unreadable))
        trained = _read(sorted(files.teachers().records.glob("*.json")), unreadable)
        wanted = {record.teacher_key for record in own} | set(_teacher_keys(run.config for run in plan))
        above = [one for one in trained if one.key in wanted]
        for record in [*own, *above]:
            if record.key not in records or records[record.key].status != "finished":
                records[record.key] = record
    if not specs:
        raise InputError("a report needs at least one study folder, got none")
    return results(tuple(specs), list(records.values()), planned, tuple(unreadable))


def results(
    specs: tuple[StudySpec, ...],
    records: list[RunRecord],
    planned: Iterable[tuple[str, PlannedRun]] = (),
    unreadable: tuple[str, ...] = (),
) -> Results:
    """The tidy tables of records already in memory, and of planned runs (with their study) that have none."""
    rows = [run_row(record) for record in records]
    rows += not_run(planned, [record.key for record in records])
    runs = pd.DataFrame(rows)
    runs = runs.reindex(columns=list(dict.fromkeys([*IDENTITY, *COMPARISON, *COST, *runs.columns])))
    runs["row"] = _row_names(runs)
    runs = runs.sort_values(["study", "label", "seed", "key"], kind="stable", ignore_index=True)
    return Results(specs, runs, epoch_table(records), unreadable)


def teachers(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per finished teacher: its own run, or what its students noted of a teacher given as a checkpoint."""
    trained = runs[(runs["method"] == "teacher") & (runs["status"] == "finished")]
    noted = [column for column in runs.columns if column.startswith("facts.teacher/")]
    students = runs[~runs["teacher_key"].isin(trained["key"])].dropna(subset=["teacher_key"])
    if not noted or students.empty:
        return trained
    given = students.dropna(subset=noted, how="all").drop_duplicates(["family", "teacher_key"])
    given = given[["study", "family", "detector", "dataset", "teacher_key", *noted]]
    given = given.rename(columns={"teacher_key": "key"} | {name: f"metrics.{name[14:]}" for name in noted})
    given = given.assign(method="teacher", status="finished", label="given", row="teacher (given checkpoint)")
    given["variant"] = "given " + given["key"].astype(str)
    return pd.concat([trained, given.loc[:, ~given.columns.duplicated()]], ignore_index=True)


def _teacher_keys(planned: Iterable[TrialConfig]) -> Iterator[str]:
    for config in planned:
        if config.method == "teacher":
            yield config.key  # a row of the study that is trained among the shared teachers
        elif config.distills:
            yield config.teacher_run().key


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


def _read(paths: Iterable[Path], unreadable: list[str]) -> Iterator[RunRecord]:
    for path in paths:
        try:
            yield read_record(path)
        except (InputError, OSError) as error:
            unreadable.append(str(error))


def _row_names(runs: pd.DataFrame) -> pd.Series:
    """The label of the variant's first run; with its detector, or its own digest, where that names two things."""
    first = runs.sort_values(["study", "seed"], kind="stable").drop_duplicates("variant").to_dict("records")
    names = {run["variant"]: str(run["label"]) for run in first}
    chosen = {run["variant"] for run in first if run["role"] in ("search", "tuning")}
    endings = (
        {run["variant"]: f" ({run['detector']} {run['compression']:g}x)" for run in first},
        {run["variant"]: f" [{run['variant'][:6]}]" for run in first},
    )
    for ending in endings:
        count = Counter(name for variant, name in names.items() if variant not in chosen)
        apart = [v for v, name in names.items() if count[name] > 1 and v not in chosen]
        names |= {variant: names[variant] + ending[variant] for variant in apart}
    return runs["variant"].map(names)
