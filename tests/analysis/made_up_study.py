"""Records as a real study leaves them, made up from a seed: for the tests of what is made from records.

The numbers are invented and stay in the tests. Metrics follow a smooth function of K, N and tau plus the noise
of the seed, so that means, gains and curves look as they do in a real study.
"""

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from study.nouns.claims import Claim
from study.nouns.config import TeacherConfig, TrainingConfig, TrialConfig
from study.nouns.importances import Importance, Importances
from study.nouns.metrics import Metric
from study.nouns.overrides import override
from study.nouns.parameters import Called
from study.nouns.promised import Plan, PlannedRun, Promise
from study.nouns.records import EpochRecord, Role, RunRecord, StudyFiles
from study.nouns.spec import Point, SearchSpec, StudySpec
from study.planning.plan import expand

TRAINING = TrainingConfig(epochs=6, repeat=1, batch_size=2, validate_every=2)
BASE = TrialConfig(
    method="pointdistiller",
    parameters={"form": "paper", "local": True, "reweight": True, "neighbors": 16, "samples": 1024, "temperature": 5.0},
    training=TRAINING,
    teacher=TeacherConfig(training=TRAINING),
)
CALLED = {
    "parameters.local": Called(symbol="LD", title="local distillation", switch=True),
    "parameters.reweight": Called(symbol="RL", title="reweighting", switch=True),
    "parameters.neighbors": Called(symbol="K", title="neighbors per local graph"),
    "parameters.samples": Called(symbol="N", title="distilled rows per frame"),
    "parameters.temperature": Called(symbol="τ", title="temperature", unit="points per pillar"),
}
"""What PointDistiller calls its values."""

LOCAL, REWEIGHT = "parameters.local", "parameters.reweight"
POINTS = (
    Point(label="student", set={"method": "student", "parameters": {}}),
    Point(label="PD, no switch", set={LOCAL: False, REWEIGHT: False, "parameters.neighbors": None,
                                      "parameters.temperature": None}),
    Point(label="LD", set={REWEIGHT: False, "parameters.temperature": None}),
    Point(label="RL", set={LOCAL: False, "parameters.neighbors": None}),
    Point(label="LD + RL"),
)  # fmt: skip
METHODS = (
    Point(label="fitnet", set={"method": "fitnet", "parameters": {"weight": 0.5}}, tune=(0.01, 1.0, 100.0)),
    Point(label="crd", set={"method": "crd", "parameters": {"weight": 1.0}}),
)
SMALL = (
    Point(label="student 16x", set={**POINTS[0].set, "detector.compression": 16}),
    Point(label="LD + RL 16x", set={"detector.compression": 16}),
)

CLAIMS = (
    Claim(row="LD + RL", over=("student",), value=3.4, published=3.4, source="Table 5"),
    Claim(row="RL", over=("student",)),
    Claim(kind="best", row="LD + RL", over=("RL", "crd")),
    Claim(kind="same", row="RL", over=("PD, no switch",)),
    Claim(kind="teacher", row="LD"),
    Claim(row="fitnet", over=("student",), exploratory=True),
)


def spec(seeds: tuple[int, ...] = (0, 1), trials: int = 12, **changes: Any) -> StudySpec:
    """The question of the made-up study."""
    content = {
        "name": "quickstart",
        "question": "Which K, N and τ make PointDistiller work best, & what does each <component> add?",
        "base": BASE,
        "points": POINTS,
        "search": SearchSpec(trials=trials),
        "seeds": seeds,
        "metric": "mAP/3d/moderate",
    }
    return StudySpec(**(content | changes))


def whole(**changes: Any) -> StudySpec:
    """A question to which every table and figure has something to say."""
    search = SearchSpec(trials=12, objectives=("mAP/3d/moderate", "gflops"), constraints={"gflops": 9.5})
    points = (*POINTS, *METHODS, *SMALL)
    return spec(**({"points": points, "claims": CLAIMS, "search": search} | changes))


