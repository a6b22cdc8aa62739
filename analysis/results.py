"""From records to tidy tables: one row per run, one row per epoch; every column is named by its path in the record.

Runs: `study`, `key`, `label`, `role`, `method`, `seed`, `detector`, `compression`, `dataset`, `status`, ... then
`parameters.<name>`, `metrics.<name>` (in the metric's unit), `facts.gflops`, `versions.torch`. Three columns say which
runs may be compared:

    family     equal detector (whatever its compression) and data set
    setting    equal detector, compression, data set and training, but for a learning rate that was tuned: runs that
               differ in the method and the seed only
    variant    equal setting, method and parameters: runs that differ in the seed only, and each teacher alone;
               `row` is its name for people

A student stands below the teacher of its `teacher_key`. Every finished and failed run is kept; a run that a study
promised and that has no record yet is a run of status `not_run`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from analysis.declarations import merged_metrics, merged_names, undeclared
from analysis.epoch_columns import EpochColumns
from analysis.not_run import not_run, unasked
from analysis.row_names import ROWS, row_names
from analysis.run_columns import COST, run_row
from study.evidence.statements import Answers
from study.evidence.told import told
from study.nouns.config import TrainingConfig
from study.nouns.importances import Importances
from study.nouns.inspections import Inspected
from study.nouns.metrics import Metric
from study.nouns.overrides import override
from study.nouns.parameters import Called
from study.nouns.promised import PlannedRun, Promise, Role
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import StudySpec

IDENTITY = [
    "study", "key", "label", "row", "role", "method", "seed", "detector", "compression", "full_size", "dataset",
    "devices", "status", "error",
]  # fmt: skip
COMPARISON = ["family", "setting", "variant", "teacher_key"]


class Named(NamedTuple):
    """What a study calls a run."""

    label: str
    role: Role


@dataclass(frozen=True, eq=False)
class Results:
    """All that is known of one or more studies. Tables and figures read it and leave it as it is.

    `declared` and `called` are those of each record; `held` says by study and key what each study calls its runs, and
    `runs` calls a run that several share as the first of them does. `retried` holds seconds and devices of attempts
    that failed before another one, `importances` how much the values of each study's search mattered, `answers` what
    may be said of the claims of each study that makes some, both by its name. `files` leads from the key of a record to
    where it lies, for what tables do not hold: its config, its log.
    """

    specs: tuple[StudySpec, ...]
    runs: pd.DataFrame
    epochs: pd.DataFrame
    declared: Mapping[str, tuple[Metric, ...]]
    called: Mapping[str, Mapping[str, Called]]
    held: Mapping[str, Mapping[str, Named]]
    retried: pd.DataFrame
    unreadable: tuple[str, ...] = ()
    inspected: Mapping[str, Inspected] = field(default_factory=dict)
    """What `run_study.py inspect` left of runs, by key."""
    importances: Mapping[str, Importances] = field(default_factory=dict)
    answers: Mapping[str, Answers] = field(default_factory=dict)
    files: Mapping[str, StudyFiles] = field(default_factory=dict)

    @property
    def metric(self) -> Metric:
        """What the study was asked about. Of several studies ask each (`studies`), as each has its own.

        Raises:
            ValueError: these studies were asked about different metrics.
        """
        (name,) = {spec.metric for spec in self.specs}
        return next((metric for metric in self.metrics() if metric.name == name), undeclared(name))

    @cached_property
    def studies(self) -> list["Results"]:
        """The results of each study alone."""
        return [self._only((spec,)) for spec in self.specs]

    @cached_property
    def by_metric(self) -> list["Results"]:
        """The results of the studies that were asked about the same metric, metric by metric."""
        names = dict.fromkeys(spec.metric for spec in self.specs)
        return [self._only(tuple(spec for spec in self.specs if spec.metric == name)) for name in names]

    def metrics(self, runs: pd.DataFrame | None = None) -> tuple[Metric, ...]:
        """What runs (all, unless given) declare; of runs that declare nothing, what others of their data set do."""
        if runs is None:
            return merged_metrics(self.declared.values())
        near = self.runs[self.runs["dataset"].isin(runs["dataset"].unique())]
        for keys in (runs["key"], near["key"]):
            if found := merged_metrics(self.declared[key] for key in keys if key in self.declared):
                return found
        return self.metrics()

    def names(self, runs: pd.DataFrame | None = None) -> dict[str, Called]:
        """How people call the values of runs (all, unless given), by dotted key."""
        keys = self.called if runs is None else runs["key"]
        return merged_names(self.called[key] for key in keys if key in self.called)

    @property
    def places(self) -> dict[str, int]:
        """Label -> its place among the fixed rows, in the order the studies asked them."""
        labels = dict.fromkeys(point.label for spec in self.specs for point in spec.points)
        return {label: place for place, label in enumerate(labels)}

    @property
    def rows(self) -> pd.DataFrame:
        """The runs of teachers and fixed rows, and repetitions of what a search found."""
        return self.runs[self.runs["role"].isin(ROWS)]

    @property
    def finished(self) -> pd.DataFrame:
        """The runs whose results count."""
        return self.runs[self.runs["status"] == "finished"]

    def _only(self, specs: tuple[StudySpec, ...]) -> "Results":
        keys = {key: (spec.name, *named) for spec in reversed(specs) for key, named in self.held[spec.name].items()}
        runs = self.runs[self.runs["key"].isin(keys)].copy()
        for place, column in enumerate(("study", "label", "role")):
            runs[column] = [keys[key][place] for key in runs["key"]]
        runs["row"] = row_names(runs)
        return replace(
            self,
            specs=specs,
            runs=_in_order(runs),
            epochs=self.epochs[self.epochs["key"].isin(keys)],
            declared={key: value for key, value in self.declared.items() if key in keys},
            called={key: value for key, value in self.called.items() if key in keys},
            answers={spec.name: self.answers[spec.name] for spec in specs if spec.claims},
        )


def tidy(
    specs: tuple[StudySpec, ...],
    records: Iterable[RunRecord],
    planned: Iterable[tuple[str, PlannedRun]] = (),
    unreadable: tuple[str, ...] = (),
    held: Mapping[str, Mapping[str, Named]] | None = None,
    retried: Iterable[RunRecord] = (),
    promised: Iterable[tuple[str, Promise]] = (),
    importances: Mapping[str, Importances] = {},
    epochs: EpochColumns | None = None,
    files: Mapping[str, StudyFiles] = {},
) -> Results:
    """The tidy tables of records in memory, and of promised runs that have none.

    Args:
        specs: the studies.
        records: one of each key.
        planned: study and run of everything that is known of its plan.
        unreadable: why records could not be read.
        held: by study and key, what it calls its runs; None: every study holds every run under its record's names.
        retried: attempts that failed before another one.
        promised: study and what is left of each promise of runs that nobody has asked for yet.
        importances: by study, of what its search varied.
        epochs: those of the records, where they were taken out of them.
        files: by key, where a record lies.
    """
    kept, planned = sorted(records, key=lambda record: record.key), list(planned)
    asked = _asked(specs)
    missing = [*not_run(planned, [record.key for record in kept], asked), *unasked(promised)]
    searched = dict.fromkeys(key for spec in specs if spec.search for key in spec.search.space or ())
    epochs = epochs or EpochColumns(kept)
    recorded = [
        run_row(record, searched, asked.get((record.study, record.label)), epochs.done(record.key)) for record in kept
    ]
    runs = pd.DataFrame([*recorded, *missing])
    runs = runs.reindex(columns=list(dict.fromkeys([*IDENTITY, *COMPARISON, *COST, *runs.columns])))
    runs["row"] = row_names(runs)
    runs = _in_order(runs)
    named = {key: Named(label, role) for key, label, role in zip(runs["key"], runs["label"], runs["role"], strict=True)}
    attempts = pd.DataFrame(
        [(record.key, record.seconds, record.config.training.devices) for record in retried],
        columns=["key", "seconds", "devices"],
    )
    return Results(
        specs=specs,
        runs=runs,
        epochs=epochs.table(),
        declared={record.key: record.declared for record in kept if record.declared},
        called={record.key: record.called for record in kept if record.called},
        held=held or {spec.name: named for spec in specs},
        retried=attempts,
        unreadable=unreadable,
        importances=importances,
        answers={spec.name: _answers(spec, planned, kept) for spec in specs if spec.claims},
        files=files,
    )


def _asked(specs: tuple[StudySpec, ...]) -> dict[tuple[str, str], TrainingConfig]:
    """By study and label, of rows whose learning rate is tuned: their training before that."""
    tuned = [(spec, point) for spec in specs for point in spec.points if point.tune]
    before = {(spec.name, point.label): override(spec.base, point.set) for spec, point in tuned}
    return {place: config.training for place, config in before.items() if not config.distills}


def _in_order(runs: pd.DataFrame) -> pd.DataFrame:
    return runs.sort_values(["study", "label", "seed", "key"], kind="stable", ignore_index=True)


def _answers(spec: StudySpec, planned: list[tuple[str, PlannedRun]], records: list[RunRecord]) -> Answers:
    by_key = {record.key: record for record in records}
    return told(spec, [run for study, run in planned if study == spec.name], by_key.get)
