"""Every run, one row each: what it was, what it gave, what it cost, and why it failed where it did."""

import pandas as pd

from analysis import headings
from analysis.not_run import NOT_RUN
from analysis.results import Results
from analysis.wording import missing_sentence, number, short

TITLE = "All runs"
EMPTY = "No run has been recorded yet."

HEAD = ["study", "key", "label", "row", "role", "method", "seed", "detector", "compression", "dataset", "status"]
TAIL = ["epochs_done", "seconds", "devices", "peak_memory_mb", "host", "device", "started", "commit", "error"]
STATUS = {"finished": "finished", "failed": "failed", "pruned": "pruned", NOT_RUN: "not run"}


def summarize(results: Results) -> pd.DataFrame:
    """Identity, values, final metrics (in their units), facts and cost (s, MB) of every run.

    `attrs` holds the headings of the values and metrics that people see, by column.
    """
    runs = results.runs
    asked = [part.metric for part in results.by_metric]
    headlines = [metric for metric in results.metrics() if metric.headline]
    shown = {f"metrics.{metric.name}": headings.of_metric(metric) for metric in [*asked, *headlines]}
    values = headings.of_values(results, runs)
    middle = [name for name in runs.columns if name.startswith(("parameters.", "metrics.", "facts.")) or name in values]
    place = {name: at for at, name in enumerate([*values, *shown])}
    middle.sort(key=lambda name: (not name.startswith("parameters."), place.get(name, len(place)), name))
    table = runs[[*HEAD, *(name for name in middle if name not in HEAD), *TAIL]].copy()
    table["missing"] = (~runs["status"].isin(("finished", "pruned"))).astype(int)
    table.attrs = {"values": values, "metrics": {name: text for name, text in shown.items() if name in runs}}
    return table


def caption(summary: pd.DataFrame) -> str:
    """How many runs there are, and how many are missing."""
    return missing_sentence(int(summary["missing"].sum()), len(summary))


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """The columns that tell runs apart; the CSV file holds all of them."""
    values, metrics = summary.attrs["values"], summary.attrs["metrics"]
    parameters = [name for name in summary.columns if name.startswith("parameters.")]
    varied = [name for name in parameters if summary[name].dropna().map(short).nunique() > 1]
    table = summary[["key", "row", "seed", "status"]].astype(str)
    table["status"] = table["status"].map(STATUS)
    for name in varied:
        table[values.get(name, name.removeprefix("parameters."))] = summary[name].map(headings.value_text)
    for name, heading in metrics.items():
        table[heading] = summary[name].map(number)
    table["Seconds"] = summary["seconds"].map(lambda seconds: number(seconds, 0))
    return table.rename(columns={"key": "Key", "row": "Row", "seed": "Seed", "status": "Status"})
