"""What is told of a study's claims, as plain data: for reports, for `--json`, for programs."""

import math
from collections.abc import Iterator

from study.evidence.best_set import BestSet, best_sets
from study.evidence.next_seeds import NextSeeds
from study.evidence.noise import residual_variance
from study.evidence.power import POWER, seeds_for
from study.evidence.readings import Pair, Reading, interval
from study.evidence.sentence import sentence
from study.evidence.verdicts import OVERALL, Evidence, Word
from study.nouns.claims import Claim, Rule
from study.nouns.frozen import Frozen

NOISY = 2.0
"""A row whose own noise is so many times that of all rows is named."""


class Look(Frozen):
    """One look at the difference between two rows; its interval holds 95 % of the time at all looks together."""

    n: int
    wave: int
    estimate: float
    low: float
    high: float


class Difference(Frozen):
    """What is known of two rows at the look that decided, or at the last one."""

    row: str
    over: str | None
    """None is the row's teacher."""
    n: int
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    claim_low: float | None = None
    """Of the interval at the claim's own level, which agrees with the verdict."""
    claim_high: float | None = None
    looks: tuple[Look, ...] = ()


class Answer(Frozen):
    """What may be said of one claim."""

    claim: Claim
    text: str
    verdict: Word
    sentence: str
    level: float
    """The error that it may make on each side."""
    wave: int | None
    later: Word | None
    differences: tuple[Difference, ...]
    deciding: int
    """Index of the difference that the verdict hangs on: the smallest, or of kind same the largest."""
    p_supported: float
    p_less: float
    diverged: dict[str, int]
    chance: float | None = None
    """Undecided: the chance that more seeds within the cap answer it."""
    given_up: bool = False
    """It waits, as that chance is small; not said where all seeds have run."""
    seeds_needed: int | None = None
    """Undecided: how many seeds it would take if the means stayed; None where no number would do."""
    cannot: tuple[Word, ...] = ()
    """Undecided: what cannot be said of it any more, because runs diverged."""


class Noise(Frozen):
    """How noisy the rows of one setting are."""

    rows: tuple[str, ...]
    sd_of_differences: float | None
    df: float
    pairing: float | None
    """How many times more seeds it would take if rows did not share them."""
    noisy_rows: dict[str, float] = {}
    """Rows with at least twice the noise of the others: by how much."""


class Answers(Frozen):
    """What a study says of its claims."""

    metric: str
    alpha: float
    cap: int
    waves: int
    claims: tuple[Answer, ...]
    noise: tuple[Noise, ...]
    best: tuple[BestSet, ...]
    """By setting, which rows may be the best; what was found afterwards, with an error of its own."""
    runs: int
    """Rows that the waves ran."""
    grid_seeds: int | None
    """Seeds of a fixed paired grid that shows a difference of one tolerance, as noisy as measured, with power .9."""
    grid_runs: int | None


def answers(evidence: Evidence, rule: Rule, metric: str) -> Answers:
    """What may be said by now."""
    readings = evidence.readings
    claims = tuple(answer(evidence, number, rule) for number in range(len(evidence.claims)))
    noise = tuple(_noise(evidence))
    sigmas = [one.sd_of_differences for one in noise if one.sd_of_differences]
    seeds = None
    if sigmas and evidence.claims:
        effect = min(one.claim.tolerance for one in evidence.claims) / max(sigmas)
        seeds = seeds_for(effect, min(one.level for one in evidence.claims), POWER)
    return Answers(
        metric=metric, alpha=rule.alpha, cap=readings.looks[-1], waves=readings.wave, claims=claims, noise=noise,
        best=tuple(best_sets(evidence, rule.alpha)), runs=readings.run, grid_seeds=seeds,
        grid_runs=None if seeds is None else seeds * len(readings.settings),
    )  # fmt: skip


def answer(evidence: Evidence, number: int, rule: Rule) -> Answer:
    """What may be said of the claim of this number by now."""
    next_seeds = NextSeeds(evidence, rule.give_up_below)
    one, verdict = evidence.claims[number], evidence.verdict(number)
    differences = tuple(_difference(evidence, pair, one.level, verdict.wave) for pair in one.claim.pairs)
    sizes = {at: found.estimate for at, found in enumerate(differences) if found.estimate is not None}
    deciding = min(sizes, key=lambda at: -abs(sizes[at]) if one.claim.kind == "same" else sizes[at], default=0)
    support, against = evidence.sides[number]
    undecided: dict[str, object] = {}
    if verdict.word is Word.UNDECIDED:
        chance, needed = next_seeds.chance(number), next_seeds.seeds_needed(number)
        cannot = tuple(word for word in (Word.SUPPORTED, Word.LESS) if evidence.spoiled(number, word))
        hopeless = math.isinf(needed) or not sizes or cannot
        seeds = None if hopeless else max(math.ceil(needed), differences[deciding].n + 1)
        undecided = {"chance": chance, "seeds_needed": seeds, "cannot": cannot}
        undecided["given_up"] = chance < next_seeds.give_up_below and differences[deciding].n < next_seeds.cap
    return Answer(
        claim=one.claim, text=one.claim.text(), verdict=verdict.word, level=one.level, wave=verdict.wave,
        sentence=sentence(one.claim, verdict, differences[deciding], undecided, evidence.readings.looks[-1]),
        later=verdict.later, differences=differences, deciding=deciding, diverged=verdict.diverged,
        p_supported=max(evidence.p(atom) for atom in support.atoms),
        p_less=min(1.0, len(against.atoms) * min(evidence.p(atom) for atom in against.atoms)), **undecided,
    )  # fmt: skip


def _difference(evidence: Evidence, pair: Pair, level: float, wave: int | None) -> Difference:
    looks = [reading for reading in evidence.readings.of[pair] if wave is None or reading.wave <= wave]
    if not looks:
        return Difference(row=pair[0], over=pair[1], n=len(evidence.readings.differences(pair)))
    last = looks[-1]
    low, high = interval(last, len(looks) - 1, evidence.bounds, OVERALL)
    claim_low, claim_high = interval(last, len(looks) - 1, evidence.bounds, level)
    return Difference(
        row=pair[0], over=pair[1], n=last.n, estimate=last.mean, low=low, high=high, claim_low=claim_low,
        claim_high=claim_high, looks=tuple(_looks(evidence, evidence.readings.of[pair])),
    )  # fmt: skip


def _looks(evidence: Evidence, readings: list[Reading]) -> Iterator[Look]:
    for at, reading in enumerate(readings):
        low, high = interval(reading, at, evidence.bounds, OVERALL)
        yield Look(n=reading.n, wave=reading.wave, estimate=reading.mean, low=low, high=high)


def _noise(evidence: Evidence) -> Iterator[Noise]:
    readings = evidence.readings
    for setting, pooled in readings.pools.items():
        rows = [row for row, name in readings.settings.items() if name == setting]
        known = pooled.df >= 1
        noisy = {}
        if known and pooled.variance > 0:
            values = readings.values[[list(readings.settings).index(row) for row in rows]]
            ratios = residual_variance(values) / pooled.variance
            noisy = {row: float(ratio) for row, ratio in zip(rows, ratios, strict=True) if ratio >= NOISY}
        yield Noise(
            rows=tuple(rows), sd_of_differences=math.sqrt(2 * pooled.variance) if known else None, df=pooled.df,
            pairing=pooled.pairing if known and pooled.variance > 0 else None, noisy_rows=noisy,
        )  # fmt: skip