@cache
def declared() -> tuple[Metric, ...]:
    """What KITTI's evaluator declares: two blocks of every class at every difficulty, and of the moderate mean."""
    found = []
    for task, block in (("bev", "BEV"), ("3d", "3D")):
        for column in ("Car", "Pedestrian", "Cyclist", "mAP"):
            for difficulty in ("easy", "moderate", "hard"):
                mean = column == "mAP"
                name = f"mAP/{task}/{difficulty}" if mean else f"{task}/{column}/{difficulty}"
                title = f"{difficulty} {block} {'mAP' if mean else f'AP of {column.lower()}s'}"
                shown = {"block": block, "column": difficulty, "group": column}
                if mean:
                    shown = {"block": block, "column": column, "headline": True} if difficulty == "moderate" else {}
                found.append(Metric(name=name, title=title, unit="AP40, %", low=0, high=100, **shown))
    return tuple(found)


def record(
    config: TrialConfig, label: str, status: str = "finished", role: Role | None = None, **changes: Any
) -> RunRecord:
    """One run; a failed one has an error, no metrics, and declares none."""
    score = _score(config)
    done = status == "finished"
    content: dict[str, Any] = {
        "key": config.key,
        "study": "quickstart",
        "label": label,
        "role": role or ("teacher" if config.method == "teacher" else "row"),
        "config": config,
        "status": status,
        "error": None if done else "RuntimeError: loss is not finite at step 12 (<nan> & so on)",
        "metrics": metrics_of(score) if done else {},
        "declared": declared() if done else (),
        "called": CALLED if config.method == "pointdistiller" else {},
        "epochs": _epochs(config, score, config.training.epochs if done else 1),
        "teacher_key": config.teacher_run().key if config.distills else None,
        "facts": {"steps": 300.0},
        "seconds": 41.5 if done else 6.25,
        "peak_memory_mb": 1630.0,
        "host": "node-a",
        "device": "cpu",
        "started": f"2025-01-01T00:{config.seed:02d}:00",
        "commit": "0123abc",
        "versions": {"torch": "2.13.0", "mmdet3d": "1.4.0"},
    }
    return RunRecord(**(content | changes))


def planned(asked: StudySpec) -> list[tuple[str, PlannedRun]]:
    """The study and every fixed row of it on every seed; with claims two seeds first, then one in every wave."""
    runs = expand(asked, lambda config: config)
    if asked.claims:
        waves = {seed: max(1, place) for place, seed in enumerate(asked.seeds)}
        runs = [run.model_copy(update={"wave": waves[run.config.seed]}) for run in runs]
    return [(asked.name, run) for run in runs]


def records(asked: StudySpec, fail: tuple[str, ...] = ("LD",), search: int = 12) -> list[RunRecord]:
    """The teacher, every fixed row on every seed (rows in `fail` failed on the last), a search with one failure."""
    made = [record(BASE.teacher_run(), "teacher")]
    for _, run in planned(asked):
        failed = run.label in fail and run.config.seed == asked.seeds[-1]
        made.append(record(run.config, run.label, "failed" if failed else "finished"))
    for point in asked.points:
        made += [record(config, point.label, status, "tuning") for config, status in _tries(asked, point)]
    for trial in range(search):
        status, facts = "failed" if trial == 3 else "finished", {"gflops": 8.0 + (5 * trial) % 12 / 6}
        made.append(record(_searched(trial), "search", status, "search", facts=facts))
    return made


IMPORTANCES = Importances(
    trials=11,
    best=5,
    values=(
        Importance(key="parameters.neighbors", median=0.75, low=0.3, high=0.9, n=11),
        Importance(key="parameters.samples", median=0.25, low=0.1, high=0.4, n=11),
    ),
)
"""What the launch of that search left."""


def write(
    results: Path,
    asked: StudySpec,
    kept: list[RunRecord],
    promised: tuple[Promise, ...] = (),
    importances: Importances | None = None,
) -> Path:
    """The study's folder as `run` leaves it."""
    files = StudyFiles(results, asked.name)
    files.write_study(asked)
    if importances is not None:
        importances.write(files.importances_json)
    runs = {run.config.key: run for _, run in planned(asked)}
    for one in kept:
        runs.setdefault(one.key, PlannedRun(role=one.role, label=one.label, config=one.config))
        files.write(one)
    files.write_plan(Plan(runs=tuple(runs.values()), promised=promised))
    return files.root


