"""How runs are called in tables and figures: the label of their row, made to name one thing only."""

from collections import Counter

import pandas as pd

ROWS = ("teacher", "row", "confirmation")
"""Roles of runs that stand in tables: nothing that was tried in order to choose."""


def row_names(runs: pd.DataFrame) -> pd.Series:
    """The label of the variant's first run; with its detector, or its own digest, where that names two things.

    Runs of a search are `search`, those that chose a row's weight `tuning of` that row.

    Args:
        runs: with the columns study, label, role, seed, variant, detector and compression.
    """
    asked = runs[runs["role"].isin(ROWS)]
    first = asked.sort_values(["study", "seed"], kind="stable").drop_duplicates("variant").to_dict("records")
    names = {run["variant"]: str(run["label"]) for run in first}
    endings = (
        {run["variant"]: f" ({run['detector']} {run['compression']:g}x)" for run in first},
        {run["variant"]: f" [{run['variant'][:6]}]" for run in first},
    )
    for ending in endings:
        count = Counter(names.values())
        names |= {variant: name + ending[variant] for variant, name in names.items() if count[name] > 1}
    named = runs["variant"].map(names).astype(object)
    named = named.where(runs["role"] != "search", "search")
    return named.where(runs["role"] != "tuning", "tuning of " + runs["label"].astype(str))
