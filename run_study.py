"""The command line: runs studies of knowledge distillation for LiDAR 3D detectors, and reports on them.

The only file that knows all rooms.
"""

import io
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before Ray is imported: nothing calls home

import typer

from study.command_line import cleaning, plan_command, printing, showing, status, stop
from study.command_line.asking import study_of
from study.command_line.ending import STATUSES, end
from study.command_line.options import (
    INSPECTED,
    AcceptWeak,
    Address,
    Anywhere,
    Data,
    Folders,
    Into,
    Json,
    Mirror,
    Results,
    Set,
    Simulated,
    Track,
)
from study.nouns.config import TrialConfig
from study.nouns.errors import ExitStatus, InputError
from study.nouns.overrides import override, parse
from study.nouns.promised import PlannedRun
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec
from study.planning.offered import Offered, Parameters

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=str(__doc__).partition("\n")[0],
    epilog=STATUSES,
)


@app.command(epilog=STATUSES)
def run(
    study: Annotated[str, typer.Argument(help="A study's name (see `list`), or a YAML file.")],
    set_: Set = [],  # noqa: B006  typer reads the default, nobody changes it
    data: Data = None,
    simulated: Simulated = False,
    results: Anywhere = Path("results"),
    name: Annotated[str | None, typer.Option(help="Keep the results under this name.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of every row, e.g. 0,1,2.")] = None,
    rows: Annotated[str, typer.Option(help="Run only these rows now, e.g. student,LD.")] = "",
    address: Address = "local",
    resume: Annotated[bool, typer.Option("--resume", help="Run only what is missing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the runs, start nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: print one JSON document.")] = False,
    accept_weak_teacher: AcceptWeak = False,
    mirror: Mirror = None,
    track: Track = [],  # noqa: B006
) -> None:
    """Run a study on Ray and write its report."""
    spec, offered, _ = _asked(study, set_, data, simulated, name, seeds)
    from study.planning.mirror import files_at, mirrored, readable
    from study.planning.plan import part_of
    from study.planning.preview import as_document, preview
    from study.planning.study_state import StudyState
    from trainables.datasets import ready

    files = files_at(results, spec.name)
    only = [label.strip() for label in rows.split(",")] if rows else []
    lines = list(preview(spec, offered, only))  # refuses what cannot be run before any data are made
    if dry_run:
        print(as_document(StudyState(part_of(spec, only), offered, readable(files))) if as_json else "\n".join(lines))
        return
    from study.driver.launch import launch

    with mirrored(files, mirror, print):
        ready.ensure(spec.base.dataset, files, printing.progress())
        outcome = launch(
            spec, offered=offered, files=files, address=address, resume=resume, force=accept_weak_teacher, only=only,
            track=track,
        )  # fmt: skip
    if outcome.finished or outcome.failed:
        from analysis.report_command import answer

        answer([readable(files, reports=True).root])
    if outcome.stopped:
        raise typer.Exit(ExitStatus.INTERRUPTED if outcome.stopped == "interrupted" else ExitStatus.STOPPED_EARLY)
    if outcome.failed:
        raise typer.Exit(ExitStatus.RUNS_FAILED)


@app.command()
def trial(
    set_: Set = [],  # noqa: B006
    data: Data = None,
    results: Results = Path("results"),
    name: Annotated[str, typer.Option(help="Study folder that keeps the record.")] = "trials",
    accept_weak_teacher: AcceptWeak = False,
) -> None:
    """Train one run in this process, without Ray; its teacher too where it is missing."""
    from study.command_line.in_this_process import train
    from study.planning.plan import teachers, too_weak
    from study.planning.same_study import only_driver
    from study.planning.single_runs import entered, refer
    from trainables import run as one_run
    from trainables.datasets import ready

    config = one_run.resolve(override(TrialConfig(), {**ready.given(data), **dict(map(parse, set_))}))
    files = StudyFiles(results, name)
    entered(config, files)  # refused before any data are made
    ready.ensure(config.dataset, files, printing.progress())
    with only_driver(files):
        label, runs = entered(config, files)
        row = PlannedRun(label=label, config=config)
        above = teachers([row], one_run.resolve) if config.distills else []
        refer(files, runs, [*above, row])
    for teacher in above:
        weak = too_weak(teacher.config, train(teacher, files, one_run))
        if weak and not accept_weak_teacher:
            raise InputError(weak)
    train(row, files, one_run)
    print(f"tables and figures: run_study.py report {results / name}")


