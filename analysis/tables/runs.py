"""Every run, one row each: what it was, what it gave, what it cost, and why it failed where it did."""

import pandas as pd

from analysis.not_run import NOT_RUN
from analysis.results import Results
from analysis.wording import PARAMETERS, mark, metric_title, missing_sentence, number, short

TITLE = "All runs"
EMPTY = "No run has been recorded yet."

HEAD = ["study", "key", "label", "method", "seed", "detector", "compression", "dataset", "status", "epochs_done"]
TAIL = ["seconds", "peak_memory_mb", "host", "device", "started", "commit", "error"]
STATUS = {"finished": "finished", "failed": "failed", NOT_RUN: "not run"}


def summarise(results: Results) -> pd.DataFrame:
    """Identity, parameters, final metrics (AP40 in percent), facts and cost (s, MB) of every run."""
    runs = results.runs
    middle = [name for name in runs.columns if name.startswith(("parameters.", "metrics.", "facts."))]
    first = f"metrics.{results.metric}"
    middle.sort(key=lambda name: (name.partition(".")[0] != "parameters", name != first, name))
    table = runs[[*HEAD, *middle, *TAIL]].copy()
    table["missing"] = (runs["status"] != "finished").astype(int)
    return table


def caption(summary: pd.DataFrame) -> str:
    """How many runs there are, and how many are missing."""
    return "Metrics are AP40 in percent. " + missing_sentence(int(summary["missing"].sum()), len(summary))


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """The columns that tell runs apart; the CSV file holds all of them."""
    parameters = [name for name in summary.columns if name.startswith("parameters.")]
    varied = [name for name in parameters if summary[name].dropna().map(short).nunique() > 1]
    order = [f"parameters.{name}" for name in PARAMETERS]
    varied.sort(key=lambda name: order.index(name) if name in order else len(order))
    metrics = [name for name in summary.columns if name.startswith("metrics.mAP/") and name.endswith("/moderate")]
    table = summary[["key", "label", "seed", "status"]].astype(str)
    table["status"] = table["status"].map(STATUS)
    for name in varied:
        plain = name.removeprefix("parameters.")
        table[PARAMETERS.get(plain, plain)] = summary[name].map(mark if plain in ("local", "reweight") else short)
    for name in metrics:
        table[metric_title(name.removeprefix("metrics."))] = summary[name].map(number)
    table["Seconds"] = summary["seconds"].map(lambda seconds: number(seconds, 0))
    return table.rename(columns={"key": "Key", "label": "Row", "seed": "Seed", "status": "Status"})