def _tries(asked: StudySpec, point: Point) -> Iterator[tuple[TrialConfig, str]]:
    """Three tuning runs of a row that is tuned, the last of them failed."""
    for weight in (0.1, 0.5, 90.0) if point.tune else ():
        changes = {**point.set, "parameters.weight": weight, "seed": asked.tuning.seed, "training.epochs": 2}
        yield override(asked.base, changes), "failed" if weight > 1 else "finished"


def _searched(trial: int) -> TrialConfig:
    rng = np.random.default_rng([7, trial])
    return override(
        BASE,
        {
            "parameters.neighbors": round(2 ** rng.uniform(2, 8)),
            "parameters.samples": round(64 * 2 ** rng.uniform(0, 7)),
            "parameters.temperature": float(np.exp(rng.uniform(math.log(0.5), math.log(50)))),
        },
    )


def _score(config: TrialConfig) -> float:
    digest = int(config.key, 16)
    noise = np.random.default_rng([config.seed, 3]).normal(0, 1.0) + np.random.default_rng(digest).normal(0, 0.4)
    if config.method == "teacher":
        return 52.0
    if config.method == "student":
        return 44.0 + noise
    given = config.parameters
    if config.method != "pointdistiller":
        return 44.9 + noise
    gain = 0.4
    if given.get("local"):
        gain += 1.6 - 0.15 * abs(math.log2(given["neighbors"] / 32))
    if given.get("reweight"):
        gain += 1.1 - 0.25 * abs(math.log2(given["temperature"] / 4))
    return 44.0 + gain + noise - 0.2 * abs(math.log2(given["samples"] / 2048))


def metrics_of(score: float) -> dict[str, float]:
    values = {}
    for task, above in (("3d", 0.0), ("bev", 6.0)):
        for difficulty, easier in (("easy", 4.0), ("moderate", 0.0), ("hard", -2.5)):
            for name, offset in (("Car", 14.0), ("Pedestrian", -15.0), ("Cyclist", 1.0)):
                values[f"{task}/{name}/{difficulty}"] = score + above + easier + offset
            values[f"mAP/{task}/{difficulty}"] = score + above + easier
    return values


def _epochs(config: TrialConfig, score: float, epochs: int) -> tuple[EpochRecord, ...]:
    kept = []
    rng = np.random.default_rng(int(config.key, 16))
    for epoch in range(1, epochs + 1):
        losses = {
            "loss_cls": 0.9 * math.exp(-epoch / 4) + 0.2 + 0.01 * config.seed,
            "loss_bbox": 1.4 * math.exp(-epoch / 3) + 0.5,
            "loss_dir": 0.12 * math.exp(-epoch / 5) + 0.05,
        }
        losses = {name: value * rng.normal(1, 0.04) for name, value in losses.items()}
        if config.distills:
            losses["kd_loss_local"] = (3.0 * math.exp(-epoch / 2) + 0.4) * rng.normal(1, 0.1)
        losses["loss"] = sum(losses.values())
        validated = epoch % config.training.validate_every == 0 or epoch == config.training.epochs
        metrics = metrics_of(score * (1 - math.exp(-epoch / 2))) if validated else {}
        step = 0.1 if config.distills else 0.08
        kept.append(EpochRecord(epoch=epoch, losses=losses, metrics=metrics, seconds=6.5, step_seconds=step))
    return tuple(kept)


def with_detectors(results: Path, size: int = 0) -> StudyFiles:
    """The study without its search, as it lies on a disk; its finished runs have detectors of so many bytes."""
    asked = spec(search=None)
    kept = records(asked, search=0)
    write(results, asked, kept)
    files = StudyFiles(results, asked.name)
    for one in kept:
        if one.status == "finished":
            files.checkpoint(one.key).write_bytes(bytes(size))
    return files


def key_of(files: StudyFiles, label: str, seed: int) -> str:
    """The key of a row's run."""
    runs = files.read_plan().runs
    return next(run.config.key for run in runs if run.label == label and run.config.seed == seed)
