"""A real trainable that keeps launch()'s contract and learns nothing: a parabola over K and N instead of an AP.

As a script it is a driver of its own, to be killed: `python toy_study.py RESULTS ADDRESS [--claims] [--resume]`.
`noise` is added to what a run gives. Other parameters ask for trouble: `pause` seconds per epoch, in which a `deaf` run
does not look whether it is to leave, `until` waits after the first epoch for a file, `fail` raises, `exit` leaves as a
library may do, `kill` ends its own process: after the first epoch, `always` before it, or after `every` one.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune

from study.driver.launch import launch
from study.nouns import leaving
from study.nouns.assignment import Assignment, compose
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.metrics import Metric
from study.nouns.overrides import override
from study.nouns.parameters import Called, Range
from study.nouns.records import EpochRecord, Role, RunRecord, StudyFiles
from study.nouns.spec import StudySpec
from study.nouns.study_in_store import files_at
from study.planning.mirror import mirrored
from study.planning.offered import Offered
from study.planning.study_state import Outcome

METRIC = "mAP/3d/moderate"
DECLARED = (Metric(name=METRIC, title="top of the parabola", low=-100, high=100, floor=20),)
DEFAULTS = {"local": True, "reweight": True, "neighbors": 32, "samples": 300, "temperature": 5.0}
SPACE = {
    "parameters.neighbors": {"low": 4, "high": 64, "log": True, "integer": True, "when": {"parameters.local": True}},
    "parameters.samples": {"low": 100, "high": 1000, "log": True, "integer": True},
}
CALLED = {
    "parameters.neighbors": Called(symbol="K"),
    "parameters.samples": Called(symbol="N"),
    "parameters.local": Called(symbol="LD", switch=True),
    "parameters.reweight": Called(symbol="RL", switch=True),
}


def resolve(config: TrialConfig) -> TrialConfig:
    """Complete a config the way run_study.py does."""
    if not config.distills:
        return config
    whole = {**DEFAULTS, **config.parameters}
    if whole["samples"] > 12000:
        raise InputError(f"parameters.samples: at most 12000 (got {whole['samples']})")
    if not whole["local"]:
        whole["neighbors"] = None
    return config.model_copy(update={"parameters": whole})


def train(tune_config: dict[str, Any]) -> None:
    """The runs of a cohort, one after the other."""
    for one in compose(tune_config):
        with leaving.under_way():
            train_one(one)


def height(wants: dict[str, Any]) -> float:
    """The parabola over K and N; at most 50."""
    return 50 - ((wants["neighbors"] or 20) - 20) ** 2 / 100 - (wants["samples"] - 400) ** 2 / 1e5


def gflops(wants: dict[str, Any]) -> float:
    """What the toy costs: the more samples, the more."""
    return wants["samples"] / 100


def curve_to(reached: float, epochs: int) -> tuple[EpochRecord, ...]:
    """The epochs of a run that comes to a height."""
    return tuple(
        EpochRecord(epoch=epoch, losses={}, metrics={METRIC: reached - 1 / epoch}, seconds=0.0)
        for epoch in range(1, epochs + 1)
    )


def train_one(assigned: Assignment) -> None:
    """One run: every epoch leaves a checkpoint (a number) and a line in the log of epochs really trained."""
    config, files, label, role, *_ = assigned
    folder = files.run(config.key)
    folder.mkdir(parents=True, exist_ok=True)
    wants = {"local": True, "reweight": True, **DEFAULTS, **config.parameters}
    facts = {"pid": float(os.getpid()), "threads": float(os.environ.get("OMP_NUM_THREADS", "0"))}
    facts["sees_gpus"] = float(os.environ.get("CUDA_VISIBLE_DEVICES") != "")
    facts["gflops"] = gflops(wants)
    facts["node"] = float(os.getppid())  # the process by which Ray starts all others of a node
    epochs = config.training.epochs
    checkpoint = files.latest(config.key)
    reached = height(wants) + random.Random(config.key).gauss(0, wants.get("noise", 0.0))
    try:
        if wants.get("fail"):
            raise ValueError("the loss is not finite at step 3")
        if wants.get("exit"):
            sys.exit("a library gave up")
        if wants.get("kill") == "always":
            os.kill(os.getpid(), signal.SIGKILL)
        for epoch in range(int(checkpoint.read_text()) if checkpoint.exists() else 0, epochs):
            rest(wants.get("pause", 0.0), epoch, files, config.key, deaf="deaf" in wants)
            while epoch == 1 and "until" in wants and not Path(wants["until"]).exists():
                time.sleep(0.1)
                look(epoch, files, config.key)
            (folder / "epochs.log").open("a").write(f"{epoch}\n")
            keep(checkpoint, str(epoch + 1))
            if wants.get("kill") and (epoch == 0 or (wants["kill"] == "every" and epoch + 1 < epochs)):
                os.kill(os.getpid(), signal.SIGKILL)
            if epoch + 1 < epochs:
                metrics = {METRIC: reached - 1 / (epoch + 1)}
                tune.report({**metrics, "key": config.key, "epoch": epoch + 1, "epochs": epochs})
                if not all(bar.held(epoch + 1, metrics) for bar in assigned.bars):
                    curve = curve_to(reached, epoch + 1)
                    write(files, config, label, role, status="pruned", metrics=metrics, facts=facts, epochs=curve)
                    return
        metrics = {METRIC: reached - 1 / epochs}
        files.checkpoint(config.key).write_text("a detector")
        curve = curve_to(reached, epochs)
        write(files, config, label, role, status="finished", metrics=metrics, facts=facts, epochs=curve)
        checkpoint.unlink()
        tune.report({**metrics, "key": config.key, "epoch": epochs, "epochs": epochs})
    except ValueError as error:
        write(files, config, label, role, status="failed", error=str(error), facts=facts)


def rest(seconds: float, epoch: int, files: StudyFiles, key: str, deaf: bool) -> None:
    """An epoch's work; `pid` and `node` say where."""
    folder, until = files.run(key), time.monotonic() + seconds
    (folder / "pid").write_text(str(os.getpid()))
    (folder / "node").open("a").write(f"{ray.get_runtime_context().get_node_id()}\n")
    while time.monotonic() < until:
        time.sleep(min(0.05, seconds))
        if not deaf:
            look(epoch, files, key)


