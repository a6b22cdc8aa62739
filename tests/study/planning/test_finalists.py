"""Who wins among noisy weights: means of finalists on fresh seeds, and the row's own weight within the noise."""

import random

import pytest

from study.planning.finalists import best, finalists, winner

STUDIES = 4000
WEIGHTS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
"""The first is the row's own."""


def tuned(rng: random.Random, spread: float) -> tuple[dict[float, float], float | None, float | None]:
    """True effects of weights against the row's own, and what is chosen under noise 1: single runs, and finalists."""
    effects = {weight: rng.gauss(0, spread) if weight > 1 else 0.0 for weight in WEIGHTS}
    single = {weight: rng.gauss(effect, 1) for weight, effect in effects.items()}
    again = {w: [single[w], rng.gauss(effects[w], 1), rng.gauss(effects[w], 1)] for w in finalists(single, 1.0, 3)}
    return effects, best(single, 1.0), winner(again, 1.0)


def test_where_no_weight_matters_most_studies_with_finalists_keep_their_own_and_few_without():
    rng = random.Random(0)
    chosen = [tuned(rng, spread=0)[1:] for _ in range(STUDIES)]
    alone, means = (sum(weight == 1.0 for weight in column) / STUDIES for column in zip(*chosen, strict=True))
    assert alone < 0.2
    assert means > 0.5


def test_where_weights_matter_finalists_choose_better_ones():
    rng = random.Random(0)
    found = [(effects[alone], effects[mean]) for effects, alone, mean in (tuned(rng, 0.8) for _ in range(STUDIES))]
    alone, mean = (sum(column) / STUDIES for column in zip(*found, strict=True))
    assert mean > alone


def test_the_rows_own_weight_is_a_finalist_wherever_it_has_a_result():
    scores = {1.0: 0.0, 2.0: 5.0, 3.0: 4.0, 4.0: 3.0}
    assert finalists(scores, 1.0, 3) == [2.0, 3.0, 1.0]
    assert finalists({**scores, 1.0: 4.5}, 1.0, 3) == [2.0, 1.0, 3.0]
    assert finalists({weight: score for weight, score in scores.items() if weight > 1}, 1.0, 3) == [2.0, 3.0, 4.0]
    assert finalists(scores, 1.0, 9) == [2.0, 3.0, 4.0, 1.0]


@pytest.mark.parametrize(
    ("gains", "chosen"),
    [([3, 0, 0], 1.0), ([3, 1, 1], 2.0), ([-1, -1, -1], 1.0), ([0, 0, 0], 1.0), ([1, 1, 1], 2.0)],
    ids=["within one standard error", "beyond it", "worse", "equal", "better on every seed alike"],
)
def test_the_rows_own_weight_stays_within_one_standard_error_paired_by_seed(gains, chosen):
    own = [10.0, 30.0, 20.0]
    assert winner({2.0: [score + gain for score, gain in zip(own, gains, strict=True)], 1.0: own}, 1.0) == chosen


def test_a_weight_with_a_failed_run_is_out():
    assert winner({2.0: [9.0, None, 9.0], 3.0: [5.0, 5.0, 5.0], 1.0: [1.0, 1.0, 1.0]}, 1.0) == 3.0
    assert winner({2.0: [9.0, 9.0, 9.0], 3.0: [9.1, 9.1, 9.0], 1.0: [8.9, 8.9, None]}, 1.0) == 3.0
    assert winner({2.0: [9.0, None], 1.0: [1.0, None]}, 1.0) is None
    assert winner({}, 1.0) is None


def test_one_common_seed_says_nothing_of_noise():
    assert winner({2.0: [9.0], 1.0: [8.9]}, 1.0) == 2.0
