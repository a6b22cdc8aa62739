"""What a few seeds allow to be said: mean, standard deviation, Student's t interval, differences on the same seed.

Student, "The probable error of a mean", Biometrika 1908. With one seed there is no spread: it is not a number (n/a),
never 0.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95


class Spread(NamedTuple):
    """A sample's mean with its standard deviation (ddof 1) and 95 % interval of the mean; NaN where undefined."""

    n: int
    mean: float
    std: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """True when the interval lies on one side of zero (false for a single value)."""
        return self.low > 0 or self.high < 0

    def text(self, sign: bool = False, digits: int = 1) -> str:
        """`61.2 ± 0.8`; `61.2 ± n/a` for one value; a dash for none. With `sign`, a plus stands before gains."""
        if self.n == 0:
            return "–"
        mean = f"{self.mean:{'+' if sign else ''}.{digits}f}".replace("-", "−")
        return f"{mean} ± {'n/a' if math.isnan(self.std) else f'{self.std:.{digits}f}'}"


def spread(values: pd.Series) -> Spread:
    """Mean, standard deviation and interval over seeds; values that are not numbers are left out.

    Args:
        values: one value per seed.
    """
    known = np.asarray(pd.to_numeric(values, errors="coerce"), dtype=float)
    known = known[~np.isnan(known)]
    n = len(known)
    if n == 0:
        return Spread(0, math.nan, math.nan, math.nan, math.nan)
    mean = float(known.mean())
    if n == 1:
        return Spread(1, mean, math.nan, math.nan, math.nan)
    std = float(known.std(ddof=1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * std / math.sqrt(n)
    return Spread(n, mean, std, mean - half, mean + half)


def paired_differences(treated: pd.DataFrame, baseline: pd.DataFrame, column: str) -> pd.Series:
    """Treated minus baseline for every seed that both have, indexed by seed.

    Several runs of one seed count as their mean, so that no seed weighs more than another.
    """
    if column not in treated or column not in baseline:
        return pd.Series(dtype=float)
    means = [pd.to_numeric(side[column]).groupby(side["seed"]).mean() for side in (treated, baseline)]
    return (means[0] - means[1]).dropna()
