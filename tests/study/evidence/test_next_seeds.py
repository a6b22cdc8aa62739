"""Which rows need which seeds next."""

import numpy as np
import pytest
from made_up_claims import PAPER, evidence_of, gains, noisy, paper_claims, run_waves, words

from study.evidence.next_seeds import Costs, NextSeeds
from study.evidence.power import seeds_for
from study.evidence.readings import Wave
from study.evidence.verdicts import Evidence, Word
from study.nouns.claims import Claim, Rule

ROWS = {"student": 50.0, "far": 56.0, "near": 51.0}


def after_first_wave(claims: list[Claim], rows: dict[str, float] = ROWS, seeds: int = 12, **rule) -> NextSeeds:
    evidence = evidence_of(claims, list(rows), seeds, Rule(**rule))
    draw = noisy(rows, seeds, 0.6, np.random.default_rng(4))
    first = NextSeeds(evidence, 0.1).wave(1)
    evidence.add(Wave({run: draw(*run) for run in first}))
    return NextSeeds(evidence, 0.1)


def test_a_study_begins_with_two_seeds_of_every_row():
    evidence = evidence_of(gains(ROWS), list(ROWS), 12)
    assert NextSeeds(evidence, 0.1).wave(places=1) == [(row, seed) for seed in (0, 1) for row in ROWS]


def test_a_wave_brings_every_open_claim_one_look_further_where_its_seed_runs_anyway():
    assert after_first_wave(gains(ROWS)).wave(places=1) == [("far", 2), ("student", 2), ("near", 2)]


def test_free_places_take_seeds_that_claims_will_need_next():
    later = after_first_wave(gains(ROWS)).wave(places=3)
    assert {seed for _, seed in later} == {2, 3, 4}
    assert ("near", 4) in later


def test_the_cheapest_claim_alone_is_served_where_nothing_rides_along():
    assert after_first_wave(gains(ROWS)).wave(places=1, ride=False) == [("far", 2), ("student", 2)]


def test_a_wave_never_has_more_runs_than_may_be_started():
    next_seeds = after_first_wave(gains(ROWS))
    assert len(next_seeds.wave(places=4, most=3)) <= 3
    assert next_seeds.wave(places=4, most=1) == []


def test_looks_that_skip_seeds_are_reached_in_one_wave():
    wave = after_first_wave([Claim(row="near", over=("student",))], looks=(2, 5, 12)).wave(places=1)
    assert wave == [(row, seed) for seed in (2, 3, 4) for row in ("near", "student")]


def test_a_seed_of_another_setting_costs_its_own_stream():
    costs = Costs(own={"a": 2.0, "b": 3.0}, stream={"one": 10.0})
    settings = {"a": "one", "b": "one"}
    assert costs.of([("a", 0), ("b", 0)], settings) == 15
    assert costs.of([("a", 0), ("b", 1)], settings) == 25


def test_decided_claims_ask_for_nothing_and_their_rows_stop():
    evidence = evidence_of(gains(ROWS), list(ROWS), 12)
    run_waves(evidence, noisy(ROWS, 12, 0.6, np.random.default_rng(4)))
    assert words(evidence)[0] is Word.SUPPORTED
    assert evidence.readings.count("far") < 12
    assert NextSeeds(evidence, 0.1).wave(1) == []


def test_every_claim_is_decided_given_up_or_has_used_its_seeds_at_the_end():
    for start in range(20):
        evidence = evidence_of(paper_claims(), list(PAPER), 8)
        run_waves(evidence, noisy(PAPER, 8, 0.8, np.random.default_rng(start)), places=1 + start % 3)
        for number, word in enumerate(words(evidence)):
            if word is Word.UNDECIDED:
                pairs = evidence.claims[number].claim.pairs
                used = all(len(evidence.readings.differences(pair)) == 8 for pair in pairs)
                assert used or NextSeeds(evidence, 0.1).chance(number) < 0.1 or not open_pairs(evidence, number)


def open_pairs(evidence: Evidence, number: int) -> bool:
    """Whether a pair still has something to show and seeds for it."""
    support, _ = evidence.sides[number]
    return any(
        not evidence.passed(support, atom) and len(evidence.readings.differences(atom.pair)) < 8
        for atom in support.atoms
    )


def test_a_claim_without_a_chance_waits_from_five_seeds_on():
    evidence = evidence_of([Claim(row="near", over=("student",))], ["student", "near"], 6)
    gains_seen = [3.0, -2.5, 2.5, -2.0, 0.25]  # in the mean 0.25, between the two thresholds
    for seed, gain in enumerate(gains_seen[:4]):
        evidence.add(Wave({("student", seed): 50.0, ("near", seed): 50 + gain}))
    assert NextSeeds(evidence, 0.1).wave(places=1) == [("near", 4), ("student", 4)]
    evidence.add(Wave({("student", 4): 50.0, ("near", 4): 50.25}))
    assert NextSeeds(evidence, 0.1).chance(0) < 0.1
    assert NextSeeds(evidence, 0.1).wave(places=1) == []
    assert NextSeeds(evidence, 0.0).wave(places=1) == [("near", 5), ("student", 5)]


def test_exploratory_claims_never_ask_for_a_run():
    claim = Claim(row="near", over=("student",), exploratory=True)
    assert after_first_wave([claim]).wave(places=2) == []


def test_a_seed_that_was_lost_is_made_up_for_by_a_further_one():
    evidence = evidence_of([Claim(row="near", over=("student",))], ["student", "near"], 6)
    evidence.add(Wave({("student", 0): 50.0, ("student", 1): 50.1, ("near", 0): None, ("near", 1): 51.0}))
    assert NextSeeds(evidence, 0.1).wave(places=1) == [("near", 2), ("student", 2)]


@pytest.mark.parametrize(
    ("level", "seeds"),
    [(0.05, [36, 17, 11, 8, 6, 4, 4, 3]), (0.05 / 8, [61, 29, 18, 13, 10, 7, 6, 5]),
     (0.05 / 16, [69, 33, 20, 15, 12, 8, 7, 6])],
)  # fmt: skip
def test_the_seeds_of_a_fixed_grid_are_those_of_the_planning_table(level, seeds):
    assert [seeds_for(effect, level) for effect in (0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3)] == seeds
