"""The runs behind the numbers, each to be opened: what differs from the base, results, curves, error, log, config.

Records are read again, one at a time, and only of as many runs as a page can carry.
"""

import html
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from analysis import page
from analysis.declarations import undeclared
from analysis.page.small_curve import curve
from analysis.results import Results
from analysis.wording import capital, count, number, short, with_unit
from study.nouns.metrics import Metric
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.run_in_words import differences, flat, said, tail
from study.nouns.spec import StudySpec

TITLE = "Every run in detail"
MOST_RUNS = 200
_FIRST = ("failed", "teacher", "row", "confirmation")
"""Status and roles of the runs that are shown first, where not all are."""


def shown(results: Results) -> pd.DataFrame:
    """The runs that have a record to show: failed ones, teachers and fixed rows before those of searches."""
    runs = results.runs[results.runs["key"].isin(results.files.keys())]
    kind = runs["role"].where(runs["status"] != "failed", "failed")
    order = kind.map({name: place for place, name in enumerate(_FIRST)}).fillna(len(_FIRST))
    return runs.loc[order.sort_values(kind="stable").index].head(MOST_RUNS)


def details(results: Results) -> str:
    """All that is shown, as HTML; empty where no run has left a record."""
    specs = {spec.name: spec for spec in results.specs}
    asked = {part.specs[0].name: part.metric for part in results.studies}
    runs = shown(results)
    parts = []
    for key, row, study in runs[["key", "row", "study"]].itertuples(index=False):
        files = results.files[key]
        if record := files.record(key):  # one that is being replaced by a run that goes on is in the next report
            parts.append(_run(row, record, specs[study], asked[study], files))
    if not parts:
        return ""
    recorded = int(results.runs["key"].isin(results.files.keys()).sum())
    left = f"{len(runs)} of {count(recorded, 'recorded run')}, failed ones, teachers and rows first; the others are in "
    said = page.note(f"{left}the CSV file of all runs, and in their folders.") if len(runs) < recorded else ""
    return said + "".join(parts)


def _run(row: str, record: RunRecord, spec: StudySpec, metric: Metric, files: StudyFiles) -> str:
    folder = files.run(record.key)
    reached = record.metrics.get(metric.name)
    result = f"{metric.title} {number(reached)}" if reached is not None else ""
    kind = ' class="failed"' if record.status == "failed" else ""
    head = f"<b>{html.escape(row)}</b><span>seed {record.config.seed}</span><span{kind}>{record.status}</span>"
    head += f"<span>{html.escape(result)}</span>" if result else ""
    body = page.note(record.error, True) if record.error else ""
    body += "<h3>What differs from the base run</h3>\n" + page.definitions(
        differences(record.config, record.label, spec)
    )
    curves = "".join(curve(title, points) for title, points in _curves(record, metric))
    body += f'<h3>Training</h3>\n<div class="curves">{curves}</div>\n' if curves else ""
    if record.metrics:
        body += _results(record)
    body += "<h3>What it took</h3>\n" + page.definitions(_facts(record, folder))
    values = flat(record.config.model_dump(mode="json"))
    body += page.folded("Config, as --set takes it", "\n".join(f"{key}={said(v)}" for key, v in values.items()))
    if log := tail(folder / "train.log"):
        body += page.folded(f"The last {count(log.count(chr(10)) + 1, 'line')} of its log", log)
    return f'<details class="run" id="run-{record.key}"><summary>{head}</summary>\n{body}</details>\n'


def _results(record: RunRecord) -> str:
    """Its metrics; a unit that all share is said once."""
    declared = {one.name: one for one in record.declared}
    known = [declared.get(name, undeclared(name)) for name in record.metrics]
    units = {metric.unit for metric in known}
    shared = units.pop() if len(units) == 1 else ""
    titles = [capital(metric.title if shared else with_unit(metric.title, metric.unit)) for metric in known]
    values = [number(value, 2) for value in record.metrics.values()]
    pairs = page.definitions(zip(titles, values, strict=True), "many")
    return f"<h3>{html.escape(with_unit('Results', shared))}</h3>\n{pairs}"


def _curves(record: RunRecord, metric: Metric) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    yield "loss, mean of epoch", [(e.epoch, e.losses["loss"]) for e in record.epochs if "loss" in e.losses]
    yield metric.title, [(e.epoch, e.metrics[metric.name]) for e in record.epochs if metric.name in e.metrics]


def _facts(record: RunRecord, folder: Path) -> Iterator[tuple[str, str]]:
    yield "Key and folder", f"{record.key}, {folder.parent.parent.name}/{folder.parent.name}/{folder.name}"
    yield "Epochs", str(len(record.epochs))
    yield "Seconds", number(record.seconds, 0)
    if record.peak_memory_mb > 0:
        yield "Peak memory", f"{record.peak_memory_mb:,.0f} MB"
    machine = ", ".join(filter(None, (record.host, record.device)))
    yield from ((name, value) for name, value in (("Machine", machine), ("Started", record.started)) if value)
    yield from ((name, short(value)) for name, value in record.facts.items())
