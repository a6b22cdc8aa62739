"""Where the numbers come from: commits, versions, machines, seeds, device time, teachers."""

from collections.abc import Iterator

import pandas as pd

from analysis.results import Results
from analysis.teachers import all_teachers
from analysis.wording import DASH, count, listed, number, with_unit

FEW = 5
"""Seeds and commits that a caption names one by one."""


def origins(results: Results) -> list[tuple[str, str]]:
    """Name and value of every fact, in reading order."""
    runs = results.runs
    return [
        ("Studies", _known(pd.Series([spec.name for spec in results.specs]))),
        ("Commit", _known(runs["commit"])),
        ("Seeds", _known(runs["seed"])),
        ("Machines", _known(runs["host"])),
        ("Devices", _known(runs["device"])),
        ("Device time of all runs", _device_time(results)),
        ("Peak memory of a run", _peak(runs)),
        ("First and last start", _period(runs["started"])),
        ("Versions", _versions(runs)),
        *_teachers(results),
    ]


def source(results: Results) -> str:
    """Where the numbers of a table or figure come from, in one sentence for its caption."""
    runs = results.finished
    if runs.empty:
        return ""
    seeds = [str(seed) for seed in sorted(runs["seed"].dropna().astype(int).unique())]
    commits = sorted(str(commit)[:8] for commit in runs["commit"].dropna().unique() if commit)
    which = listed(seeds) if len(seeds) <= FEW else f"{seeds[0]} to {seeds[-1]}"
    by = f"seed{'' if len(seeds) == 1 else 's'} {which}"
    if commits:
        by += f", commit {listed(commits)}" if len(commits) <= FEW else f", {len(commits)} commits"
    return (
        f"From {count(len(runs), 'finished run')} of {listed([spec.name for spec in results.specs])} on "
        f"{listed(sorted(runs['dataset'].unique()))} data, {by}."
    )


def device_seconds(results: Results) -> tuple[float, float]:
    """Seconds times devices: of the runs (failed ones and teachers included), and of attempts that were repeated."""
    seconds = [
        pd.to_numeric(part["seconds"]) * pd.to_numeric(part["devices"]) for part in (results.runs, results.retried)
    ]
    return float(seconds[0].sum()), float(seconds[1].sum())


def _device_time(results: Results) -> str:
    own, lost = device_seconds(results)
    attempts = len(results.retried)
    again = f", {lost:,.0f} s of them in {attempts} failed attempts that were repeated" if attempts else ""
    return (
        f"{(own + lost) / 3600:.2f} h ({own + lost:,.0f} s), every device of a run counted, failed runs and teachers "
        f"included{again}"
    )


def _teachers(results: Results) -> Iterator[tuple[str, str]]:
    found = all_teachers(results.runs)
    for teacher in found[found["status"] == "finished"].to_dict("records"):
        for metric in (part.metric for part in results.by_metric):
            score = number(teacher.get(f"metrics.{metric.name}"))
            yield "Teacher", f"{teacher['key']}, {with_unit(metric.title, metric.unit)} {score}"


def _known(values: pd.Series) -> str:
    known = sorted({value for value in values.dropna() if value != ""})
    return ", ".join(map(str, known)) or DASH


def _peak(runs: pd.DataFrame) -> str:
    peak = pd.to_numeric(runs["peak_memory_mb"]).max()
    return DASH if pd.isna(peak) or peak <= 0 else f"{peak:,.0f} MB"


def _period(started: pd.Series) -> str:
    known = sorted(value for value in started.dropna() if value)
    return f"{known[0]} to {known[-1]}" if known else DASH


def _versions(runs: pd.DataFrame) -> str:
    columns = sorted(column for column in runs.columns if column.startswith("versions."))
    return "; ".join(f"{column.removeprefix('versions.')} {_known(runs[column])}" for column in columns) or DASH
