"""Verdicts on made-up rows whose truth is known, and the error that all of them make together."""

from collections.abc import Iterable

import numpy as np
import pytest
from made_up_claims import PAPER, TEACHER, evidence_of, noisy, paper_claims, run_waves, wave_of, words, wrong

from study.evidence.readings import Wave
from study.evidence.verdicts import Evidence, Word, sides
from study.nouns.claims import Claim, Leveled

NOISE = [0.11, -0.07, 0.02, -0.12, 0.06, 0.01, -0.03, 0.09]
"""Of a row, by seed."""


def values(means: dict[str, float], seeds: Iterable[int]) -> dict[tuple[str, int], float | None]:
    """What rows give on some seeds: their means, and the same small noise, larger from row to row."""
    return {
        (row, seed): mean + NOISE[seed % 8] * (k + 1) for k, (row, mean) in enumerate(means.items()) for seed in seeds
    }


def one_claim(claim: Claim, means: dict[str, float], seeds: int = 8) -> Evidence:
    """A claim after waves of one seed each (the first has two)."""
    evidence = evidence_of([claim], list(means), seeds)
    for of in ((0, 1), *((seed,) for seed in range(2, seeds))):
        evidence.add(wave_of(values(means, of)))
    return evidence


GAIN = Claim(row="LD", over=("student",), value=2.5)


@pytest.mark.parametrize(
    ("gain", "word"), [(4.0, Word.SUPPORTED), (2.6, Word.SUPPORTED), (0.3, Word.LESS), (-3.0, Word.LESS)]
)
def test_a_gain_is_supported_or_answered_less(gain, word):
    assert words(one_claim(GAIN, {"student": 50.0, "LD": 50.0 + gain})) == [word]


def test_two_seeds_that_disagree_decide_nothing():
    evidence = evidence_of([GAIN], ["student", "LD"], 8)
    assert words(evidence) == [Word.UNDECIDED]
    evidence.add(Wave({("student", 0): 50.0, ("student", 1): 50.0, ("LD", 0): 54.0, ("LD", 1): 52.0}))
    assert words(evidence) == [Word.UNDECIDED]


def test_what_lies_between_the_two_thresholds_may_show_both_sides_one_after_the_other():
    evidence = one_claim(GAIN, {"student": 50.0, "LD": 52.25})
    verdict = evidence.verdict(0)
    assert {verdict.word, verdict.later} <= {Word.SUPPORTED, Word.LESS, Word.BETWEEN, None}
    assert verdict.word is not Word.UNDECIDED


def test_both_sides_in_one_wave_are_called_between():
    evidence = evidence_of([GAIN], ["student", "LD"], 8)
    evidence.add(Wave(values({"student": 50.0, "LD": 52.25}, range(8))))
    assert evidence.verdict(0) == (Word.BETWEEN, 1, None, {})


def test_a_verdict_stands_for_good():
    evidence = evidence_of([GAIN], ["student", "LD"], 20)
    evidence.add(Wave(values({"student": 50.0, "LD": 54.0}, range(10))))
    early = evidence.verdict(0)
    evidence.add(Wave(values({"student": 50.0, "LD": 42.0}, range(10, 20))))
    assert early.word is Word.SUPPORTED
    assert evidence.verdict(0)[:2] == early[:2]


def test_best_needs_every_difference_and_falls_with_one():
    best = Claim(kind="best", row="PD", over=("a", "b"))
    assert words(one_claim(best, {"PD": 60.0, "a": 58.0, "b": 57.0})) == [Word.SUPPORTED]
    assert words(one_claim(best, {"PD": 60.0, "a": 58.0, "b": 61.0})) == [Word.LESS]


def test_same_needs_both_ends_of_every_difference_and_falls_with_one():
    same = Claim(kind="same", row="K 16", over=("K 32", "K 64"))
    assert words(one_claim(same, {"K 16": 60.0, "K 32": 60.1, "K 64": 59.9})) == [Word.SUPPORTED]
    assert words(one_claim(same, {"K 16": 60.0, "K 32": 60.1, "K 64": 62.0})) == [Word.LESS]
    assert words(one_claim(same, {"K 16": 60.0, "K 32": 60.1, "K 64": 57.0})) == [Word.LESS]


def test_a_margin_of_one_tolerance_leaves_both_ends_at_zero():
    support, against = sides(Leveled(Claim(kind="same", row="a", over=("b",), within=0.5), 0.05))
    assert [(atom.threshold, atom.above) for atom in support.atoms] == [(-0.5, True), (0.5, False)]
    assert [(atom.threshold, atom.above) for atom in against.atoms] == [(0.0, False), (0.0, True)]
    assert against.level == 0.025


def test_a_student_is_compared_with_its_teacher_as_with_a_constant():
    above = Claim(kind="teacher", row="PD")
    assert words(one_claim(above, {"PD": TEACHER + 2})) == [Word.SUPPORTED]
    assert words(one_claim(above, {"PD": TEACHER - 2})) == [Word.LESS]


def test_claims_share_alpha_and_atoms_against_a_claim_share_its_level():
    claims = paper_claims()
    evidence = evidence_of(claims, list(PAPER), 20)
    levels = [one.level for one in evidence.claims]
    assert levels == [pytest.approx(0.05 / 16)] * 16
    support, against = evidence.sides[10]
    assert (support.level, against.level) == (levels[10], pytest.approx(levels[10] / 7))
    weighted = [Claim(row="a", over=("b",), weight=0.75), Claim(row="c", over=("b",), weight=0.25)]
    assert [one.level for one in evidence_of(weighted, list("abc"), 4).claims] == pytest.approx([0.0375, 0.0125])