@app.command()
def report(
    folders: Folders,
    into: Into = None,
    only: Annotated[str, typer.Option(help="Only the files of these tables and figures, e.g. ablation,gains.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Write it again as runs end, until all have.")] = False,
    every: Annotated[int, typer.Option(min=1, help="With --watch: seconds between two looks.")] = 15,
    as_json: Json = False,
) -> None:
    """Write tables and figures from the records of one or more studies."""
    from analysis.report_command import answer
    from study.command_line.reporting import to_report

    answer(to_report(folders, watch), into, as_json, [*filter(None, map(str.strip, only.split(",")))], watch, every)


@app.command()
def inspect(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A study's folder, e.g. results/quickstart.")],
    runs: Annotated[list[str], typer.Argument(metavar="[RUN]...", help=INSPECTED)] = [],  # noqa: B006
    frame: Annotated[str | None, typer.Option(help="To be drawn; by default the one with the most objects.")] = None,
) -> None:
    """Run finished detectors over their validation split once more, for figures of voxels and detections."""
    from study.planning.inspectable import chosen

    files = StudyFiles(folder.absolute().parent, folder.absolute().name)
    records = chosen(files, runs)  # what is wrong is said before torch is imported
    from trainables.training import inspecting

    inspecting.inspect(records, files, lambda *found: print(printing.inspected(*found)), frame)
    print(f"figures: run_study.py report {folder}")


app.command()(showing.show)
app.command()(cleaning.clean)


@app.command(name="list")
def list_(
    as_json: Json = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of a study's YAML file.")] = False,
) -> None:
    """Studies, detectors, methods, data sets, metrics, tables and figures."""
    if schema:
        print(json.dumps(StudySpec.model_json_schema(), indent=1))
        return
    from analysis import listing
    from study import named_studies as studies
    from trainables import datasets, detectors, distillers

    content = {
        "studies": [{"name": name, "description": study().question} for name, study in studies.STUDIES.items()],
        "detectors": detectors.describe(),
        "methods": distillers.describe(),
        "data sets": datasets.describe(),
        "metrics": datasets.describe_metrics(),
        "tables": [{"name": name, "description": table.TITLE} for name, table in listing.tables().items()],
        "figures": [{"name": name, "description": figure.TITLE} for name, figure in listing.figures().items()],
    }
    if as_json:
        print(json.dumps(content, indent=1))
        return
    printing.offers(content)


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
        for ratio in cost_table.compressions(name, families.load(name).sizes):
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
    data_set.prepare(directory, options, into=into, progress=printing.progress())
    data_set.check(into or directory, deep=True)
    print(data_set.report(into or directory, options, compare))
    if picture is not None:
        print(f"picture: {data_set.draw(into or directory, picture)}")


app.command()(status.status)
app.command()(stop.stop)


@app.command()
def doctor(
    address: Address = "local", data: Data = None, results: Anywhere = Path("results"), as_json: Json = False
) -> None:
    """Check this machine, and with an address every node: devices, operators, versions, results, clock, memory."""
    from study.command_line.doctor import tell
    from study.driver.examining import examine
    from trainables.training.probing import probe

    tell(examine(probe, address, data, results), as_json)


def _asked(
    study: str, changes: list[str], data: Path | None, simulated: bool, name: str | None, seeds: str | None
) -> tuple[StudySpec, Offered, Parameters]:
    from study import named_studies
    from trainables import datasets
    from trainables.datasets import ready

    given = ready.given(data, named_studies.get(study).base.dataset.name if simulated else None)
    spec = study_of(study, changes, given, name, seeds, lambda name: datasets.load(name).made)
    from trainables import run as one_run  # which takes a while: what is wrong was said before
    from trainables.costs.measuring import parameters_m

    return spec, Offered(*(getattr(one_run, name) for name in Offered._fields)), parameters_m


app.command()(plan_command.plan_of(_asked))


def main() -> NoReturn:
    """Run the command line; whatever ends it is said in one line, with an exit status that scripts can read."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # progress is read as it comes, also through a pipe
    try:
        status = app(standalone_mode=False)  # what a command exits with, without standalone mode comes back
        if status == ExitStatus.INTERRUPTED:  # typer makes it of every Ctrl-C, without a word
            raise KeyboardInterrupt
        sys.exit(status if isinstance(status, int) else 0)
    except (Exception, KeyboardInterrupt) as error:
        end(error)


if __name__ == "__main__":
    main()
