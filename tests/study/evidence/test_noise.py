"""Noise that rows share: least squares, a t-test done by scipy, and intervals that cover as often as they say."""

import math

import numpy as np
import pytest
from scipy import stats

from study.evidence.noise import NO_POOL, Pool, moderated, own, pool, residual_variance


def by_least_squares(values: np.ndarray) -> tuple[float, float]:
    """Residual mean square and degrees of freedom of row + seed, from the full design."""
    there = ~np.isnan(values)
    rows, seeds = np.nonzero(there)
    design = np.zeros((there.sum(), sum(values.shape)))
    design[np.arange(len(rows)), rows] = 1
    design[np.arange(len(rows)), values.shape[0] + seeds] = 1
    fit, *_ = np.linalg.lstsq(design, values[there], rcond=None)
    df = there.sum() - np.linalg.matrix_rank(design)
    return float(((values[there] - design @ fit) ** 2).sum()) / df if df else math.nan, float(df)


@pytest.mark.parametrize("gone", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("shape", [(2, 5), (9, 2), (11, 20), (4, 7)])
def test_the_pool_is_the_residual_of_least_squares_also_where_runs_are_missing(shape, gone):
    rng = np.random.default_rng(7)
    values = 50 + rng.normal(size=shape) + rng.normal(size=shape[1])
    values[rng.random(shape) < gone] = np.nan
    variance, df = by_least_squares(values)
    found = pool(values)
    assert found.df == df
    assert found.variance == pytest.approx(variance, rel=1e-9, nan_ok=True)


def test_two_groups_of_rows_without_a_common_seed_are_fitted_apart():
    values = np.full((4, 6), np.nan)
    values[:2, :3], values[2:, 3:] = np.random.default_rng(0).normal(size=(2, 2, 3))
    assert pool(values).df == by_least_squares(values)[1] == 4
    assert pool(values).variance == pytest.approx(by_least_squares(values)[0])


def test_one_row_or_one_seed_shows_no_noise():
    assert pool(np.array([[1.0], [2.0]])).df == 0
    assert pool(np.array([[1.0, 2.0, 4.0]])).df == 0
    assert pool(np.empty((0, 3))) == NO_POOL or math.isnan(pool(np.empty((0, 3))).variance)


def test_two_rows_are_a_paired_t_test():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(2, 6)) + rng.normal(size=6)
    differences = values[0] - values[1]
    scale = moderated(differences, pool(values), prior=6)
    t = differences.mean() / scale.sd * math.sqrt(6)
    expected = stats.ttest_rel(*values)
    assert (t, scale.df) == (pytest.approx(expected.statistic), pytest.approx(5))
    assert own(differences).sd == pytest.approx(scale.sd)


@pytest.mark.parametrize(("seeds", "df"), [(2, 7.0), (5, 10.0)])
def test_nine_rows_give_the_degrees_of_freedom_of_a_moderated_t(seeds, df):
    values = np.random.default_rng(0).normal(size=(9, seeds))
    assert moderated(values[0] - values[8], pool(values), prior=6).df == pytest.approx(df, abs=0.05)


def test_without_a_prior_or_a_pool_a_pair_stands_alone():
    differences = np.array([1.0, 2.0, 4.0])
    assert moderated(differences, Pool(1.0, 20, 1.0), prior=0) == own(differences)
    assert moderated(differences, NO_POOL, prior=6) == own(differences)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10, 20])
def test_intervals_of_few_seeds_cover_as_often_as_they_say(seeds):
    rng, studies, covered = np.random.default_rng(seeds), 1500, 0
    for _ in range(studies):
        values = rng.normal(size=(9, seeds)) + rng.normal(0, 0.7, size=seeds)
        differences = values[0] - values[8]
        scale = moderated(differences, pool(values), prior=6)
        covered += abs(differences.mean()) <= stats.t.isf(0.025, scale.df) * scale.sd / math.sqrt(seeds)
    assert covered / studies == pytest.approx(0.955, abs=0.02)


def test_a_row_that_is_noisier_stands_out_and_what_seeds_share_is_no_noise():
    rng = np.random.default_rng(5)
    values = rng.normal(size=(6, 40)) + rng.normal(0, 3, size=40)
    values[2] += rng.normal(0, 3, size=40)
    ratios = residual_variance(values) / pool(values).variance
    assert ratios.argmax() == 2
    assert ratios[2] > 2
    assert residual_variance(values[[0, 1, 3, 4, 5]]).mean() == pytest.approx(1, abs=0.3)
    assert pool(values[[0, 1, 3, 4, 5]]).pairing == pytest.approx(1 + 9, rel=0.4)
