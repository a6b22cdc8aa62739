"""The study that faults are injected into: what it trains is a chain of hashes, so that one epoch too many would show.

As a script it is a driver: `python small_study.py RESULTS ADDRESS [--resume] [--name NAME]`. Everything between the
question and the records is the project's own. Where `FAULTS` in the environment names a folder, files there ask the
driver and its workers for trouble: `slow` (every file of the results takes SLOW_S), `quota` (no file of the results can
be made any more), `clock` (their clocks are off by so many seconds).
"""

import argparse
import errno
import hashlib
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "study"))

import toy_study
from ray import cloudpickle, tune
from toy_study import DECLARED, METRIC, OFFERED, toy

from study.command_line.ending import end
from study.driver.launch import launch
from study.nouns.assignment import Assignment, compose
from study.nouns.errors import ExitStatus
from study.nouns.json_files import read_json, write_json
from study.nouns.records import EpochRecord, RunRecord, StudyFiles
from study.nouns.spec import StudySpec

EPOCHS = 6
PAUSE_S = 0.15
SLOW_S = 0.3


def small(name: str = "small") -> StudySpec:
    """Seven runs of about a second, one cohort at a time."""
    training = {"epochs": EPOCHS}
    base = {"method": "pointdistiller", "training": training, "teacher": {"training": training}}
    points = [{"label": "student", "set": {"method": "student"}}, {"label": "LD + RL"}]
    points.append({"label": "N 400", "set": {"parameters.samples": 400}})
    budget = {"teacher_cpus": 1, "concurrent": 1, "cohort": 2}
    return toy(name=name, base=base, points=points, seeds=[0, 1], budget=budget)


def obey(results: Path) -> None:
    """From now on do what the files in the folder FAULTS ask for, in this process."""
    wanted, true_time = os.environ.get("FAULTS"), time.time
    if wanted is None or true_time.__name__ == "shifted":  # workers are used again, and a hook stays
        return
    folder, below = Path(wanted), str(results)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename", "os.mkdir", "os.remove", "os.listdir") or not arguments:
            return
        if not str(arguments[0]).startswith(below):
            return
        if os.path.exists(folder / "slow"):
            time.sleep(SLOW_S)
        makes = event == "open" and isinstance(arguments[1], str) and arguments[1][:1] in ("w", "x", "a")
        if makes and os.path.exists(folder / "quota"):
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), str(arguments[0]))

    def shifted() -> float:
        return true_time() + (float((folder / "clock").read_text() or 0) if (folder / "clock").exists() else 0)

    sys.addaudithook(hook)
    time.time = shifted


def train(tune_config: dict[str, Any]) -> None:
    """The runs of a cohort, one after the other."""
    for one in compose(tune_config):
        obey(one.files.results)
        try:
            train_one(one)
        except OSError as error:
            write(one, status="failed", error=f"{type(error).__name__}: {error}")


def train_one(assigned: Assignment) -> None:
    """One run, from its newest checkpoint: the weights of an epoch are the hash of those before it."""
    config, files = assigned.config, assigned.files
    folder, latest = files.run(config.key), files.latest(config.key)
    folder.mkdir(parents=True, exist_ok=True)
    states: list[str] = read_json(latest)["states"] if latest.exists() else []
    for epoch in range(len(states) + 1, config.training.epochs + 1):
        time.sleep(PAUSE_S)
        before = states[-1] if states else config.key
        states.append(hashlib.sha256(f"{before} {epoch}".encode()).hexdigest())
        write_json(latest, {"states": states})
        if epoch < config.training.epochs:
            tune.report(
                {METRIC: value(states[-1]), "key": config.key, "epoch": epoch, "epochs": config.training.epochs}
            )
    files.checkpoint(config.key).write_text(states[-1])
    curve = tuple(
        EpochRecord(epoch=epoch, losses={"loss": value(state)}, metrics={METRIC: value(state)}, seconds=PAUSE_S)
        for epoch, state in enumerate(states, 1)
    )
    write(assigned, status="finished", metrics=curve[-1].metrics, epochs=curve)
    latest.unlink()
    last = {"key": config.key, "epoch": config.training.epochs, "epochs": config.training.epochs}
    tune.report({**curve[-1].metrics, **last})


def value(state: str) -> float:
    """A metric between 30 and 50 that weights decide."""
    return 30 + int(state[:8], 16) / 2**32 * 20


def write(one: Assignment, **rest: Any) -> None:
    """Keep the record of a run."""
    begin = {"key": one.config.key, "study": one.files.study, "label": one.label, "role": one.role}
    one.files.write(RunRecord(**begin, config=one.config, declared=DECLARED, host=str(os.getpid()), **rest))


def main() -> None:
    """Launch the study as `run_study.py run` does, with its exit statuses."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("address")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--name", default="small")
    given = parser.parse_args()
    cloudpickle.register_pickle_by_value(toy_study)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    obey(given.results.absolute())
    files, offered = StudyFiles(given.results, given.name), OFFERED._replace(trainable=train)
    try:
        outcome = launch(small(given.name), offered=offered, files=files, address=given.address, resume=given.resume)
    except (Exception, KeyboardInterrupt) as error:
        end(error)
    if outcome.stopped:
        sys.exit(ExitStatus.INTERRUPTED if outcome.stopped == "interrupted" else ExitStatus.STOPPED_EARLY)
    sys.exit(ExitStatus.RUNS_FAILED if outcome.failed else ExitStatus.DONE)


if __name__ == "__main__":
    main()
