"""How metrics, rows and missing runs are called wherever people read them."""

import math
from typing import Any

import pandas as pd

TASKS = {"bev": "BEV", "3d": "3D"}
CLASSES = ("Car", "Pedestrian", "Cyclist")
DASH = "–"
PARAMETERS = {"local": "LD", "reweight": "RL", "neighbors": "K", "samples": "N", "temperature": "τ"}
"""PointDistiller's parameters, as the paper calls them."""


def metric_title(metric: str) -> str:
    """`mAP/3d/moderate` -> `3D mAP, moderate`; `bev/Car/hard` -> `BEV AP of cars, hard`; others as they are."""
    parts = metric.split("/")
    if len(parts) != 3:
        return metric
    if parts[0] == "mAP":
        return f"{TASKS.get(parts[1], parts[1])} mAP, {parts[2]}"
    return f"{TASKS.get(parts[0], parts[0])} AP of {parts[1].lower()}s, {parts[2]}"


def metric_in_text(metric: str) -> str:
    """The metric within a sentence: `mAP/3d/moderate` -> `moderate 3D mAP`."""
    title, comma, difficulty = metric_title(metric).partition(", ")
    return f"{difficulty} {title}" if comma else title


def metric_axis(metric: str) -> str:
    """The metric with its unit, for an axis."""
    return f"{metric_title(metric)} (AP40, %)" if metric_unit(metric) else metric


def metric_unit(metric: str) -> str:
    """`AP40 (%)` for average precisions, nothing for others."""
    return "AP40 (%)" if len(metric.split("/")) == 3 else ""


def flag(value: Any) -> bool | None:
    """A switch out of a table column: true, false, or None where it was not recorded."""
    return None if pd.isna(value) else bool(value)


def mark(value: Any) -> str:
    """A switch as the paper's Table 5 prints it."""
    known = flag(value)
    return DASH if known is None else "✓" if known else "×"


def number(value: Any, digits: int = 1, sign: bool = False) -> str:
    """A number with a true minus sign, or a dash where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return DASH
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def short(value: Any) -> str:
    """A parameter in as few digits as tell it apart: 16, 0.53, true; a dash where there is none."""
    if pd.isna(value):
        return DASH
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.3g}"
    return str(value)


def missing_sentence(missing: int, of: int) -> str:
    """What a caption says of runs that should be there and are not."""
    if missing == 0:
        return f"All {of} runs are in." if of != 1 else "The one run is in."
    return f"{missing} of {of} runs {'is' if missing == 1 else 'are'} missing (failed, stopped early or not run)."
