"""How the methods compare: teacher, student without distillation, and every method with its tuned weight (Table 3).

One row per variant and block of metrics, in every setting in which at least two methods were run. Costs are measured in
training, against the student without distillation: how long a run would take by itself, how long it took here, where it
may have shared batches and teacher with others, and the peak memory of runs that had a process to themselves. The ratio
of losses weighs them against each other at the end of training.
"""

from typing import Any

import pandas as pd

from analysis import declared_table as show
from analysis.best_rows import with_best
from analysis.published import AUTHORS
from analysis.results import Results
from analysis.step_costs import relative_cost, training_costs
from analysis.variants import variant_frame
from analysis.wording import DASH, number, short
from study.nouns.config import UNDISTILLED

TITLE = "How the methods compare"
EMPTY = "No setting holds fixed rows of two distillation methods."

WEIGHT = "parameters.weight"
"""What tuning chooses (`study/nouns/spec.py`); of the student it is the learning rate."""


def summarize(results: Results) -> pd.DataFrame:
    """Spreads of the metrics and of the paired gain, the tuned weight, the costs, the paper's values."""
    frame = variant_frame(results)
    others = frame[~frame["method"].isin(UNDISTILLED)]
    several = frame["setting"].map(others.groupby("setting")["method"].nunique()).fillna(0) > 1
    frame = frame[several].reset_index(drop=True)
    if frame.empty:
        return frame
    costs, rows = training_costs(results.epochs), results.rows
    student = rows[(rows["method"] == "student") & (rows["status"] == "finished")]
    extras = []
    for setting, variant in zip(frame["setting"], frame["variant"], strict=True):
        own = rows[rows["variant"] == variant]
        cost = relative_cost(own, student[student["setting"] == setting], costs)
        extras.append((_weight(own, results) if len(own) else {}) | cost)
    whole = pd.concat([frame, pd.DataFrame(extras)], axis=1)
    whole.attrs = frame.attrs
    return with_best(whole)


def caption(summary: pd.DataFrame) -> str:
    """How to read the table, and how many runs are missing."""
    tuned = summary["tuning_runs"].gt(0).any()
    apart = summary["chosen_on"].max()
    where = f"a part ({apart:.0%}) of the training split that they left out" if apart else "the results' own frames"
    choice = (
        f"Weights were chosen on {where}, in runs on seeds of their own that count for nothing else; × default is the "
        "weight against the method's own, of the student the learning rate against its own. "
    )
    costs = (
        "Times and peak memory are relative to that student's by itself: of the run alone, and of its part here, where "
        "batches and the teacher's pass may have served several; runs that share a machine disturb each other's. "
    )
    return show.results_caption(summary, ["setting", "variant"], f"{choice if tuned else ''}{costs}")


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows as texts; a cell whose runs failed, or were not run, says so."""
    tail: list[show.Column] = []
    if summary["tuning_runs"].add(summary["tuning_missing"]).gt(0).any():
        tail += [
            show.Column("Weight", _chosen),
            show.Column("× default", lambda row: short(row["weight_ratio"])),
            show.Column("Tuning runs", _tries),
        ]
    tail += [
        show.Column("Distillation / detection loss", lambda row: number(row["loss_ratio"], 2)),
        show.Column("Time alone", lambda row: _times(row["alone_ratio"])),
        show.Column("Time here", lambda row: _times(row["here_ratio"])),
        show.Column("Peak memory", lambda row: _times(row["memory_ratio"])),
        show.Column("In the paper", lambda row: AUTHORS.get(row["method"], DASH)),
    ]
    return show.of_variants(summary, [*show.setting_columns(summary), show.row_column()], tail=tail)


def _weight(variant: pd.DataFrame, results: Results) -> dict[str, float]:
    """The weight of a row, against the one that tuning started from, and how many tuning runs have a result."""
    first, nan = variant.iloc[0], float("nan")
    spec = next((spec for spec in results.specs if spec.name == first["study"]), None)
    point = next((point for point in spec.points if point.label == first["label"]), None) if spec else None
    start = point.tune[1] if point is not None and isinstance(point.tune, tuple) else nan
    weight = first.get(WEIGHT, nan)
    if first["method"] == "student" and not pd.isna(start):
        weight = start if pd.isna(first["learning_rate"]) else first["learning_rate"]
    weight = float(weight)
    tries = results.runs[(results.runs["role"] == "tuning") & (results.runs["label"] == first["label"])]
    tries = tries[tries["study"] == first["study"]]
    done = int(tries["status"].isin(("finished", "pruned")).sum())
    return {
        "weight": weight, "weight_ratio": weight / start, "tuning_runs": done, "tuning_missing": len(tries) - done,
        "chosen_on": spec.choose_on if spec else 0.0,
    }  # fmt: skip


def _chosen(row: dict[str, Any]) -> str:
    told = short(row["weight"])
    return f"learning rate {told}" if row["method"] == "student" and told != DASH else told


def _tries(row: dict[str, Any]) -> str:
    tries = row["tuning_runs"] + row["tuning_missing"]
    return f"{row['tuning_runs']:.0f} of {tries:.0f}" if tries > 0 else DASH


def _times(ratio: float) -> str:
    return DASH if pd.isna(ratio) else f"{number(ratio, 2)} ×"
