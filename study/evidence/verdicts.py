"""What may be said of each claim: supported, less, between or undecided, with an error that holds however it stopped.

An atom is one difference on one side of one threshold. A claim is supported once all atoms of its support have passed
its level, and answered *less* once one of the atoms against it has passed the level divided by their number. An atom's
p-value is sequential (`boundary.py`), so it may be looked at after every seed.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from study.evidence.boundary import Boundary, boundary
from study.evidence.readings import Pair, Readings, Wave
from study.nouns.claims import Leveled

OVERALL = 0.025
"""Each side of a 95 % interval."""


class Word(StrEnum):
    """What is said of a claim."""

    SUPPORTED = "supported"
    """More than value minus tolerance is shown (or: every difference lies within)."""
    LESS = "less"
    """Less than the value is shown (or: a difference is outside of within minus tolerance)."""
    BETWEEN = "between"
    """Both were shown by the same wave: the truth lies between value minus tolerance and value."""
    UNDECIDED = "undecided"


class Atom(NamedTuple):
    """A pair's difference against a threshold."""

    pair: Pair
    threshold: float
    above: bool


class Side(NamedTuple):
    """One of the two answers to a claim, and what shows it."""

    atoms: tuple[Atom, ...]
    all: bool
    """Whether every atom has to pass, or one of them."""
    level: float
    """Of each atom."""

    @property
    def word(self) -> Word:
        """What is said where it is shown."""
        return Word.SUPPORTED if self.all else Word.LESS


def sides(one: Leveled) -> tuple[Side, Side]:
    """What supports a claim, and what speaks against it (intersection-union, and Bonferroni among the atoms)."""
    claim, level = one
    if claim.kind == "same":
        m, nearer = claim.within, claim.within - claim.tolerance
        inside = [Atom(pair, end, end < 0) for pair in claim.pairs for end in (-m, m)]
        outside = [Atom(pair, end, end > 0) for pair in claim.pairs for end in (-nearer, nearer)]
        if not nearer:  # both ends are 0: the one is passed from above, the other from below
            outside = [Atom(pair, 0.0, above) for pair in claim.pairs for above in (False, True)]
    else:
        inside = [Atom(pair, claim.gained - claim.tolerance, True) for pair in claim.pairs]
        outside = [Atom(pair, claim.gained, False) for pair in claim.pairs]
    return Side(tuple(inside), True, level), Side(tuple(outside), False, level / len(outside))


class Passed(NamedTuple):
    """When a side was shown."""

    word: Word
    wave: int


class Verdict(NamedTuple):
    """The answer to a claim by now."""

    word: Word
    wave: int | None
    """After which wave it was decided; None while it is not."""
    later: Word | None
    """What was shown too, by a later wave; it changes nothing."""
    diverged: dict[str, int]
    """How many runs of its rows diverged, of those that did."""


class Evidence:
    """The verdicts of a study, as its waves come in.

    Args:
        claims: with their levels.
        readings: the looks at their pairs.
    """

    def __init__(self, claims: Sequence[Leveled], readings: Readings) -> None:
        self.claims, self.readings = claims, readings
        self.sides = [sides(one) for one in claims]
        self._passed: list[list[Passed]] = [[] for _ in claims]
        self._smallest: dict[Atom, tuple[int, float]] = {}
        """By atom: of how many readings, the smallest p / w."""

    @cached_property
    def bounds(self) -> Boundary:
        """What the study's looks cost; worked out where it is first needed."""
        return boundary(tuple(self.readings.looks))

    def add(self, wave: Wave) -> None:
        """Everything of a wave is over."""
        self.readings.add(wave)
        for number, both in enumerate(self.sides):
            known = [passed.word for passed in self._passed[number]]
            for side in both:
                if side.word not in known and self.shown(side) and not self.spoiled(number, side.word):
                    self._passed[number].append(Passed(side.word, self.readings.wave))

    def verdict(self, number: int) -> Verdict:
        """What may be said of the claim of this number."""
        claim = self.claims[number].claim
        diverged = {row: n for row in claim.rows if (n := self.readings.diverged.get(row, 0))}
        passed = self._passed[number]
        if not passed:
            return Verdict(Word.UNDECIDED, None, None, diverged)
        first, last = passed[0], passed[-1]
        if first == last:
            return Verdict(first.word, first.wave, None, diverged)
        if first.wave == last.wave:
            return Verdict(Word.BETWEEN, first.wave, None, diverged)
        return Verdict(first.word, first.wave, last.word, diverged)

    def p(self, atom: Atom) -> float:
        """The sequential p-value of an atom by now."""
        return self.bounds.p(self._least(atom))

    def passed(self, side: Side, atom: Atom) -> bool:
        """Whether an atom is shown at its side's level."""
        return self._least(atom) <= self.bounds.nominal(side.level)

    def _least(self, atom: Atom) -> float:
        known, least = self._smallest.get(atom, (0, 1.0))
        readings = self.readings.of[atom.pair]
        for reading, weight in zip(readings[known:], self.bounds.weights[known:], strict=False):  # the looks so far
            least = min(least, reading.p(atom.threshold, atom.above) / weight)
        self._smallest[atom] = len(readings), least
        return least

    def shown(self, side: Side) -> bool:
        """Whether a side is shown."""
        return (all if side.all else any)(self.passed(side, atom) for atom in side.atoms)

    def spoiled(self, number: int, word: Word) -> bool:
        """Whether a claim cannot be answered so any more.

        A run that diverged is no evidence for its row, and none against a row whose rival it was.
        """
        claim, diverged = self.claims[number].claim, self.readings.diverged.keys()
        if word is Word.SUPPORTED:
            return claim.row in diverged or (claim.kind == "same" and not diverged.isdisjoint(claim.over))
        return not diverged.isdisjoint(claim.over)
