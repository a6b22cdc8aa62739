"""What a study adds to its runs: beside a run without Ray, beside plain Ray Tune, in the driver's memory, and to plan.

    python -m tests.benchmarks.bench_overhead [--epochs 80] [--runs 500] [--records 10000] [--rounds 3]
    python -m tests.benchmarks.bench_overhead --epochs 2 --runs 20 --records 200 --rounds 1

One command, one table; the second one is small, to see that it runs. Everything timed is a process of its own.
- a run through `trial` and the same run as a study on Ray, on one thread: seconds of the command up to the record (and
  whole, with the study's report), the best of the rounds. 80 epochs take about two minutes on an idle core.
- runs of a tenth of a second that leave a record, each by itself, as a study and as samples of plain Ray Tune: the same
  function, the same Ray, the same cores; seconds of the whole process, and the most memory that it took.
- a study of so many runs until the first can start, and the report of so many records (bench_planner, bench_report).
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "study"))
sys.path.insert(0, str(Path(__file__).parents[1] / "trainables"))

import tiny_run
import toy_study
import yaml
from ray import cloudpickle, tune
from toy_study import OFFERED, toy

from study.driver import cluster
from study.driver.launch import launch
from study.nouns.assignment import Assignment, carry, compose
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec
from study.planning.plan import expand

REPOSITORY = Path(__file__).parents[2]
SECONDS_A_RUN = 0.1


class Took(NamedTuple):
    """What a process took."""

    seconds: float
    memory_mb: float


def took(*command: str) -> Took:
    """Run a process whose output nobody reads, with one thread, and wait for it.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryFile("w+") as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *command], cwd=REPOSITORY, env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)  # of this process alone, without Ray's
        seconds = time.perf_counter() - start
        if status:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {said.read()[-2000:]}")
    return Took(seconds, used.ru_maxrss / 1024)


def one_run(epochs: int, rounds: int) -> None:
    """A run through `trial` and through Ray."""
    with tempfile.TemporaryDirectory() as place:
        warm = Path(place) / "warm"
        took("run_study.py", "trial", *tiny_run.options(warm))
        found: dict[str, list[tuple[float, float]]] = {"trial": [], "Ray": []}
        for number in range(rounds):
            for way, tries in found.items():
                results = Path(place) / f"{way}-{number}"
                results.mkdir()
                shutil.copytree(warm / "data", results / "data", symlinks=True)
                began = time.time()
                whole = took(*_command(way, results, epochs)).seconds
                (record,) = results.glob("runs/*/record.json")
                tries.append((record.stat().st_mtime - began, whole))
        alone, (ray, report) = min(found["trial"])[0], min(found["Ray"])
    print(f"a run of {epochs} epochs up to its record: {alone:.1f} s through trial, {ray:.1f} s through Ray", end=" ")
    print(f"({ray / alone:.3f} times as long; {report:.1f} s with its report)", flush=True)


def _command(way: str, results: Path, epochs: int) -> list[str]:
    changes = {"epochs": epochs, "validate_every": epochs}
    if way == "trial":
        sets = [part for name, number in changes.items() for part in ("--set", f"training.{name}={number}")]
        return ["run_study.py", "trial", *tiny_run.options(results), *sets]
    base = tiny_run.BASE.model_dump(mode="json")
    base["training"].update(changes)
    study = {"name": "one", "question": "What does Ray cost?", "base": base, "points": [{"label": "student"}]}
    file = results / "one.yaml"
    file.write_text(yaml.safe_dump({**study, "seeds": [0], "budget": {"cpus_per_trial": 1}}))
    return ["run_study.py", "run", str(file), "--results", str(results)]


def short_runs(runs: int, rounds: int) -> None:
    """Short runs as a study and through plain Ray Tune, with the memory of both drivers."""
    best: dict[str, list[Took]] = {"plain": [], "study": []}
    for _ in range(rounds):
        for way, tries in best.items():
            with tempfile.TemporaryDirectory() as results:
                tries.append(took("-m", "tests.benchmarks.bench_overhead", "--only", way, "--runs", str(runs),
                                  "--into", results))  # fmt: skip
    plain, study = (min(tries) for tries in best.values())
    print(f"{runs} runs of {SECONDS_A_RUN} s: {plain.seconds:.1f} s through plain Ray Tune", end=", ")
    print(f"{study.seconds:.1f} s as a study ({study.seconds / plain.seconds:.3f} times as long); ", end="")
    print(f"driver {plain.memory_mb:.0f} and {study.memory_mb:.0f} MB", flush=True)


def short(runs: int) -> StudySpec:
    """So many short runs, each by itself, without a teacher."""
    base = {"method": "student", "training": {"epochs": 1}, "parameters": {"pause": SECONDS_A_RUN}}
    return toy(base=base, points=[{"label": "row"}], seeds=list(range(runs)), budget={"cohort": 1})


def as_study(runs: int, results: Path) -> None:
    """This process drives them as a study."""
    outcome = launch(short(runs), offered=OFFERED, files=StudyFiles(results, "toy"))
    assert outcome.finished == runs, outcome


def as_samples(runs: int, results: Path) -> None:
    """This process drives them as samples of a Tuner, whatever they leave."""
    files = StudyFiles(results, "toy")
    planned = expand(short(runs), OFFERED.resolve)
    configs = [carry([Assignment(run.config, files, run.label, run.role)]) for run in planned]

    def train(config: dict[str, Any]) -> None:
        OFFERED.trainable(config["cohort"])

    cluster.join("local")
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={"cohort": tune.grid_search(configs)},
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(results / "tune"), verbose=0),
    )
    tuner.fit()
    cluster.leave()
    assert all(files.ended(compose(config)[0].config.key) for config in configs)


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", choices=["plain", "study"], help="drive the short runs in this process, print nothing"
    )
    parser.add_argument("--into", type=Path, help="with --only: the results folder")
    given = parser.parse_args()
    if given.only:
        cloudpickle.register_pickle_by_value(toy_study)
        {"plain": as_samples, "study": as_study}[given.only](given.runs, given.into)
        return
    one_run(given.epochs, given.rounds)
    short_runs(given.runs, given.rounds)
    rows = max(1, given.records // 20)
    for command in (["bench_planner", "--rows", str(rows)], ["bench_report", "--records", str(given.records)]):
        name, *options = command
        subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}", *options], cwd=REPOSITORY, check=True)


if __name__ == "__main__":
    main()
