"""How training went: the detection loss, its terms, the distillation loss and the study's metric against the epoch.

Thin lines are runs, a thick line is the mean over the seeds of a row. Terms of distillation are weighted as they were
added, so their sum is what distillation asked for.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis import style
from analysis.results import Results
from analysis.step_costs import DISTILLATION
from analysis.wording import capital, missing_sentence
from study.nouns.config import UNDISTILLED

TITLE = "Training curves"
EMPTY = "No finished run of a fixed row has kept epochs."

ROWS = 8
"""Rows drawn at most: more colors cannot be told apart. The caption says how many are left out."""

COLUMNS = ["row", "kind", "key", "seed", "quantity", "axis", "epoch", "value", "n", "missing", "rows_left_out"]


class Quantity(NamedTuple):
    """One panel: what it shows, the label of its axis, and a value per epoch of every run."""

    title: str
    axis: str
    values: pd.Series


def summarize(results: Results) -> pd.DataFrame:
    """Tidy rows (kind run or mean): quantity (detection loss, a loss term, distillation loss, metric), epoch, value."""
    places = results.places
    fixed = results.rows
    order = {
        run["row"]: (
            UNDISTILLED.index(run["method"]) if run["method"] in UNDISTILLED else 2,
            places.get(run["label"], 0),
        )
        for run in fixed[["row", "method", "label"]].to_dict("records")
    }
    finished = fixed[(fixed["status"] == "finished") & fixed["key"].isin(results.epochs["key"])]
    rows = sorted(finished["row"].unique(), key=lambda row: (*order[row], row))
    shown = finished[finished["row"].isin(rows[:ROWS])]
    epochs = results.epochs[results.epochs["key"].isin(shown["key"])]
    parts = [
        epochs[["key", "epoch"]].assign(quantity=one.title, axis=one.axis, value=one.values).dropna(subset=["value"])
        for one in [*_losses(epochs), *_metrics(results, epochs)]
    ]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    curves = pd.concat(parts, ignore_index=True).merge(shown[["key", "row", "seed"]], on="key").assign(kind="run", n=1)
    by = ["row", "quantity", "axis", "epoch"]
    means = curves.groupby(by, sort=False)["value"].agg(["mean", "count"]).reset_index()
    means = means.rename(columns={"mean": "value", "count": "n"}).assign(kind="mean")
    table = pd.concat([curves, means], ignore_index=True)
    lost = fixed[fixed["status"] != "finished"].groupby("row").size()
    table["missing"] = table["row"].map(lost).fillna(0).astype(int)
    table["rows_left_out"] = max(len(rows) - ROWS, 0)
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


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """One panel per quantity."""
    quantities = list(dict.fromkeys(summary["quantity"]))
    rows = list(dict.fromkeys(summary["row"]))
    looks = dict(zip(rows, style.CYCLE, strict=False))
    with style.applied():
        figure = Figure(figsize=(width, 1), layout="constrained")
        panels = style.panels(figure, [1.9] * len(quantities), min(2.2, width / 2))
        for quantity, axes in zip(quantities, panels, strict=True):
            panel = summary[summary["quantity"] == quantity]
            _draw_panel(axes, panel, looks)
            axes.set_title(quantity)
            axes.set_ylabel(panel["axis"].iloc[0])
        style.legend_below(figure, 4, rows)
    return figure


def _losses(epochs: pd.DataFrame) -> Iterator[Quantity]:
    losses = [name for name in epochs.columns if name.startswith("losses.") and epochs[name].notna().any()]
    distillation = [name for name in losses if name.startswith(DISTILLATION)]
    own = [name for name in losses if "loss" in name.removeprefix("losses.") and name not in distillation]
    own = [name for name in own if name != "losses.loss"]
    axis = "loss, mean of epoch"
    if own:
        yield Quantity("detection loss", axis, epochs[own].sum(axis=1, min_count=1))
        for name in own if len(own) > 1 else []:
            yield Quantity(name.removeprefix("losses."), axis, epochs[name])
    elif "losses.loss" in losses:
        yield Quantity("detection loss", axis, epochs["losses.loss"] - epochs[distillation].sum(axis=1))
    if distillation:
        yield Quantity("distillation loss", axis, epochs[distillation].sum(axis=1, min_count=1))


def _metrics(results: Results, epochs: pd.DataFrame) -> Iterator[Quantity]:
    for metric in (part.metric for part in results.by_metric):
        if f"metrics.{metric.name}" in epochs:
            yield Quantity(capital(metric.title), metric.unit or metric.title, epochs[f"metrics.{metric.name}"])


def _draw_panel(axes: Axes, panel: pd.DataFrame, looks: dict[str, tuple[str, str]]) -> None:
    for row, of_row in panel.groupby("row", sort=False):
        color, marker = looks[str(row)]
        runs = of_row[of_row["kind"] == "run"]
        if runs["key"].nunique() > 1:
            axes.plot(*_with_gaps(runs), color=color, linewidth=0.5, alpha=0.55)
        mean = of_row[of_row["kind"] == "mean"].sort_values("epoch")
        look: dict[str, Any] = {"marker": marker, "markersize": 4, "markevery": max(1, len(mean) // 8)}
        axes.plot(mean["epoch"], mean["value"], color=color, linewidth=1.4, label=row, **look)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")


def _with_gaps(runs: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Epochs and values of runs one after another, apart by a NaN: one line is drawn much faster than hundreds."""
    ordered = runs.sort_values(["key", "epoch"])
    starts = np.flatnonzero(ordered["key"].ne(ordered["key"].shift()))[1:]
    epochs, values = (np.insert(ordered[name].to_numpy(float), starts, np.nan) for name in ("epoch", "value"))
    return epochs, values
