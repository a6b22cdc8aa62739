"""What may be claimed, and what is refused before the first run."""

import pytest

from study.nouns.claims import Claim, Rule, leveled
from study.nouns.errors import InputError
from study.nouns.overrides import validated
from study.nouns.spec import StudySpec

GAIN = {"row": "LD", "over": ["student"], "value": 2.5}


def study(*claims: dict, seeds: int = 6, **rule) -> StudySpec:
    points = [{"label": label} for label in ("student", "LD", "RL", "K 16", "K 32")]
    content = {"name": "a", "question": "?", "points": points, "seeds": list(range(seeds)), "rule": rule}
    return validated(StudySpec, {**content, "claims": list(claims)})


@pytest.mark.parametrize(
    ("claim", "complaint"),
    [
        ({"row": "LD", "over": ["studnt"]}, "unknown row .*'studnt'. Did you mean 'student'"),
        ({**GAIN, "value": -2.5}, "value must be at least the tolerance.* swap row and over"),
        ({**GAIN, "value": 0.1}, "value must be at least the tolerance.* lower the tolerance"),
        ({**GAIN, "tolerance": 0}, "tolerance: Input should be greater than 0"),
        ({"kind": "same", "row": "K 16", "over": ["K 32"], "within": 0}, "within .* must be at least its tolerance"),
        ({"kind": "same", "row": "K 16", "over": ["K 32"], "value": 1}, "same has no value"),
        ({"row": "LD", "over": ["student", "RL"]}, "gain is over one row"),
        ({"kind": "best", "row": "LD"}, "best is over one row or more"),
        ({"kind": "teacher", "row": "LD", "over": ["RL"]}, "teacher is about one row"),
        ({"row": "LD", "over": ["LD"]}, "rows of a claim must differ"),
        ({**GAIN, "weight": 0.4}, "add up to 1"),
    ],
)
def test_a_claim_that_says_nothing_sensible_is_refused(claim, complaint):
    with pytest.raises(InputError, match=complaint) as refused:
        study(claim)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "other",
    [
        {"row": "student", "over": ["LD"]},
        {"kind": "best", "row": "student", "over": ["RL", "LD"]},
        {"kind": "same", "row": "LD", "over": ["student"]},
        {"kind": "same", "row": "student", "over": ["LD"], "within": 2},
    ],
)
def test_claims_that_cannot_both_hold_are_refused(other):
    with pytest.raises(InputError, match="contradict each other: of LD and student"):
        study(GAIN, other)


def test_claims_that_can_both_hold_are_fine():
    near = {"kind": "same", "row": "LD", "over": ["student"], "within": 3}
    assert len(study(GAIN, {"row": "LD", "over": ["student"]}, near).claims) == 3


def test_a_claim_is_stated_once():
    with pytest.raises(InputError, match="stated twice"):
        study(GAIN, GAIN)


def test_claims_need_two_seeds_and_looks_that_end_with_all_of_them():
    with pytest.raises(InputError, match="at least two seeds, got 1"):
        study(GAIN, seeds=1)
    for looks in ([1, 6], [2, 4], [2, 2, 6], [4, 3, 6]):
        with pytest.raises(InputError, match=r"rule.looks must rise from 2 or more to the 6 seeds"):
            study(GAIN, looks=looks)
    assert study(GAIN, looks=[2, 4, 6]).rule.looked_at(6) == (2, 4, 6)
    assert Rule().looked_at(4) == (2, 3, 4)


def test_exploratory_claims_have_an_alpha_of_their_own():
    claims = [Claim(row="a", over=("b",)), Claim(row="c", over=("b",)), Claim(row="a", over=("c",), exploratory=True)]
    assert [one.level for one in leveled(claims, Rule())] == [0.025, 0.025, 0.05]


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        (Claim(row="LD", over=("student",), value=2.5), "LD gains 2.5 over student"),
        (Claim(kind="best", row="PD", over=("a", "b"), value=1.9), "PD is better than each of a, b by 1.9"),
        (Claim(kind="same", row="K 16", over=("K 32", "K 64")), "K 16 is within 1 of K 32 and K 64"),
        (Claim(kind="teacher", row="PD"), "PD is better than its teacher by 0.5"),
    ],
)
def test_a_claim_reads_as_a_sentence(claim, text):
    assert claim.text() == text
