"""Claims about made-up rows whose truth is known, and the loop that asks for seeds until they are decided."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from study.evidence.next_seeds import NextSeeds
from study.evidence.readings import Readings, Wave
from study.evidence.verdicts import Evidence, Word
from study.nouns.claims import POOLED_FROM, Claim, Rule, leveled

Draw = Callable[[str, int], float | None]
"""What a row gives on a seed; None: the run has no result."""
Results = Mapping[tuple[str, int], float | None]

TABLE_3 = {
    "student": 58.7, "fitnet": 58.7, "at": 59.5, "se_ssd": 59.9, "sp": 59.6, "crd": 58.7, "ofd": 60.1, "fbkd": 60.2,
    "pd": 62.1,
}  # fmt: skip
PAPER = {**TABLE_3, "ld": 61.2, "rl": 60.6}
TEACHER = 60.3


def gains(rows: Mapping[str, float]) -> list[Claim]:
    """Every row but the first over the first, at all."""
    first, *others = rows
    return [Claim(row=row, over=(first,)) for row in others]


def paper_claims() -> list[Claim]:
    """The layout P of the statistics' simulations: 16 claims about 11 rows."""
    earlier = tuple(TABLE_3)[1:-1]
    return [
        *gains(PAPER),
        Claim(kind="best", row="pd", over=earlier),
        Claim(kind="teacher", row="pd"),
        Claim(row="pd", over=("ld",)),
        Claim(row="pd", over=("rl",)),
        Claim(row="ld", over=("student",), value=2.5),
        Claim(row="pd", over=("student",), value=3.4),
    ]


def evidence_of(claims: Sequence[Claim], rows: Sequence[str], seeds: int, rule: Rule | None = None) -> Evidence:
    """The evidence of a study of one setting before its first wave."""
    rule = rule or Rule()
    prior = rule.prior if len(claims) >= POOLED_FROM else 0.0
    readings = Readings(
        dict.fromkeys(pair for claim in claims for pair in claim.pairs),
        range(seeds),
        rule.looked_at(seeds),
        dict.fromkeys(rows, "one"),
        {row: 0.0 if row in rule.own_noise else prior for row in rows},
    )
    return Evidence(leveled(claims, rule), readings)


def wave_of(results: Results, diverged: frozenset[tuple[str, int]] = frozenset()) -> Wave:
    """What a wave gave, its runs under one teacher."""
    return Wave(results, diverged, dict.fromkeys(results, TEACHER))


def run_waves(evidence: Evidence, draw: Draw, places: int = 1, ride: bool = True, diverged: bool = False) -> int:
    """Wave after wave until no claim asks for more; returns the number of runs."""
    runs = 0
    while wave := NextSeeds(evidence, give_up_below=0.1).wave(places, ride=ride):
        runs += len(wave)
        results: dict[tuple[str, int], float | None] = {run: draw(*run) for run in wave}
        lost = frozenset(run for run, value in results.items() if value is None and diverged)
        evidence.add(wave_of(results, lost))
    return runs


def noisy(rows: Mapping[str, float], seeds: int, sigma: float, rng: np.random.Generator) -> Draw:
    """Rows with their true means; differences have the standard deviation sigma, and seeds share one of 0.7."""
    shared = rng.normal(0, 0.7, seeds)
    own = {row: rng.normal(0, sigma / 2**0.5, seeds) for row in rows}
    return lambda row, seed: float(rows[row] + shared[seed] + own[row][seed])


def words(evidence: Evidence) -> list[Word]:
    """The verdicts by now."""
    return [evidence.verdict(number).word for number in range(len(evidence.claims))]


def true_words(claim: Claim, rows: Mapping[str, float]) -> set[Word]:
    """What may rightly be said of a claim; both between value minus tolerance and value."""
    differences = [rows[row] - (TEACHER if over is None else rows[over]) for row, over in claim.pairs]
    if claim.kind == "same":
        supported = all(abs(theta) < claim.within for theta in differences)
        less = any(abs(theta) > claim.within - claim.tolerance for theta in differences)
    else:
        supported = all(theta > claim.gained - claim.tolerance + 1e-9 for theta in differences)
        less = any(theta < claim.gained - 1e-9 for theta in differences)
    right = {Word.SUPPORTED} if supported else set()
    right |= {Word.LESS} if less else set()
    return right | ({Word.BETWEEN} if len(right) == 2 else set())


def wrong(evidence: Evidence, rows: Mapping[str, float]) -> bool:
    """Whether any verdict is wrong."""
    return any(
        word is not Word.UNDECIDED and word not in true_words(one.claim, rows)
        for one, word in zip(evidence.claims, words(evidence), strict=True)
    )
