"""`show`: what one run is, what it gave and took, and where its files lie."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from study.command_line.options import Json, Results
from study.nouns.errors import InputError
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.run_in_words import differences, tail
from study.nouns.sizes import size_of, spelled
from study.planning.mirror import as_it_is_now
from study.planning.one_run import FoundRun, find
from study.planning.studies_below import EVERY, of_folder, studies_below


def show(
    named: Annotated[
        list[str],
        typer.Argument(metavar="[DIR] KEY", help="A study's folder, or URL, and the beginning of a key."),
    ],
    results: Results = Path("results"),
    as_json: Json = False,
) -> None:
    """Show one run: what it is, its results and cost, its files, the end of its log."""
    if len(named) > 2:
        raise InputError(f"expected a study's folder and the beginning of one key, got {len(named)} arguments")
    if len(named) == 2:
        files = as_it_is_now(named[0]) if "://" in named[0] else of_folder(Path(named[0]))
        found = find([files], named[1])
        files.fetch([found.key])
    else:
        found = find(studies_below(results), named[0], StudyFiles(results, EVERY))
    print(json.dumps(document(found), indent=1) if as_json else "\n".join(lines(found)))


def document(found: FoundRun) -> dict[str, object]:
    """The record and the state of a run; of one without a record, what was planned."""
    if found.record is not None:
        return {**found.record.model_dump(mode="json"), "state": found.state}
    planned = found.planned.model_dump(mode="json", include={"label", "role", "config"}) if found.planned else {}
    return {"key": found.key, "state": found.state, **planned}


def lines(found: FoundRun) -> Iterator[str]:
    """What people read."""
    named, record, folder = found.planned or found.record, found.record, found.files.run(found.key)
    seed = f", seed {found.config.seed}" if found.config else ""
    yield f"{found.key}  {named.label} ({named.role}){seed}" if named else found.key
    yield f"state    {found.state}"
    if record is not None and record.error:
        yield f"error    {record.error}"
    if found.config is not None and named is not None:
        spec = found.files.read_study()
        if spec is not None:
            yield f"study    {spec.name}; what differs from its base:"
            yield from (f"  {key} = {value}" for key, value in differences(found.config, named.label, spec))
        yield f"epochs   {_epochs(found)} of {found.config.training.epochs}"
    if record is not None:
        yield from _gave(record)
    if not folder.is_dir():
        return
    yield f"files    in {folder}"
    yield from (f"  {path.name:18} {spelled(size_of(path)):>9}  {_time(path)}" for path in _files(folder))
    if log := tail(folder / "train.log"):
        yield "log      its last lines:"
        yield from (f"  {line}" for line in log.splitlines())
    else:
        yield "log      none of its own; runs that train together write into that of the first of them"


def _epochs(found: FoundRun) -> str:
    if found.record is not None and found.record.epochs:
        return str(found.record.epochs[-1].epoch)
    latest = found.files.latest(found.key)
    return f"some (last checkpoint {_time(latest)})" if latest.exists() else "0"


def _gave(record: RunRecord) -> Iterator[str]:
    """Results, headlines first and others in the JSON only; what the run took; where it ran."""
    headlines = [metric.name for metric in record.declared if metric.headline and metric.name in record.metrics]
    shown = headlines or list(record.metrics)
    if shown:
        left = len(record.metrics) - len(shown)
        yield "metrics" + (f"  ({left} more with --json)" if left else "")
        titles = {metric.name: metric.unit for metric in record.declared}
        yield from (f"  {name} {record.metrics[name]:.2f} {titles.get(name, '')}".rstrip() for name in shown)
    shared = [epoch.shared_seconds for epoch in record.epochs if epoch.shared_seconds is not None]
    divided = f" ({sum(shared):,.0f} s with what runs of its cohort shared)" if shared else ""
    memory = f", {record.peak_memory_mb:,.0f} MB at most" if record.peak_memory_mb else ""
    yield f"cost     {record.seconds:,.0f} s alone{divided}{memory}"
    facts = {name: value for name, value in record.facts.items() if not name.startswith("teacher/")}
    yield from (f"  {name} {value:g}" for name, value in facts.items())
    machine = ", ".join(filter(None, (record.host, record.device, record.started, record.commit)))
    if machine:
        yield f"host     {machine}"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _time(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
