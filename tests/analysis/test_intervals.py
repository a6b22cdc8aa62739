"""Statistics with answers that can be checked by hand."""

import math

import pandas as pd
import pytest

from analysis.intervals import paired_differences, spread


def test_three_values_have_the_spread_of_the_textbook():
    # 1, 2, 3: mean 2, std 1; t(0.975, 2) = 4.303; half width 4.303 / sqrt(3) = 2.484
    assert spread(pd.Series([1.0, 2.0, 3.0])) == pytest.approx((3, 2.0, 1.0, -0.484, 4.484), abs=1e-3)


def test_two_values_use_students_wide_interval():
    # 0, 2: mean 1, std sqrt(2); t(0.975, 1) = 12.706; half width 12.706 * sqrt(2) / sqrt(2)
    assert spread(pd.Series([0.0, 2.0])) == pytest.approx((2, 1.0, math.sqrt(2), -11.706, 13.706), abs=1e-3)


def test_one_value_has_no_spread():
    one = spread(pd.Series([61.2]))
    assert (one.n, one.mean, math.isnan(one.std), math.isnan(one.low)) == (1, 61.2, True, True)


def test_one_value_is_written_with_an_unknown_spread_never_zero():
    assert spread(pd.Series([61.25])).text() == "61.2 ± n/a"


def test_no_value_is_a_dash():
    assert spread(pd.Series([math.nan])).text() == "–"


def test_values_that_are_missing_are_left_out():
    assert spread(pd.Series([1.0, math.nan, 3.0]))[:2] == (2, 2.0)


def test_a_single_gain_never_excludes_zero():
    assert not spread(pd.Series([5.0])).excludes_zero


def test_agreeing_losses_exclude_zero():
    assert spread(pd.Series([-1.0, -1.1, -0.9])).excludes_zero


def test_a_loss_is_written_with_a_minus_sign():
    assert spread(pd.Series([-1.0, -2.0])).text(sign=True) == "−1.5 ± 0.7"


def test_differences_pair_equal_seeds_and_leave_out_the_rest():
    treated = pd.DataFrame({"seed": [0, 1, 2], "ap": [10.0, 20.0, 30.0]})
    baseline = pd.DataFrame({"seed": [1, 0, 3], "ap": [18.0, 9.0, 1.0]})
    assert paired_differences(treated, baseline, "ap").to_dict() == {0: 1.0, 1: 2.0}


def test_two_runs_of_one_seed_weigh_as_one():
    treated = pd.DataFrame({"seed": [0, 0, 1], "ap": [10.0, 12.0, 30.0]})
    baseline = pd.DataFrame({"seed": [0, 1], "ap": [10.0, 20.0]})
    assert paired_differences(treated, baseline, "ap").to_dict() == {0: 1.0, 1: 10.0}


def test_a_metric_that_nobody_has_makes_no_differences():
    nobody = pd.DataFrame({"seed": [0]})
    assert paired_differences(nobody, nobody, "ap").empty
