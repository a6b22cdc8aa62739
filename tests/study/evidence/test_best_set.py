"""Which rows may be the best: planted ones stay, those that are beaten go, and the truly best is rarely lost."""

import numpy as np
from made_up_claims import evidence_of, noisy

from study.evidence.best_set import BestSet, best_sets, rivals
from study.evidence.readings import Wave
from study.evidence.verdicts import Evidence
from study.nouns.claims import Claim

ROWS = {"student": 0.0, "a": 3.0, "b": 3.0, "c": 1.0}


def compared(rows: dict[str, float], seeds: int, cap: int, rng: np.random.Generator, sigma: float = 0.5) -> Evidence:
    """Readings of every two rows, all of which have run the first seeds."""
    claims = [Claim(row=one, over=(other,)) for one, other in rivals(dict.fromkeys(rows, "one"))]
    evidence, draw = evidence_of(claims, tuple(rows), cap), noisy(rows, cap, sigma, rng)
    for seed in range(seeds):
        evidence.add(Wave({(row, seed): draw(row, seed) for row in rows}))
    return evidence


def test_rows_that_are_beaten_are_out_and_equal_ones_stay_together():
    (best,) = best_sets(compared(ROWS, 8, 8, np.random.default_rng(0)), 0.05)
    assert best == BestSet(rows=("student", "a", "b", "c"), unbeaten=("a", "b"))


def test_with_few_seeds_nobody_is_out():
    (best,) = best_sets(compared(ROWS, 2, 20, np.random.default_rng(0), sigma=3.0), 0.05)
    assert best.unbeaten == best.rows


def test_a_row_whose_runs_diverged_beats_nobody():
    evidence = compared({"student": 0.0, "a": 3.0, "c": 1.0}, 7, 8, np.random.default_rng(0))
    lost = frozenset({("a", 7)})
    evidence.add(Wave({("student", 7): 0.0, ("a", 7): None, ("c", 7): 1.0}, lost))
    (best,) = best_sets(evidence, 0.05)
    assert best.unbeaten == ("a", "c")


def test_two_rows_are_a_claim_and_no_best_set():
    assert rivals({"student": "one", "a": "one", "other": "two"}) == []


def test_the_best_row_is_lost_in_at_most_one_of_twenty_studies():
    rng = np.random.default_rng(5)
    studies, lost = 400, 0
    for _ in range(studies):
        (best,) = best_sets(compared(dict.fromkeys("abcde", 0.0), 10, 10, rng), 0.05)
        lost += "a" not in best.unbeaten  # any of them is the best
    assert lost / studies <= 0.05
