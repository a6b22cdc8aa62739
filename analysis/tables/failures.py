"""The runs whose results do not count, each with its reason."""

import pandas as pd

from analysis.not_run import NOT_RUN
from analysis.results import Results

TITLE = "Runs that did not finish"
EMPTY = "Every run finished."

COLUMNS = ["study", "key", "row", "role", "seed", "status", "epochs_done", "host", "error"]
REASONS = {
    "failed": "failed without a message",
    NOT_RUN: "no record yet: interrupted, or still to run",
}


def summarize(results: Results) -> pd.DataFrame:
    """One row per failed or missing run. One that was pruned did what it was asked to."""
    table = results.runs.loc[~results.runs["status"].isin(("finished", "pruned")), COLUMNS].reset_index(drop=True)
    table["error"] = table["error"].astype(object).where(table["error"].notna(), table["status"].map(REASONS))
    return table.assign(missing=1)


def caption(summary: pd.DataFrame) -> str:
    """How many, by status."""
    counts = summary["status"].value_counts(sort=False).sort_index()
    listed = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items())
    return f"{len(summary)} missing: {listed}."


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """As it is, in words."""
    table = summary[["key", "row", "seed", "status", "epochs_done", "error"]].copy()
    table["status"] = table["status"].str.replace("_", " ")
    table["epochs_done"] = table["epochs_done"].fillna(0).astype(int)
    table.columns = pd.Index(["Key", "Row", "Seed", "Status", "Epochs done", "Reason"])
    return table
