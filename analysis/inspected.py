"""Inspected runs beside what tables know of them, and how figures that compare them look.

A run is inspected by `run_study.py inspect`; without that there is nothing to draw.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import style
from analysis.results import Results
from study.nouns.inspections import Inspected

HOW = "No run was inspected: run_study.py inspect DIR, then report DIR again."

DRAWN_FROM = 0.3
"""The least score of a detection that is drawn, or that finds an object."""

Look = dict[str, Any]
LOOKS: tuple[Look, ...] = tuple(
    {"color": color, "linestyle": line, "marker": marker}
    for color, line, marker in (
        (style.BLACK, "--", "o"),
        (style.BLUE, "-", "s"),
        (style.VERMILION, "-.", "^"),
        (style.GREEN, ":", "D"),
        (style.PURPLE, (0, (5, 1)), "v"),
        (style.ORANGE, (0, (3, 1, 1, 1)), "P"),
        (style.SKY, (0, (1, 1)), "X"),
        (style.GRAY, (0, (8, 2)), "*"),
    )
)
"""Of the rows of a figure, the student's first: told apart in gray by line and marker. Further rows are not drawn."""


def looks(summary: pd.DataFrame) -> dict[str, Look]:
    """Of every row that is drawn, in all of its panels."""
    return dict(zip(dict.fromkeys(summary["row"]), LOOKS, strict=False))


class Seen(NamedTuple):
    """A run, as the row of `Results.runs`, and what was seen of it."""

    run: dict[str, Any]
    inspected: Inspected


def seen(results: Results) -> list[Seen]:
    """The inspected runs of rows and teachers: students first, then rows in the order of the study, then seeds."""
    places = results.places
    rows = results.rows
    runs = rows[rows["key"].isin(results.inspected)].to_dict("records")

    def order(run: dict[str, Any]) -> tuple[Any, ...]:
        last = run["method"] == "teacher"
        return (last, run["method"] != "student", places.get(run["label"], 0), run["row"], run["seed"], run["key"])

    return [Seen(run, results.inspected[run["key"]]) for run in sorted(runs, key=order)]


def not_inspected(results: Results) -> pd.Series:
    """By variant, how many of its runs were not inspected: not run, failed, or not asked."""
    rows = results.rows
    return (~rows["key"].isin(results.inspected)).groupby(rows["variant"]).sum()


def missing_sentence(summary: pd.DataFrame, by: list[str]) -> str:
    """How many of the runs behind a figure are missing in it."""
    once = summary.drop_duplicates(by)
    there, missing = int(once["n"].sum()), int(once["missing"].sum())
    left = summary["row"].nunique() - len(LOOKS)
    omitted = f" Rows that are in the CSV only: {left}." if left > 0 else ""
    if not missing:
        return f"All of their runs were inspected.{omitted}"
    return f"{missing} of {there + missing} runs are missing: failed, not run, or not inspected.{omitted}"


def at(least: tuple[float, ...], score: float) -> int:
    """Which of the ascending scores is the first that is not below one."""
    return int(np.searchsorted(least, score - 1e-9))


def corners(box: NDArray[Any]) -> NDArray[np.float64]:
    """(5, 2) outline of a box (x, y, ..., length at 3, width at 4, yaw at 6) from above, closed."""
    along = np.array([1, 1, -1, -1, 1]) * box[3] / 2
    across = np.array([1, -1, -1, 1, 1]) * box[4] / 2
    cosine, sine = np.cos(box[6]), np.sin(box[6])
    return np.column_stack([box[0] + along * cosine - across * sine, box[1] + along * sine + across * cosine])


def inside(points: NDArray[Any], boxes: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of (P, 3) points lie in any of (D, 7) boxes."""
    found = np.zeros(len(points), dtype=bool)
    for x, y, z, length, width, height, yaw in boxes:
        away = points - [x, y, z]
        along = away[:, 0] * np.cos(yaw) + away[:, 1] * np.sin(yaw)
        across = away[:, 1] * np.cos(yaw) - away[:, 0] * np.sin(yaw)
        near = (abs(along) <= length / 2) & (abs(across) <= width / 2)
        found |= near & (abs(away[:, 2]) <= height / 2)
    return found
