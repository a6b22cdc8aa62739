"""A sweep: the runs of fixed rows that differ in one value (and the seed), everything else being equal.

Two sweeps may meet in a run, as those of Figure 5 do in the base run, and still are two: a median over both would mix
what the one value does with what the other does.
"""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from analysis.row_names import ROWS


class Sweep(NamedTuple):
    """One value over at least two places, everything else equal."""

    key: str
    runs: pd.DataFrame

    def medians(self, column: str) -> pd.DataFrame:
        """Value, median over its runs, and their number, in the order of the values.

        Args:
            column: of the runs, a number.
        """
        found = self.runs.groupby("at")[column].agg(["median", "count"]).reset_index()
        return found[found["count"] > 0].rename(columns={"at": "value", "median": "score", "count": "n"})


def sweeps_of(runs: pd.DataFrame, key: str) -> Iterator[Sweep]:
    """The sweeps of one value, those with the most runs first; runs of a search are of none, as they meet by chance.

    Args:
        runs: finished runs of any role.
        key: the value's dotted key, a column of the runs.
    """
    fixed = runs[runs["role"].isin(ROWS)]
    at = pd.to_numeric(fixed[key], errors="coerce")
    fixed = fixed.assign(at=at)[at.notna()]
    others = ["setting", "method", "teacher_key"]
    others += [name for name in fixed.columns if name.startswith("parameters.") and name != key]
    rest = fixed[others].astype(object)
    rest = rest.where(rest.notna(), "")
    equal = pd.Series(["\n".join(map(str, row)) for row in rest.itertuples(index=False)], index=fixed.index, dtype=str)
    groups = [group for _, group in fixed.groupby(equal, sort=True) if group["at"].nunique() > 1]
    yield from (Sweep(key, group) for group in sorted(groups, key=len, reverse=True))
