"""How the methods compare: teacher, student without distillation, and every method with its tuned weight (Table 3).

One row per variant and task, in every setting in which at least two methods were run. Costs are measured in training:
the median duration of a step, without loading its batch, and the peak memory, both against the student without
distillation. The last column but the paper's weighs the losses against each other at the end of training.
"""

from typing import Any

import pandas as pd

from analysis.published import AUTHORS, LABEL
from analysis.results import Results
from analysis.variants import (
    APS,
    UNDISTILLED,
    cell,
    in_paper,
    interval,
    measured,
    runs_text,
    teachers_of,
)
from analysis.wording import DASH, TASKS, flag, missing_sentence, number, short

TITLE = "How the methods compare"
EMPTY = "No setting holds fixed rows of two distillation methods."

COLUMNS = ["setting", "detector", "compression", "dataset", "row", "label", "method", "task", "n", "missing"]


def summarise(results: Results) -> pd.DataFrame:
    """Spreads of the moderate APs (percent) and of the paired gain, the tuned weight, the costs, the paper's values."""
    costs = _costs(results)
    rows = []
    for _, setting in results.rows.groupby("setting", sort=False):
        if setting.loc[~setting["method"].isin(UNDISTILLED), "method"].nunique() < 2:
            continue
        above = teachers_of(results.runs, setting["family"].iloc[0])
        own = setting[setting["method"] != "teacher"]
        student = own[(own["method"] == "student") & (own["status"] == "finished")]
        for _, variant in pd.concat([above, own]).groupby("variant", sort=False):
            shared = _identity(variant, own) | _weight(variant, results) | _cost(variant, student, costs)
            for task in TASKS:
                row = shared | {"task": task} | measured(variant, student, task)
                rows.append(row | in_paper(row, task))
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.DataFrame(rows)
    order = table.assign(
        at=table["task"].map(list(TASKS).index),
        first=table["method"].map(lambda method: UNDISTILLED.index(method) if method in UNDISTILLED else 2),
        place=table["label"].map(results.places).fillna(0),
    ).sort_values(["detector", "dataset", "setting", "at", "first", "place", "row"], kind="stable")
    return table.loc[order.index].reset_index(drop=True)


