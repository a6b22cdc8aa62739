"""The command line: runs studies of knowledge distillation for LiDAR 3D detectors, and reports on them.

The only file that knows all rooms. Wrong input ends with exit status 2 and one line; a failed run with 1.
"""

import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before Ray is imported: nothing calls home

import typer

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError, RunFailedError
from study.nouns.overrides import override, parse
from study.nouns.records import Role, RunRecord, StudyFiles
from study.nouns.spec import StudySpec

USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""What typer raises for a command line it cannot read; it exports only this subclass of it."""

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

Set = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a value, e.g. training.epochs=3.")]
Data = Annotated[Path | None, typer.Option(help="A root made ready by `prepare`; without it: simulated.")]
Results = Annotated[Path, typer.Option(help="Folder of all studies' results.")]
Force = Annotated[bool, typer.Option("--force", help="Distill also from a teacher below its teacher.minimum.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def run(
    study: Annotated[str, typer.Argument(help="A study's name (see `list`), or a YAML file.")],
    set_: Set = [],  # noqa: B006  typer reads the default, nobody changes it
    data: Data = None,
    results: Results = Path("results"),
    name: Annotated[str | None, typer.Option(help="Keep the results under this name.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of every row, e.g. 0,1,2.")] = None,
    address: Annotated[str, typer.Option(help="local (a Ray of its own), auto, or ray://host:port.")] = "local",
    resume: Annotated[bool, typer.Option("--resume", help="Run only what is missing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the runs, start nothing.")] = False,
    force: Force = False,
) -> None:
    """Run a study on Ray and write its report."""
    spec = _study(study, set_, data, name, seeds)
    from study.planning.preview import preview
    from study.planning.weight_tuning import with_ranges
    from trainables import run as one_run

    spec = with_ranges(spec, one_run.resolve, one_run.weight_range)
    files = StudyFiles(results, spec.name)
    if dry_run:
        for line in preview(spec, one_run.resolve):
            print(line)
        return
    from study.driver.launch import launch
    from trainables.datasets.ready import ensure

    ensure(spec.base.dataset, files, _progress())
    outcome = launch(
        spec, trainable=one_run.trainable, resolve=one_run.resolve, files=files, address=address, resume=resume,
        force=force,
    )  # fmt: skip
    if outcome.finished or outcome.failed:
        _report([files.root])
    if outcome.stopped or outcome.failed:
        raise typer.Exit(130 if outcome.stopped == "interrupted" else 1)


@app.command()
def trial(
    set_: Set = [],  # noqa: B006
    data: Data = None,
    results: Results = Path("results"),
    name: Annotated[str, typer.Option(help="Study folder that keeps the record.")] = "trials",
    force: Force = False,
) -> None:
    """Train one run in this process, without Ray; its teacher too where it is missing."""
    from study.planning.plan import too_weak
    from trainables import run as one_run
    from trainables.datasets.ready import ensure

    base = TrialConfig()
    config = one_run.resolve(override(base, {**_dataset(data, base, ""), **dict(map(parse, set_))}))
    files = StudyFiles(results, name)
    ensure(config.dataset, files, _progress())
    if config.distills:
        teacher = one_run.resolve(config.teacher_run())
        weak = too_weak(teacher, _train(teacher, files.teachers(), "teacher", "teacher"))
        if weak and not force:
            raise InputError(weak)
    _train(config, files, config.method)


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Study folders, e.g. results/quickstart.")],
    into: Annotated[
        Path | None,
        typer.Option(help="Where to write; by default report/ in the study's folder, or beside several studies."),
    ] = None,
) -> None:
    """Write tables and figures from the records of one or more studies."""
    _report(folders, into)


@app.command(name="list")
def list_(as_json: Json = False) -> None:
    """Studies, detectors, methods, tables and figures."""
    from analysis import listing
    from study import named_studies as studies
    from trainables import datasets, detectors, distillers

    content = {
        "studies": [{"name": name, "description": study().question} for name, study in studies.STUDIES.items()],
        "detectors": detectors.describe(),
        "methods": distillers.describe(),
        "data sets": datasets.describe(),
        "tables": [{"name": name, "description": table.TITLE} for name, table in listing.tables().items()],
        "figures": [{"name": name, "description": figure.TITLE} for name, figure in listing.figures().items()],
    }
    if as_json:
        print(json.dumps(content, indent=1))
        return
    for kind, entries in content.items():
        print(f"{kind}:")
        for entry in entries:
            print(f"  {entry['name']:24} {entry['description']}")
            if entry.get("reads"):
                low, high = entry["weight_range"]
                print(f"    reads {', '.join(entry['reads'])}; its weight is compared from {low:g} to {high:g}")
            for parameter in entry.get("parameters", []):
                default = f"{json.dumps(parameter['default'])} [{parameter['range']}]".removesuffix(" []")
                print(f"    {parameter['name']:22} {default}: {parameter['description']}")


@app.command()
def complexity(
    data: Data = None,
    detector: Annotated[list[str], typer.Option("--detector", help="Only this one; may be repeated.")] = [],  # noqa: B006
    repeats: Annotated[int, typer.Option(min=1, help="Timed frames of each.")] = 5,
    as_json: Json = False,
) -> None:
    """What every detector and compression costs here, beside the paper's GFLOPs and parameters."""
    from analysis import cost_table
    from study.nouns.config import DetectorConfig
    from trainables import detectors as families
    from trainables.costs import measuring as costs

    names = [name for name in detector or families.names() if families.load(name)]
    rows: list[dict[str, Any]] = []
    if not as_json:
        print(cost_table.heading())
    for name in names:
        scan = costs.scan_of(name, data)
        for ratio in cost_table.compressions(name):
            config = DetectorConfig(name=name, compression=ratio)
            cost = costs.measure(config, teacher=ratio == 1, scan=scan, repeats=repeats)
            rows.append(cost_table.beside_paper(name, ratio, asdict(cost)))
            if not as_json:
                print(cost_table.line(rows[-1]))
    origin = f"{len(scan):,} points from {data or 'the simulator'}"
    print(json.dumps(rows, indent=1) if as_json else f"\n{cost_table.notes(rows, origin)}")


