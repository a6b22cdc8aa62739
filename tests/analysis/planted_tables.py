"""A study for the tables of the paper whose truth was planted: every cell of them can be worked out by head.

Two detectors in the paper's own setting, each below a teacher of its own, one of them at two sizes; at one size the
parts of the method one by one, and other methods. One method has one of three seeds, and the best score of all; one
failed on every seed, one on its last, and one was never run. Metrics of a seed are the row's own, plus 0, 1 or 2. A
search of four runs, one of them failed, varied K.
"""

from pathlib import Path
from typing import Any

import made_up_study as made_up
import pandas as pd

from analysis import listing
from analysis.cells import tidy_cells
from analysis.results import Results
from study.nouns.config import TrialConfig
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun, Role
from study.nouns.records import RunRecord
from study.nouns.spec import Point, SearchSpec, StudySpec

SEEDS = (0, 1, 2)
PAPERS = {"parameters.neighbors": 128, "parameters.samples": 6000, "dataset": {"name": "kitti", "root": "/data"}}
BASE = override(made_up.BASE, PAPERS)
STUDENT: dict[str, Any] = {"method": "student", "parameters": {}}
SECOND: dict[str, Any] = {"detector": {"name": "second", "compression": 4}, "teacher.seed": 1}

ROWS: dict[str, tuple[float, dict[str, Any]]] = {
    "student": (58.0, STUDENT),
    "LD": (60.0, {"parameters.reweight": False, "parameters.temperature": None}),
    "RL": (59.0, {"parameters.local": False, "parameters.neighbors": None}),
    "LD + RL": (61.0, {}),
    "K = 16": (61.0, {"parameters.neighbors": 16}),
    "one lucky seed": (90.0, {"method": "fitnet", "parameters": {}}),
    "failed": (0.0, {"method": "crd", "parameters": {}}),
    "failed once": (60.0, {"method": "ofd", "parameters": {}}),
    "never run": (0.0, {"method": "fbkd", "parameters": {}}),
    "student 16x": (53.0, {**STUDENT, "detector.compression": 16}),
    "LD + RL 16x": (54.0, {"detector.compression": 16}),
    "SECOND student": (64.0, {**STUDENT, **SECOND}),
    "SECOND LD + RL": (66.0, {**SECOND, "parameters.samples": 256}),
}
"""Label -> moderate 3D mAP on the first seed, and what is changed of the base."""
TEACHERS = {"pointpillars": 63.0, "second": 70.0}
"""Detector -> moderate 3D mAP of its teacher."""
SEARCHED = {4: 60.5, 8: 62.5, 32: 61.5, 64: None}
"""K -> moderate 3D mAP on the first seed; None failed."""
COSTS = {("pointpillars", 1): (34.4, 4.8), ("pointpillars", 4): (9.1, 1.3), ("second", 1): (69.8, 5.3)}
"""Detector and compression -> GFLOPs and millions of parameters, of some."""
DIGESTS = ["key", "teacher_key", "family", "setting", "variant"]
"""Columns that change with every option that a run gets."""


def asked() -> StudySpec:
    """The question."""
    points = tuple(Point(label=label, set=changes) for label, (_, changes) in ROWS.items())
    return made_up.spec(SEEDS, name="planted", base=BASE, points=points, search=SearchSpec(trials=4))


def planned() -> list[tuple[str, PlannedRun]]:
    """Every row on every seed."""
    return made_up.planned(asked())


def records() -> list[RunRecord]:
    """What became of them."""
    found: dict[str, RunRecord] = {}
    for _, run in planned():
        if run.config.distills:
            above = run.config.teacher_run()
            found[above.key] = _record(above, f"{above.detector.name} teacher", TEACHERS[above.detector.name])
        label, seed = run.label, run.config.seed
        if run.role == "row" and label != "never run" and (label != "one lucky seed" or seed == 0):
            failed = label == "failed" or (label == "failed once" and seed == 2)
            found[run.config.key] = _record(run.config, label, ROWS[label][0] + seed, failed)
    for neighbors, score in SEARCHED.items():
        config = override(BASE, {"parameters.neighbors": neighbors})
        found[config.key] = _record(config, f"suggestion {neighbors}", score or 0.0, score is None, role="search")
    return list(found.values())


def write(results: Path) -> Path:
    """The study's folder."""
    return made_up.write(results, asked(), records(), importances=made_up.IMPORTANCES)


def numbers(results: Results) -> dict[str, pd.DataFrame]:
    """What the CSV file of every table holds, but digests, empty columns, and every block but the last."""
    found = {}
    for name, module in listing.tables().items():
        table = (
            tidy_cells(module.summarize(results))
            .drop(columns=DIGESTS, errors="ignore")
            .dropna(axis="columns", how="all")
        )
        found[name] = table[table["block"] == "3D"] if "block" in table else table
    return {name: table.reset_index(drop=True) for name, table in found.items() if len(table)}


def _record(config: TrialConfig, label: str, score: float, failed: bool = False, role: Role | None = None) -> RunRecord:
    ratio = 1 if config.method == "teacher" else config.detector.compression
    cost = COSTS.get((config.detector.name, ratio), ())
    facts = dict(zip(("gflops", "params_m"), cost, strict=False))
    changes: dict[str, Any] = {"metrics": {}} if failed else {"metrics": made_up.metrics_of(score)}
    status = "failed" if failed else "finished"
    return made_up.record(config, label, status, role, study="planted", facts=facts, epochs=(), **changes)
