"""The sequential boundary: known values, and paths that are simulated."""

import numpy as np
import pytest
from scipy.stats import norm

from study.evidence.boundary import boundary

EVERY = tuple(range(2, 21))
EIGHT = (2, 3, 4, 6, 8, 11, 15, 20)


@pytest.mark.parametrize(
    ("looks", "level", "first", "last"),
    [(EVERY, 0.05, 0.0020, 0.0200), (EVERY, 0.05 / 16, 8.96e-5, 8.96e-4), (EIGHT, 0.05, 0.00264, 0.0264)],
)
def test_the_nominal_levels_are_those_that_were_worked_out_independently(looks, level, first, last):
    bounds = boundary(looks)
    assert bounds.nominal_at(0, level) == pytest.approx(first, rel=5e-3)
    assert bounds.nominal_at(len(looks) - 1, level) == pytest.approx(last, rel=5e-3)


def test_a_single_look_costs_nothing():
    assert boundary((7,)).nominal_at(0, 0.025) == pytest.approx(0.025, rel=1e-4)


@pytest.mark.parametrize("looks", [EVERY, EIGHT])
def test_walks_without_drift_pass_as_often_as_the_level_says(looks):
    bounds, paths = boundary(looks), 200_000
    rng = np.random.default_rng(1)
    walk, passed, seen = np.zeros(paths), np.zeros(paths, dtype=bool), 0
    for at, n in enumerate(looks):
        walk += rng.normal(0, np.sqrt(n - seen), paths)
        passed |= walk / np.sqrt(n) >= norm.isf(bounds.nominal_at(at, 0.05))
        seen = n
    assert passed.mean() == pytest.approx(0.05, abs=0.002)


def test_sequential_p_values_undo_the_nominal_levels_and_never_leave_zero_to_one():
    bounds = boundary(EVERY)
    for level in (1e-9, 1e-4, 0.003, 0.05, 0.4):
        assert bounds.p(bounds.nominal(level)) == pytest.approx(level, rel=1e-6)
    values = [bounds.p(c) for c in (0, 1e-12, 1e-7, 1e-3, 0.5, 0.9, 0.95, 1.0, 3.0)]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0.0, 1.0)
