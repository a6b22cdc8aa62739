"""How many runs claims take to be decided, beside fixed paired grids of the same power; on made-up rows.

    python -m tests.benchmarks.bench_claims [--sigma 0.4] [--studies 300] [P H D T K 0 B]

Layouts are tables like the paper's: P its Tables 3 and 5 (16 claims about 11 rows), H with gains halved, D eight gains
drawn anew for each study, T Table 3 (15 claims), K eight settings of K and N that are alike, 0 no row differs, B every
gain is one tolerance, so that claims stand at their thresholds. Differences have the standard deviation sigma, and
seeds share one of 0.7. A planned grid has the seeds that show one tolerance with power 0.9; the grid of equal power is
the smallest whose t-tests decide as many claims rightly as ours do; ours may use 1.25 times the planned seeds.
"""

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from study.evidence.power import seeds_for
from study.evidence.verdicts import Side, Word, sides
from study.nouns.claims import Claim, Rule, leveled
from tests.study.evidence.made_up_claims import (
    PAPER,
    TABLE_3,
    TEACHER,
    evidence_of,
    gains,
    noisy,
    paper_claims,
    run_waves,
    true_words,
    words,
    wrong,
)  # fmt: skip

DRAWN = (0, 0.8, 1.2, 0.9, 0, 1.4, 1.5, 3.4, 2.5, 1.9, 1.4, 1.5, 2.9, 1, 1.3, 0.7, 0.6)
SETTINGS = (3.4, 3.3, 3.5, 3.2, 3.4, 3.6, 3.3, 3.4)


class Layout(NamedTuple):
    """Rows with their true means, and what is claimed of them."""

    rows: Mapping[str, float]
    claims: Sequence[Claim]


def layout(name: str, rng: np.random.Generator) -> Layout:
    """One study of a layout."""
    student = PAPER["student"]
    if name == "T":
        over = [Claim(row="pd", over=(row,)) for row in list(TABLE_3)[1:-1]]
        return Layout(TABLE_3, [*gains(TABLE_3), *over])
    if name == "D":
        drawn = [rng.choice(DRAWN) * (rng.random() >= 0.3) for _ in range(8)]
        rows = {"student": student} | {f"row {at}": student + gain for at, gain in enumerate(drawn)}
        return Layout(rows, gains(rows))
    if name == "K":
        rows = {"student": student} | {f"setting {at}": student + gain for at, gain in enumerate(SETTINGS)}
        first, *others = list(rows)[1:]
        return Layout(rows, [*gains(rows), Claim(kind="same", row=first, over=tuple(others))])
    means = {
        "P": PAPER,
        "H": {row: student + (mean - student) / 2 for row, mean in PAPER.items()},
        "0": dict.fromkeys(PAPER, TEACHER),
        "B": {row: TEACHER + 0.5 * (row != "student") for row in PAPER},
    }
    return Layout(means[name], paper_claims())


def ours(name: str, sigma: float, cap: int, studies: int) -> tuple[float, float, float]:
    """Share of claims decided rightly, runs of a study, share of studies with any wrong verdict."""
    rng, right, runs, errors, count = np.random.default_rng(1), 0, 0, 0, 0
    for _ in range(studies):
        rows, claims = layout(name, rng)
        evidence = evidence_of(claims, list(rows), cap)
        runs += run_waves(evidence, noisy(rows, cap, sigma, rng))
        errors += wrong(evidence, rows)
        right += sum(word in true_words(claim, rows) for claim, word in zip(claims, words(evidence), strict=True))
        count += len(claims)
    return right / count, runs / studies, errors / studies


def grid(name: str, sigma: float, seeds: int, studies: int) -> float:
    """Share of claims that paired t-tests on a fixed grid decide rightly."""
    rng, right, count = np.random.default_rng(2), 0, 0
    for _ in range(studies):
        rows, claims = layout(name, rng)
        draw = noisy(rows, seeds, sigma, rng)
        values = {row: np.array([draw(row, seed) for seed in range(seeds)]) for row in rows}
        for one in leveled(claims, Rule()):
            shown = {side.word for side in sides(one) if (all if side.all else any)(_shown(side, values, seeds))}
            word = Word.BETWEEN if len(shown) == 2 else next(iter(shown), Word.UNDECIDED)
            right += word in true_words(one.claim, rows)
            count += 1
    return right / count


def _shown(side: Side, values: Mapping[str, np.ndarray], seeds: int) -> Iterator[bool]:
    for (row, over), threshold, above in side.atoms:
        differences = values[row] - (TEACHER if over is None else values[over])
        t = (differences.mean() - threshold) * (1 if above else -1) / differences.std(ddof=1) * math.sqrt(seeds)
        yield stdtr(seeds - 1, -t) <= side.level


def equal_power(name: str, sigma: float, right: float, studies: int, most: int) -> int | None:
    """The smallest grid that decides as many claims rightly; None where none with at most so many seeds does."""
    low, high = 2, 2
    while grid(name, sigma, high, studies) < right:
        low, high = high, math.ceil(high * 1.5)
        if low > most:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if grid(name, sigma, middle, studies) >= right else (middle, high)
    return high


def main() -> None:
    """Print one line per layout."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("layouts", nargs="*", default=list("PHDTK0B"))
    parser.add_argument("--sigma", type=float, default=0.4)
    parser.add_argument("--studies", type=int, default=300)
    given = parser.parse_args()
    print(f"sigma {given.sigma:g}, {given.studies} studies of each layout")
    print("layout  rows claims  planned  equal   right     runs  /planned  /equal power  any wrong verdict")
    for name in given.layouts:
        rows, claims = layout(name, np.random.default_rng(0))
        planned = seeds_for(0.5 / given.sigma, 0.05 / len(claims))
        right, runs, errors = ours(name, given.sigma, math.ceil(1.25 * planned), given.studies)
        equal = equal_power(name, given.sigma, right, given.studies, 4 * planned)
        share = f"{runs / len(rows) / equal:.2f}" if equal else "-"
        print(
            f"{name:6} {len(rows):5} {len(claims):6} {planned:8} {equal or '-':>6} {right:7.3f} {runs:8.1f} "
            f"{runs / len(rows) / planned:9.2f} {share:>13} {errors:18.3f}"
        )


if __name__ == "__main__":
    main()
