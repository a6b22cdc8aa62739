"""Where the numbers come from: commits, versions, machines, seeds, device time, teachers."""

import pandas as pd

from analysis.results import Results, teachers
from analysis.wording import DASH, metric_title, number


def facts(results: Results) -> list[tuple[str, str]]:
    """Name and value of every fact, in reading order."""
    runs = results.runs
    seconds = float(pd.to_numeric(runs["seconds"]).fillna(0).sum())
    found = [
        ("Studies", _listed(pd.Series([spec.name for spec in results.specs]))),
        ("Commit", _listed(runs["commit"])),
        ("Seeds", _listed(runs["seed"])),
        ("Machines", _listed(runs["host"])),
        ("Devices", _listed(runs["device"])),
        ("Device time of all runs", f"{seconds / 3600:.2f} h ({seconds:,.0f} s), failed runs and teachers included"),
        ("Peak memory of a run", _peak(runs)),
        ("First and last start", _period(runs["started"])),
        ("Versions", _versions(runs)),
    ]
    for teacher in teachers(runs).to_dict("records"):
        score = number(teacher.get(f"metrics.{results.metric}"))
        found.append(("Teacher", f"{teacher['key']}, {metric_title(results.metric)} {score}"))
    return found


def _listed(values: pd.Series) -> str:
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
    return "; ".join(f"{column.removeprefix('versions.')} {_listed(runs[column])}" for column in columns) or DASH
