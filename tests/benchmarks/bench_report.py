"""What a report of many runs costs: seconds, peak memory, and how large its page is.

    python -m tests.benchmarks.bench_report [--records 10000] [--epochs 40] [--keep DIR]

Makes the records of four studies (rows on many seeds, and three searches, one of them with two objectives), then writes
one report of all four in a process of its own. With --keep the records stay, and are there for the next time.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1] / "analysis"))

import made_up_study as made_up

from study.nouns.config import TrialConfig
from study.nouns.overrides import override
from study.nouns.promised import Plan, PlannedRun
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import Point, SearchSpec, StudySpec

OBJECTIVES = ((), ("mAP/3d/moderate", "gflops"), ())


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        results = given.keep or Path(passing)
        if not results.is_dir() or not any(results.iterdir()):
            start = perf_counter()
            made = sum(_write(results, spec, runs) for spec, runs in _studies(given.records, given.epochs))
            print(f"made {made} records of {given.epochs} epochs in {perf_counter() - start:.0f} s")
        studies = sorted(path.parent for path in results.glob("*/study.json"))
        start = perf_counter()
        answer = subprocess.run(
            [sys.executable, "run_study.py", "report", "--json", "--into", results / "report", *studies],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        seconds = perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak, processor = used.ru_maxrss / 2**20, used.ru_utime + used.ru_stime
        files = json.loads(answer.stdout)
        page = Path(files["report"]).stat().st_size / 1e6
        beside = sum(Path(path).stat().st_size for path in (*files["tables"], *files["figures"])) / 1e6
        print(f"{seconds:.1f} s, {processor:.1f} s of one core, {peak:.2f} GiB at most")
        print(f"page {page:.2f} MB, tables and figures {beside:.1f} MB")


def _studies(records: int, epochs: int) -> Iterator[tuple[StudySpec, list[PlannedRun]]]:
    """Each study with its runs, a quarter of the records each."""
    training = made_up.TRAINING.model_copy(update={"epochs": epochs, "validate_every": 4})
    base = override(made_up.BASE, {"training.epochs": epochs, "training.validate_every": 4})
    base = base.model_copy(update={"teacher": base.teacher.model_copy(update={"training": training})})
    quarter = records // 4
    points = [*made_up.POINTS, *made_up.METHODS[1:]]
    points += [Point(label=f"K {k}, N {n}", set={"parameters.neighbors": k, "parameters.samples": n})
               for k in (4, 8, 32, 64) for n in (256, 512, 1024, 2048, 4096)]  # fmt: skip
    seeds = tuple(range(max(1, (quarter - 1) // len(points))))
    rows = made_up.spec(name="rows", base=base, points=tuple(points), seeds=seeds, search=None)
    yield rows, [PlannedRun(role="teacher", label="teacher", config=base.teacher_run()), *_fixed(rows)]
    for number, objectives in enumerate(OBJECTIVES):
        asked = SearchSpec(trials=quarter, objectives=objectives)
        spec = made_up.spec(name=f"search_{number}", base=base, points=made_up.POINTS[:1], seeds=(0,), search=asked)
        found = [_tried(base, number * quarter + trial) for trial in range(quarter - 2)]
        runs = [PlannedRun(role="search", label="search", config=config) for config in found]
        yield spec, [*_fixed(spec), *runs]


def _fixed(spec: StudySpec) -> list[PlannedRun]:
    return [run for _, run in made_up.planned(spec) if run.config.method != "teacher"]


def _tried(base: TrialConfig, trial: int) -> TrialConfig:
    values = {"neighbors": 4 + trial % 250, "samples": 64 + trial % 4000, "temperature": 0.5 + trial % 997 / 20}
    return override(base, {f"parameters.{name}": value for name, value in values.items()})


def _write(results: Path, spec: StudySpec, runs: list[PlannedRun]) -> int:
    """The study's folder; each record without waiting for the disk, as there are many."""
    files = StudyFiles(results, spec.name)
    files.write_study(spec)
    files.write_plan(Plan(runs=tuple(runs)))
    for place, run in enumerate(runs):
        path = files.record_json(run.config.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_record(spec, run, place).model_dump_json(indent=1))
        (path.parent / "train.log").write_text("".join(f"epoch {epoch} of {run.label}\n" for epoch in range(40)))
    return len(runs)


def _record(spec: StudySpec, run: PlannedRun, place: int) -> RunRecord:
    status = "failed" if place % 97 == 96 else "finished"
    facts = {"steps": 300.0, "gflops": 5.0 + place % 61 / 10}
    return made_up.record(run.config, run.label, status, run.role, study=spec.name, facts=facts)


if __name__ == "__main__":
    main()
