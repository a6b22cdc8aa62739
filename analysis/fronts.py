"""What a search was judged by: its objectives and bounds as columns of its runs, and the front of several objectives.

A run is on the front where no other is as good in every objective and better in one. A run beyond a bound is neither on
the front nor best, whatever it reaches.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.declarations import undeclared
from analysis.results import Results
from analysis.wording import listed, short
from study.nouns.metrics import COSTS, Metric


class Judged(NamedTuple):
    """The runs of one study's search.

    Attributes:
        objectives: what they are compared by, the first one first.
        bounds: what they must keep to, in words; empty where nothing is bounded.
        runs: those with a result, with two columns more: `within` all bounds, and on the `front`.
        pruned: how many were ended early.
        missing: how many have no result for another reason.
    """

    objectives: tuple[Metric, ...]
    bounds: str
    runs: pd.DataFrame
    pruned: int
    missing: int


def judged(study: Results) -> Judged:
    """The runs that a study's search made; those that a fixed row answers are the row's."""
    search = study.specs[0].search
    names = search.objectives if search is not None and search.objectives else (study.metric.name,)
    objectives = tuple(_metric(study, name) for name in names)
    bounds = [(_metric(study, name), bound) for name, bound in (search.constraints if search else {}).items()]
    asked = study.runs[study.runs["role"] == "search"]
    needed = [column_of(metric) for metric in [*objectives, *(metric for metric, _ in bounds)]]
    known = asked.reindex(columns=[*asked.columns, *(name for name in needed if name not in asked)])
    scored = known[(known["status"] == "finished") & known[needed].notna().all(axis=1)]
    within = pd.Series(True, index=scored.index)
    for metric, bound in bounds:
        within &= metric.sign * (scored[column_of(metric)].astype(float) - bound) >= 0
    front = pd.Series(False, index=scored.index)
    front[within] = on_front(scored[within], objectives)
    said = [f"{metric.title} at {'least' if metric.direction == 'max' else 'most'} {short(b)}" for metric, b in bounds]
    pruned = int((asked["status"] == "pruned").sum())
    runs = scored.assign(within=within, front=front)
    return Judged(objectives, listed(said), runs, pruned, len(asked) - len(scored) - pruned)


def on_front(runs: pd.DataFrame, objectives: Sequence[Metric]) -> NDArray[np.bool_]:
    """Which runs no other run beats."""
    columns = [metric.sign * runs[column_of(metric)].to_numpy(float) for metric in objectives]
    values = np.stack(columns, axis=1)
    beaten = [bool(((values >= one).all(axis=1) & (values > one).any(axis=1)).any()) for one in values]
    return ~np.array(beaten, dtype=bool)


def column_of(metric: Metric) -> str:
    """The column of the runs that holds a metric, or a cost."""
    return f"{'facts' if metric in COSTS else 'metrics'}.{metric.name}"


def _metric(study: Results, name: str) -> Metric:
    return next((metric for metric in [*study.metrics(), *COSTS] if metric.name == name), undeclared(name))
