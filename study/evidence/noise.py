"""How noisy runs are: the variance that all rows of a setting share, and that of one pair of rows.

Runs of one seed share their batches, so what a seed adds to all rows cancels in differences. The model is
x[row, seed] = row + seed + noise. The variance of a pair's differences leans on that of all rows by d0 degrees of
freedom (Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004), with Satterthwaite's count where a pair's own data are part of
the pool.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class Pool(NamedTuple):
    """The noise of a setting; NaN and 0 where there are no two rows with two common seeds."""

    variance: float
    """Residual mean square of row + seed."""
    df: float
    within: float
    """Mean square of rows around their own means: what seeds share is in it."""

    @property
    def pairing(self) -> float:
        """How many times more seeds unpaired rows would take for the same interval."""
        return self.within / self.variance if self.variance > 0 else float("nan")


class Scale(NamedTuple):
    """Standard deviation of one difference, and its degrees of freedom."""

    sd: float
    df: float


NO_POOL = Pool(float("nan"), 0.0, float("nan"))


def pool(values: Values) -> Pool:
    """Residual mean square of the least-squares fit of row + seed, unbalanced too.

    Args:
        values: (rows, seeds); NaN where a run has no result.
    """
    there = ~np.isnan(values)
    values, there = values[there.any(axis=1)], there[there.any(axis=1)]
    counts = there.sum(axis=1)
    if not len(values) or counts.max() < 2:
        return NO_POOL
    x = np.where(there, values, 0.0)
    means = x.sum(axis=1) / counts
    centered = np.where(there, x - means[:, None], 0.0)
    # Rows are eliminated: what is left are the normal equations of the seeds.
    m = there.astype(float)
    normal = np.diag(m.sum(axis=0)) - (m / counts[:, None]).T @ m
    right = centered.sum(axis=0)
    seeds, *_ = np.linalg.lstsq(normal, right, rcond=1e-9)
    within, within_df = float((centered**2).sum()), float((counts - 1).sum())
    df = within_df - int(np.linalg.matrix_rank(normal, tol=1e-9 * max(1, len(values))))
    if df < 1:
        return NO_POOL._replace(within=within / within_df)
    return Pool(max(0.0, within - float(right @ seeds)) / df, df, within / within_df)


def residual_variance(values: Values) -> Values:
    """Of every row, the mean square of what row + seed leave unexplained, scaled to be comparable with the pool's.

    Args:
        values: (rows, seeds); NaN where a run has no result.
    """
    there = ~np.isnan(values)
    design = np.concatenate(
        [np.repeat(np.eye(len(values)), values.shape[1], axis=0), np.tile(np.eye(values.shape[1]), (len(values), 1))],
        axis=1,
    )[there.ravel()]
    x = values[there]
    fit, *_ = np.linalg.lstsq(design, x, rcond=None)
    leverage = np.einsum("ij,ji->i", design, np.linalg.pinv(design))
    squares, free = np.zeros(values.shape), np.zeros(values.shape)
    squares[there], free[there] = (x - design @ fit) ** 2, 1 - leverage
    with np.errstate(invalid="ignore"):
        return squares.sum(axis=1) / free.sum(axis=1)


def own(differences: Values) -> Scale:
    """A pair's own standard deviation (ddof 1)."""
    return Scale(float(np.std(differences, ddof=1)), len(differences) - 1.0)


def moderated(differences: Values, pooled: Pool, prior: float) -> Scale:
    """A pair's standard deviation that leans on that of all rows.

    Args:
        differences: at least two.
        pooled: the setting's noise.
        prior: d0; 0 or an empty pool leaves the pair's own.
    """
    alone = own(differences)
    if prior == 0 or pooled.df < 1:
        return alone
    nu = alone.df
    w = nu / (prior + nu)
    variance = (1 - w) * 2 * pooled.variance + w * alone.sd**2
    df = min(prior + nu, 1 / ((1 - w**2) / pooled.df + w**2 / nu))
    return Scale(float(np.sqrt(variance)), df)
