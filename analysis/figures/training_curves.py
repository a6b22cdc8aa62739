"""How training went: the detection loss, its terms, the distillation loss and the AP against the epoch, per row.

Thin lines are runs, a thick line is the mean over the seeds of a row. Every loss whose name begins with `kd_` is a
distillation term; they are weighted as they were added, so their sum is what distillation asked for.
"""

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import style
from analysis.results import Results
from analysis.wording import metric_title, metric_unit, missing_sentence

TITLE = "Training curves"
EMPTY = "No finished run of a fixed row has kept epochs."

ROWS = 8
"""Rows drawn at most: more colors cannot be told apart. The caption says how many are left out."""

DETECTION = "detection loss"
DISTILLATION = "distillation loss"
COLUMNS = ["row", "kind", "key", "seed", "quantity", "epoch", "value", "n", "missing", "rows_left_out", "metric"]
METHODS = ("teacher", "student")


def summarise(results: Results) -> pd.DataFrame:
    """Tidy rows (kind run or mean): quantity (detection loss, a loss term, distillation loss, metric), epoch, value."""
    places = results.places
    fixed = results.rows
    order = {
        run["row"]: (METHODS.index(run["method"]) if run["method"] in METHODS else 2, places.get(run["label"], 0))
        for run in fixed[["row", "method", "label"]].to_dict("records")
    }
    finished = fixed[(fixed["status"] == "finished") & fixed["key"].isin(results.epochs["key"])]
    rows = sorted(finished["row"].unique(), key=lambda row: (*order[row], row))
    shown = finished[finished["row"].isin(rows[:ROWS])]
    curves = _quantities(results.epochs[results.epochs["key"].isin(shown["key"])], results.metric)
    if curves.empty:
        return pd.DataFrame(columns=COLUMNS)
    curves = curves.merge(shown[["key", "row", "seed"]], on="key").assign(kind="run", n=1)
    means = curves.groupby(["row", "quantity", "epoch"], sort=False)["value"].agg(["mean", "count"]).reset_index()
    means = means.rename(columns={"mean": "value", "count": "n"}).assign(kind="mean")
    table = pd.concat([curves, means], ignore_index=True)
    lost = fixed[fixed["status"] != "finished"].groupby("row").size()
    table["missing"] = table["row"].map(lost).fillna(0).astype(int)
    table["rows_left_out"] = max(len(rows) - ROWS, 0)
    table["metric"] = results.metric
    quantities = list(dict.fromkeys(curves["quantity"]))
    at = table.assign(a=table["row"].map(rows.index), b=table["quantity"].map(quantities.index))
    at = at.sort_values(["b", "a", "kind", "seed", "key", "epoch"], kind="stable")
    return table.loc[at.index, COLUMNS].reset_index(drop=True)


def caption(summary: pd.DataFrame) -> str:
    """What is drawn, and how many runs are missing."""
    runs = summary.loc[summary["kind"] == "run", "key"].nunique()
    missing = int(summary.drop_duplicates("row")["missing"].sum())
    left = int(summary["rows_left_out"].iloc[0])
    omitted = f" {left} more rows are in the table of all runs only." if left else ""
    return (
        "Thin lines are single runs, thick lines the mean over a row's seeds. The detection loss is the detector's "
        "own, without distillation; the distillation loss is the weighted sum that is added to it. "
        f"{missing_sentence(missing, runs + missing)}{omitted}"
    )


def draw(summary: pd.DataFrame) -> Figure:
    """One panel per quantity, three in a line."""
    quantities = list(dict.fromkeys(summary["quantity"]))
    rows = list(dict.fromkeys(summary["row"]))
    colors = dict(zip(rows, style.CYCLE, strict=False))
    metric = summary["metric"].iloc[0]
    columns = min(3, len(quantities))
    lines = math.ceil(len(quantities) / columns)
    with style.applied():
        figure = Figure(figsize=(style.PAGE_WIDTH, 0.6 + 1.9 * lines), layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False, sharex=True)
        for quantity, axes in zip(quantities, grid.flat, strict=False):
            _draw_panel(axes, summary[summary["quantity"] == quantity], colors)
            axes.set_title(metric_title(quantity))
            axes.set_ylabel(metric_unit(metric) or metric if quantity == metric else "loss, mean of epoch")
        for axes in list(grid.flat)[len(quantities) :]:
            axes.remove()
        handles: dict[str, Any] = {}
        for axes in figure.axes:
            handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        ordered = {row: handles[row] for row in rows if row in handles}
        figure.legend(ordered.values(), ordered.keys(), loc="outside lower center", ncols=min(len(ordered), 4))
    return figure


def _quantities(epochs: pd.DataFrame, metric: str) -> pd.DataFrame:
    losses = [name for name in epochs.columns if name.startswith("losses.") and epochs[name].notna().any()]
    terms = [name.removeprefix("losses.") for name in losses]
    distillation = [f"losses.{term}" for term in terms if term.startswith("kd_")]
    own = [f"losses.{term}" for term in terms if "loss" in term and term != "loss" and not term.startswith("kd_")]
    values: dict[str, pd.Series] = {}
    if own:
        values[DETECTION] = epochs[own].sum(axis=1, min_count=1)
        values |= {name.removeprefix("losses."): epochs[name] for name in own if len(own) > 1}
    elif "losses.loss" in losses:
        values[DETECTION] = epochs["losses.loss"] - epochs[distillation].sum(axis=1)
    if distillation:
        values[DISTILLATION] = epochs[distillation].sum(axis=1, min_count=1)
    if f"metrics.{metric}" in epochs:
        values[metric] = epochs[f"metrics.{metric}"]
    parts: list[Any] = [
        epochs[["key", "epoch"]].assign(quantity=name, value=series).dropna(subset=["value"])
        for name, series in values.items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _draw_panel(axes: Axes, panel: pd.DataFrame, colors: dict[str, str]) -> None:
    for row, of_row in panel.groupby("row", sort=False):
        runs = of_row[of_row["kind"] == "run"]
        if runs["key"].nunique() > 1:
            for _, run in runs.groupby("key"):
                axes.plot(run["epoch"], run["value"], color=colors[str(row)], linewidth=0.5, alpha=0.55)
        mean = of_row[of_row["kind"] == "mean"].sort_values("epoch")
        axes.plot(
            mean["epoch"], mean["value"], color=colors[str(row)], linewidth=1.5, marker=".", markersize=4, label=row
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_xlabel("epoch")
    axes.tick_params(labelbottom=True)