def test_a_seed_that_a_machine_lost_leaves_the_prefix_and_the_rest_counts():
    evidence = evidence_of([GAIN], ["student", "LD"], 8)
    evidence.add(Wave({**values({"student": 50.0, "LD": 54.0}, range(5)), ("LD", 1): None}))
    assert len(evidence.readings.differences(("LD", "student"))) == 4
    assert evidence.readings.left(("LD", "student")) == 7
    assert evidence.verdict(0).diverged == {}


@pytest.mark.parametrize(
    ("lost", "gain", "word"),
    [
        ("LD", 4.0, Word.UNDECIDED),
        ("LD", 0.0, Word.LESS),
        ("student", 4.0, Word.SUPPORTED),
        ("student", 0.0, Word.UNDECIDED),
    ],
)
def test_a_run_that_diverged_never_speaks_for_its_row(lost, gain, word):
    evidence = evidence_of([GAIN], ["student", "LD"], 8)
    seen = {**values({"student": 50.0, "LD": 50 + gain}, range(8)), (lost, 3): None}
    evidence.add(Wave(seen, frozenset({(lost, 3)})))
    verdict = evidence.verdict(0)
    assert (verdict.word, verdict.diverged) == (word, {lost: 1})


def test_rows_count_only_as_far_as_both_have_come_in_the_order_of_seeds():
    evidence = evidence_of([GAIN], ["student", "LD"], 8)
    evidence.add(Wave({("student", s): 50.0 for s in range(8)} | {("LD", s): 54.0 for s in (0, 1, 3, 4)}))
    assert len(evidence.readings.of["LD", "student"]) == 1
    evidence.add(Wave({("LD", 2): 54.5}))
    assert [(reading.n, reading.wave) for reading in evidence.readings.of["LD", "student"]] == [
        (2, 1), (3, 2), (4, 2), (5, 2)
    ]  # fmt: skip


def test_readings_do_not_change_once_they_are_made():
    rng = np.random.default_rng(2)
    draw = noisy(PAPER, 20, 0.8, rng)
    evidence = evidence_of(paper_claims(), list(PAPER), 20)
    evidence.add(wave_of({(row, s): draw(row, s) for row in PAPER for s in range(3)}))
    before = list(evidence.readings.of["pd", "student"])
    evidence.add(wave_of({(row, s): draw(row, s) for row in PAPER for s in range(3, 6)}))
    assert evidence.readings.of["pd", "student"][: len(before)] == before


def studies(rows, claims, sigma: float, count: int, cap: int = 20) -> tuple[float, float, float]:
    """Share of claims decided rightly, runs per study, share of studies with any wrong verdict."""
    rng, decided, runs, errors = np.random.default_rng(0), 0, 0, 0
    for _ in range(count):
        evidence = evidence_of(claims, list(rows), cap)
        runs += run_waves(evidence, noisy(rows, cap, sigma, rng))
        bad = wrong(evidence, rows)
        errors += bad
        decided += 0 if bad else sum(word is not Word.UNDECIDED for word in words(evidence))
    return decided / count / len(claims), runs / count, errors / count


def test_the_paper_s_table_is_decided_in_two_fifths_of_a_fixed_grid():
    decided, runs, errors = studies(PAPER, paper_claims(), 0.4, 60)
    assert decided > 0.97
    assert runs == pytest.approx(85, abs=5)  # of 11 rows x 20 seeds = 220
    assert errors <= 0.05


EQUAL = dict.fromkeys(PAPER, TEACHER)
"""No row differs."""
AT_THE_VALUE = {"student": TEACHER} | {row: TEACHER + 0.5 for row in PAPER if row != "student"}
"""Every row gains one tolerance: claims of any gain stand at their upper threshold."""


@pytest.mark.parametrize("rows", [EQUAL, AT_THE_VALUE], ids=["equal", "at the value"])
def test_few_studies_err_where_every_claim_stands_at_a_threshold(rows):
    assert studies(rows, paper_claims(), 0.8, 100)[2] <= 0.1  # .02 to .03 are expected


@pytest.mark.long
@pytest.mark.parametrize("sigma", [0.4, 0.8])
@pytest.mark.parametrize("rows", [EQUAL, AT_THE_VALUE], ids=["equal", "at the value"])
def test_at_most_one_in_twenty_studies_errs_at_all(rows, sigma):
    assert studies(rows, paper_claims(), sigma, 2000)[2] <= 0.065


@pytest.mark.parametrize("together", [-0.8, 0.0, 0.8])
def test_a_teacher_of_every_seed_is_compared_with_its_own_student(together):
    """At the threshold, however much the luck of a teacher passes on to its student, or works against it."""
    rng, studies, wrong_ = np.random.default_rng(3), 300, 0
    for _ in range(studies):
        evidence = evidence_of([Claim(kind="teacher", row="PD")], ["PD"], 6)
        taught = rng.normal(TEACHER, 1, 6)
        own = TEACHER + together * (taught - TEACHER) + np.sqrt(1 - together**2) * rng.normal(0, 1, 6)
        for seed in range(6):
            run = ("PD", seed)
            evidence.add(Wave({run: float(own[seed])}, taught={run: float(taught[seed])}))
        wrong_ += words(evidence) == [Word.SUPPORTED]  # more than 0 is shown, and the truth is 0
    assert wrong_ / studies <= 0.07  # of .05, within two standard errors


def test_a_run_that_noted_no_teacher_says_nothing_of_one():
    evidence = evidence_of([Claim(kind="teacher", row="PD")], ["PD"], 6)
    for seed in range(6):
        evidence.add(Wave({("PD", seed): TEACHER + 5 + seed / 10}))
    assert words(evidence) == [Word.UNDECIDED]
    assert evidence.readings.left(("PD", None)) == 6
