"""What training costs, run by run and relative to the student without distillation."""

import pandas as pd

DISTILLATION = "losses.kd_"
"""Losses of distillation are recorded under names that begin so; they are weighted as they were added."""


def training_costs(epochs: pd.DataFrame) -> pd.DataFrame:
    """Per run: seconds of its median step, of the whole run by itself (`alone_seconds`) and of its part in what was
    spent (`here_seconds`, where it may have shared batches and teacher); at the last epoch the distillation loss over
    the detection loss."""
    epochs = epochs.sort_values(["key", "epoch"])
    kd = [
        name for name in epochs.columns if name.startswith(DISTILLATION) and "loss" in name.removeprefix(DISTILLATION)
    ]
    runs, nothing = epochs.groupby("key"), pd.Series(dtype=float)
    seconds = {
        "step_seconds": runs["step_seconds"].median() if "step_seconds" in epochs else nothing,
        "alone_seconds": runs["seconds"].sum(),
        "here_seconds": runs["shared_seconds"].sum(min_count=1) if "shared_seconds" in epochs else nothing,
    }
    if not kd or "losses.loss" not in epochs:
        return pd.DataFrame({**seconds, "loss_ratio": float("nan")})
    last = epochs.drop_duplicates("key", keep="last").set_index("key")
    distillation = last[kd].sum(axis=1, min_count=1)
    return pd.DataFrame({**seconds, "loss_ratio": distillation / (last["losses.loss"] - distillation)})


def relative_cost(variant: pd.DataFrame, student: pd.DataFrame, costs: pd.DataFrame) -> dict[str, float]:
    """Costs of a variant, NaN for a teacher: it trains with other resources than its students.

    Args:
        variant: its runs, of any status.
        student: finished runs without distillation, of the same setting.
        costs: by key, from `training_costs`.
    """
    finished = variant[(variant["status"] == "finished") & (variant["method"] != "teacher")]
    row: dict[str, float] = {}
    for name in ("step_seconds", "alone_seconds", "here_seconds", "loss_ratio"):
        row[name] = float(costs[name].reindex(finished["key"]).mean())
    row["peak_memory_mb"] = _memory(finished)
    by_itself = float(costs["alone_seconds"].reindex(student["key"]).mean())
    row["alone_ratio"], row["here_ratio"] = row["alone_seconds"] / by_itself, row["here_seconds"] / by_itself
    row["memory_ratio"] = row["peak_memory_mb"] / _memory(student)
    return row


def _memory(runs: pd.DataFrame) -> float:
    """Mean peak of those that had a process to themselves, in MiB: of a cohort it is nobody's own."""
    alone = pd.to_numeric(runs.get("facts.cohort", pd.Series(1.0, runs.index))).fillna(1.0) == 1
    memory = pd.to_numeric(runs["peak_memory_mb"])
    return float(memory.where(alone & (memory > 0)).mean())
