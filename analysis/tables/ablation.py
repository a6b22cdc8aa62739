"""What each component adds: teacher, student without distillation, and a method with its parts switched (Table 5).

One row per variant and block of metrics, of methods that declare switches, or of the only method of a setting. Runs of
a search are left out: they were chosen, not repeated.
"""

import pandas as pd

from analysis import declared_table as show
from analysis.best_rows import with_best
from analysis.results import Results
from analysis.variants import switches_in, variant_frame
from study.nouns.config import UNDISTILLED

TITLE = "What each component adds"
EMPTY = "No method with switches, and none alone in its setting, has fixed rows."


def summarize(results: Results) -> pd.DataFrame:
    """Spreads of the metrics and of the paired gain, and the paper's values, in the order of the study."""
    frame = variant_frame(results)
    switched = frame[[f"switch.{symbol}" for symbol in switches_in(frame)]].notna().any(axis=1)
    others = frame[~frame["method"].isin(UNDISTILLED)]
    alone = frame["setting"].map(others.groupby("setting")["method"].nunique()).fillna(0) < 2
    return with_best(frame[frame["method"].isin(UNDISTILLED) | switched | alone].reset_index(drop=True))


def caption(summary: pd.DataFrame) -> str:
    """How to read the table, and how many runs are missing."""
    return show.results_caption(summary, ["setting", "variant"])


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows as texts, with a mark for each switch."""
    return show.of_variants(summary, [*show.setting_columns(summary), show.row_column()])