def caption(summary: pd.DataFrame) -> str:
    """How to read the table, and how many runs are missing."""
    runs = summary.drop_duplicates(["setting", "row"])
    there, missing = int(runs["n"].sum()), int(runs["missing"].sum())
    tuned = runs["tuning_runs"].gt(0).any()
    choice = (
        "Weights were chosen on the same validation split as the APs, in runs on a seed of their own that count for "
        "nothing else; × default is the weight against the method's own. "
    )
    return (
        "AP40 in percent, moderate difficulty; mean ± standard deviation over seeds (n/a with one seed) and the 95 % "
        "interval of the mean. The gain is paired: the mAP difference from the student without distillation of the "
        f"same seed. {choice if tuned else ''}Time of a training step and peak memory are relative to that student's; "
        "runs that share a machine disturb each other's. The last columns are printed in the paper for another data "
        f"set ({LABEL}; its gain is over its own student). " + missing_sentence(missing, there + missing)
    )


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows as texts; a cell whose runs failed, or were not run, says so."""
    several = summary["setting"].nunique() > 1
    tuned = summary["tuning_runs"].add(summary["tuning_missing"]).gt(0).any()
    rows = []
    for row in summary.to_dict("records"):
        texts = {"Task": TASKS[row["task"]]}
        if several:
            texts["Detector"] = f"{row['detector']} {row['compression']:g}x, {row['dataset']}"
        distilled = row["method"] not in UNDISTILLED
        texts |= {"Row": row["row"]} | {name: cell(row, name) for name in APS}
        texts["95 % interval of mAP"] = interval(row, "mAP")
        texts["Gain (same seeds)"] = cell(row, "gain", sign=True) if distilled else DASH
        texts["95 % interval of gain"] = interval(row, "gain", sign=True) if distilled else DASH
        texts["Runs"] = runs_text(row)
        if tuned:
            texts |= {"Weight": short(row["weight"]), "× default": short(row["weight_ratio"])}
            tries = int(row["tuning_runs"] + row["tuning_missing"])
            texts["Tuning runs"] = f"{int(row['tuning_runs'])} of {tries}" if tries else DASH
        texts["Distillation / detection loss"] = number(row["loss_ratio"], 2)
        texts |= {"Step time": _times(row["step_ratio"]), "Peak memory": _times(row["memory_ratio"])}
        texts["In the paper"] = AUTHORS.get(row["method"], DASH)
        texts[f"mAP ({LABEL})"] = number(row["paper_mAP"])
        texts[f"Gain ({LABEL})"] = number(row["paper_gain"], sign=True)
        rows.append(texts)
    return pd.DataFrame(rows)


def _identity(variant: pd.DataFrame, setting: pd.DataFrame) -> dict[str, Any]:
    first = variant.iloc[0]
    row: dict[str, Any] = {name: setting.iloc[0][name] for name in ("setting", "detector", "compression", "dataset")}
    row |= {name: first[name] for name in ("row", "label", "method")}
    row |= {name: flag(first.get(f"parameters.{name}")) for name in ("local", "reweight")}
    return row | ({"compression": 1.0} if first["method"] == "teacher" else {})


def _weight(variant: pd.DataFrame, results: Results) -> dict[str, float]:
    """The weight of a row, against the one that tuning started from, and how many tuning runs have a result."""
    first, nan = variant.iloc[0], float("nan")
    spec = next((spec for spec in results.specs if spec.name == first["study"]), None)
    point = next((point for point in spec.points if point.label == first["label"]), None) if spec else None
    start = point.tune[1] if point is not None and isinstance(point.tune, tuple) else nan
    weight = float(first.get("parameters.weight", nan))
    tries = results.runs[results.runs["role"] == "tuning"]
    tries = tries[(tries["study"] == first["study"]) & (tries["label"] == first["label"])]
    done = int((tries["status"] == "finished").sum())
    return {"weight": weight, "weight_ratio": weight / start, "tuning_runs": done, "tuning_missing": len(tries) - done}


def _costs(results: Results) -> pd.DataFrame:
    """Per run: the median step in seconds, and at the last epoch the distillation loss over the detection loss."""
    epochs = results.epochs.sort_values(["key", "epoch"])
    kd = [name for name in epochs.columns if name.startswith("losses.kd_") and "loss" in name.partition("kd_")[2]]
    steps = epochs.groupby("key")["step_seconds"].median() if "step_seconds" in epochs else pd.Series(dtype=float)
    if not kd or "losses.loss" not in epochs:
        return pd.DataFrame({"step_seconds": steps, "loss_ratio": float("nan")})
    last = epochs.drop_duplicates("key", keep="last").set_index("key")
    distillation = last[kd].sum(axis=1, min_count=1)
    return pd.DataFrame({"step_seconds": steps, "loss_ratio": distillation / (last["losses.loss"] - distillation)})


def _cost(variant: pd.DataFrame, student: pd.DataFrame, costs: pd.DataFrame) -> dict[str, float]:
    """Costs of a variant, NaN for a teacher: it trains with other resources than its students."""
    finished = variant[(variant["status"] == "finished") & (variant["method"] != "teacher")]
    row: dict[str, float] = {}
    for name in ("step_seconds", "loss_ratio"):
        row[name] = float(costs[name].reindex(finished["key"]).mean())
    row["peak_memory_mb"] = float(finished["peak_memory_mb"].where(finished["peak_memory_mb"] > 0).mean())
    row["step_ratio"] = row["step_seconds"] / float(costs["step_seconds"].reindex(student["key"]).mean())
    row["memory_ratio"] = row["peak_memory_mb"] / float(student["peak_memory_mb"].mean())
    return row


def _times(ratio: float) -> str:
    return DASH if pd.isna(ratio) else f"{number(ratio, 2)} ×"
