"""What training costs, run by run and relative to the student without distillation."""

import pandas as pd

DISTILLATION = "losses.kd_"
"""Losses of distillation are recorded under names that begin so; they are weighted as they were added."""


def training_costs(epochs: pd.DataFrame) -> pd.DataFrame:
    """Per run: the median step in seconds, and at the last epoch the distillation loss over the detection loss."""
    epochs = epochs.sort_values(["key", "epoch"])
    kd = [
        name for name in epochs.columns if name.startswith(DISTILLATION) and "loss" in name.removeprefix(DISTILLATION)
    ]
    steps = epochs.groupby("key")["step_seconds"].median() if "step_seconds" in epochs else pd.Series(dtype=float)
    if not kd or "losses.loss" not in epochs:
        return pd.DataFrame({"step_seconds": steps, "loss_ratio": float("nan")})
    last = epochs.drop_duplicates("key", keep="last").set_index("key")
    distillation = last[kd].sum(axis=1, min_count=1)
    return pd.DataFrame({"step_seconds": steps, "loss_ratio": distillation / (last["losses.loss"] - distillation)})


def relative_cost(variant: pd.DataFrame, student: pd.DataFrame, costs: pd.DataFrame) -> dict[str, float]:
    """Costs of a variant, NaN for a teacher: it trains with other resources than its students.

    Args:
        variant: its runs, of any status.
        student: finished runs without distillation, of the same setting.
        costs: by key, from `training_costs`.
    """
    finished = variant[(variant["status"] == "finished") & (variant["method"] != "teacher")]
    row: dict[str, float] = {}
    for name in ("step_seconds", "loss_ratio"):
        row[name] = float(costs[name].reindex(finished["key"]).mean())
    memory = pd.to_numeric(finished["peak_memory_mb"])
    row["peak_memory_mb"] = float(memory.where(memory > 0).mean())
    row["step_ratio"] = row["step_seconds"] / float(costs["step_seconds"].reindex(student["key"]).mean())
    row["memory_ratio"] = row["peak_memory_mb"] / float(pd.to_numeric(student["peak_memory_mb"]).mean())
    return row
