"""How small detectors can get: every detector and size, with and without the whole method (Tables 1, 2, 4, Figure 1).

Where fixed rows of two or more sizes or detectors are there: teachers, students without distillation, and under a
method with all of its switches on. Each block of metrics, of whatever data set, is a table of the paper.
"""

import pandas as pd

from analysis import declared_table as show
from analysis.best_rows import with_best
from analysis.results import Results
from analysis.variants import switches_in, variant_frame
from analysis.wording import number
from study.nouns.config import UNDISTILLED

TITLE = "How small the detectors get"
EMPTY = "All fixed rows are of one detector at one size."

ORDER = ["detector", "dataset", "block_at", "compression", "setting"]


def summarize(results: Results) -> pd.DataFrame:
    """Costs, spreads of the metrics, paired gains, distances from the own teacher, the paper's values."""
    frame = variant_frame(results)
    lit = frame[[f"switch.{symbol}" for symbol in switches_in(frame)]]
    whole = lit.notna().any(axis=1) & ~lit.eq(False).any(axis=1)
    found = frame[frame["method"].isin(UNDISTILLED) | whole]
    students = found[found["method"] != "teacher"]
    if students[["detector", "compression"]].drop_duplicates().shape[0] < 2:
        return found.iloc[:0]
    is_again = (found["method"] == "teacher") & found.duplicated(["variant", "block"])
    return with_best(found[~is_again].sort_values(ORDER, kind="stable").reset_index(drop=True))


def caption(summary: pd.DataFrame) -> str:
    """How to read the table, and how many runs are missing."""
    more = (
        "The distance from the teacher is that of the means, positive above it. GFLOPs and parameters are those of the "
        "exported detector, without adapters. "
    )
    return show.results_caption(summary, ["variant"], more)


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows as texts."""
    head = [
        show.Column("Detector", lambda row: f"{row['detector']}, {row['dataset']}"),
        show.Column("Size", lambda row: "teacher" if row["method"] == "teacher" else f"{row['compression']:g}x"),
        show.row_column(),
    ]
    distance = show.Column("From teacher", lambda row: number(row["from_teacher"], sign=True))
    return show.of_variants(summary, head, [distance])
