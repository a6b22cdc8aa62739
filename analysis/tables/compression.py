"""How small detectors can get: every detector and size, with and without the whole method (Tables 1, 2, Figure 1).

Where fixed rows of two or more sizes or detectors are there: teachers, students without distillation, and under a
method with all of its switches on.
"""

import pandas as pd

from analysis import declared_table as show
from analysis.published import SIZE
from analysis.results import Results
from analysis.variants import COSTS, switches_in, variant_frame
from analysis.wording import DASH, number
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
    return found[~is_again].sort_values(ORDER, kind="stable").reset_index(drop=True)


def caption(summary: pd.DataFrame) -> str:
    """How to read the table, and how many runs are missing."""
    return (
        f"{show.unit_sentence(summary)}mean ± standard deviation over seeds (n/a with one seed). "
        f"{show.gain_sentence(summary)}The distance from the teacher is that of the means, positive above it. GFLOPs "
        "and parameters are those of the exported detector, without adapters. "
        f"{show.paper_sentence(summary)}{show.counted(summary, ['variant'])}"
    )


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows as texts."""
    size = show.Column("Size", lambda row: "teacher" if row["method"] == "teacher" else f"{row['compression']:g}x")
    head = [
        show.block_column(),
        show.Column("Detector", lambda row: f"{row['detector']}, {row['dataset']}"),
        size,
        show.Column("Row", lambda row: row["row"]),
    ]
    distance = show.Column("From teacher", lambda row: number(row["from_teacher"], sign=True))
    results = [show.headline_column(summary), show.gain_column(), distance, show.count_column()]
    return show.presented(
        summary, [*head, *show.cost_columns(summary), *results, *_paper_costs(summary), *show.paper_columns(summary)]
    )


def _paper_costs(summary: pd.DataFrame) -> list[show.Column]:
    """What the paper's detectors cost, beside ours of the same size."""
    same = ~summary["paper_differs"].str.contains(SIZE)

    def column(name: str, heading: str) -> show.Column:
        return show.Column(
            f"{heading} (paper)", lambda row: DASH if SIZE in row["paper_differs"] else number(row[f"paper.{name}"])
        )

    return [
        column(name, heading) for name, heading in COSTS.items() if summary.loc[same, f"paper.{name}"].notna().any()
    ]