def look(epoch: int, files: StudyFiles, key: str) -> None:
    """Leave where this process is to end; `left` says in the middle of which epochs."""
    if leaving.asked():
        (files.run(key) / "left").open("a").write(f"{epoch}\n")
        keep(files.latest(key), str(epoch))
        leaving.leave()


def keep(checkpoint: Path, text: str) -> None:
    """Put a checkpoint in the place of the last one."""
    partial = checkpoint.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(checkpoint)


def write(files: StudyFiles, config: TrialConfig, label: str, role: Role, **rest: Any) -> None:
    """Keep the record of a run."""
    begin = {"key": config.key, "study": files.study, "label": label, "role": role, "config": config}
    files.write(RunRecord(**begin, declared=DECLARED, **rest))


OFFERED = Offered(
    trainable=train,
    resolve=resolve,
    metrics_of=lambda config: DECLARED,
    weight_range=lambda config: (0.1, 10.0),
    learning_rate=lambda config: config.training.learning_rate or 0.001,
    search_space=lambda config: {key: Range.model_validate(range_) for key, range_ in SPACE.items()},
    called=lambda config: CALLED,
)


def toy(**changes: Any) -> StudySpec:
    """A study of two rows and two seeds, or what `changes` makes of it."""
    training = {"epochs": 2}
    content: dict[str, Any] = {
        "name": "toy",
        "question": "Where is the top of a parabola?",
        "base": {"method": "pointdistiller", "training": training, "teacher": {"training": training}},
        "points": [{"label": "student", "set": {"method": "student"}}, {"label": "LD + RL"}],
        "seeds": [0, 1],
        "budget": {"teacher_cpus": 1},
    }
    alone = {"base.training.workers": 0, "base.teacher.training.workers": 0}
    return override(StudySpec.model_validate({**content, **changes}), alone)


def run(spec: StudySpec, results: Path | str, address: str = "local", **options: Any) -> Outcome:
    """Launch the toy study in a folder or in a store; `options` are `launch`'s resume, force and say."""
    files = files_at(results, spec.name)
    with mirrored(files, None, options.get("say", print)):
        return launch(spec, offered=OFFERED, files=files, address=address, **options)


def claiming() -> StudySpec:
    """Claims about three settings of N whose tops are 50, 49.4 and 46, on nine seeds at most."""
    base = {"method": "pointdistiller", "parameters": {"neighbors": 20, "noise": 0.4, "pause": 0.3}}
    points = [{"label": f"N {n}", "set": {"parameters.samples": n}} for n in (400, 645, 1033)]
    claims = [
        {"row": "N 400", "over": ["N 1033"], "value": 3.0},
        {"row": "N 400", "over": ["N 645"], "value": 2.0},
        {"row": "N 645", "over": ["N 1033"]},
        {"kind": "same", "row": "N 400", "over": ["N 645"], "within": 2.0},
        {"kind": "best", "row": "N 400", "over": ["N 645", "N 1033"]},
    ]
    base["training"] = {"epochs": 2}
    base["teacher"] = {"training": {"epochs": 1}}
    budget = {"teacher_cpus": 1, "concurrent": 2}
    return toy(base=base, points=points, claims=claims, seeds=list(range(9)), budget=budget)


def long_search() -> StudySpec:
    """A search to be killed: eight suggestions of about a second, no rows."""
    base = {"method": "pointdistiller", "training": {"epochs": 4}, "parameters": {"pause": 0.25}}
    base["teacher"] = {"training": {"epochs": 1}}
    return toy(base=base, points=[], search={"trials": 8, "startup": 3})


if __name__ == "__main__":
    resume = "--resume" in sys.argv
    study = claiming() if "--claims" in sys.argv else long_search()
    run(study, Path(sys.argv[1]), sys.argv[2], resume=resume, say=lambda line: print(line, flush=True))