@app.command()
def prepare(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set: see `list`.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Its root; of one that is made, where to put it.")],
    set_: Set = [],  # noqa: B006
    into: Annotated[Path | None, typer.Option(help="Write here instead, with links to the raw files.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Also draw some frames from above, with boxes.")] = None,
    compare: Annotated[Path | None, typer.Option(help="A root to print statistics of, beside these.")] = None,
) -> None:
    """Make a data set ready for training: its info files, reduced scans, and what else training reads."""
    from study.nouns.overrides import validated
    from trainables import datasets

    data_set = datasets.load(name)
    options = override(validated(data_set.Options, {}), dict(map(parse, set_)))
    data_set.prepare(directory, options, into=into, progress=_progress())
    data_set.check(into or directory, deep=True)
    print(data_set.report(into or directory, options, compare))
    if picture is not None:
        print(f"picture: {data_set.draw(into or directory, picture)}")


def _study(study: str, changes: list[str], data: Path | None, name: str | None, seeds: str | None) -> StudySpec:
    from study import named_studies

    spec = named_studies.get(study)
    overrides: dict[str, Any] = _dataset(data, spec.base, "base.")
    if name is not None:
        overrides["name"] = name
    if seeds is not None:
        try:
            overrides["seeds"] = [int(seed) for seed in seeds.split(",")]
        except ValueError:
            raise InputError(f"--seeds expects whole numbers like 0,1,2, got {seeds!r}") from None
    return override(spec, {**overrides, **dict(map(parse, changes))})


def _dataset(data: Path | None, base: TrialConfig, prefix: str) -> dict[str, Any]:
    """The overrides that put a root in the place of a study's own data set."""
    if data is None:
        return {}
    from trainables import datasets

    name = datasets.recognized(data)
    options = base.dataset.options if name == base.dataset.name else {}
    return {f"{prefix}dataset": {"name": name, "root": str(data.absolute()), "options": options}}


def _train(config: TrialConfig, files: StudyFiles, label: str, role: Role = "row") -> RunRecord:
    from trainables import run as one_run

    record = files.finished(config.key)
    if record is None:
        files.retry(config.key)
        work = "validation of its checkpoint" if config.measures else f"{config.training.epochs} epochs"
        print(f"{label} {config.key}: {work}, log in {files.run(config.key) / 'train.log'}")
        record = one_run.run(config, files, label, lambda epoch: print(_line(epoch), flush=True), role)
    metrics = ", ".join(f"{name} {value:.2f}" for name, value in record.metrics.items() if name.startswith("mAP"))
    print(f"{label} {config.key}: {metrics}\n  record {files.records / config.key}.json")
    return record


def _line(epoch: Any) -> str:
    values = {**epoch.losses, **{k: v for k, v in epoch.metrics.items() if k.endswith("moderate")}}
    return f"  epoch {epoch.epoch}: " + ", ".join(f"{name} {value:.3g}" for name, value in values.items())


def _report(folders: list[Path], into: Path | None = None) -> None:
    from analysis.report import write

    print(f"report: {write(folders, into)}")


def _progress() -> Callable[[str, int, int], None]:
    """One line on standard error per step of making data, rewritten as it goes on a terminal."""
    live = sys.stderr.isatty()

    def say(what: str, done: int, total: int) -> None:
        if live or done == total:
            end = "\n" if done == total else ""
            print(f"{chr(13) if live else ''}{what}: {done} of {total} frames", end=end, file=sys.stderr, flush=True)

    return say


def main() -> NoReturn:
    """Run the command line; whatever ends it is said in one line, with an exit status that scripts can read."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # progress is read as it comes, also through a pipe
    try:
        status = app(standalone_mode=False)  # what a command exits with, without standalone mode comes back
        sys.exit(status if isinstance(status, int) else 0)
    except USAGE_ERROR as error:
        _end(error.format_message(), 2)
    except InputError as error:
        _end(str(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        _end("interrupted; what was finished is kept", 130)
    except OSError as error:
        _end(f"{error.filename or 'writing'}: {error.strerror or error}", 1)
    except RunFailedError as error:
        _end(str(error), 1)


def _end(message: str, status: int) -> NoReturn:
    if message:
        print(f"error: {message}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
