"""Which rows may be the best: those that no other row beats.

A best that is found afterwards was chosen by its luck, so no verdict calls it the best. What can be said is who is not:
a row is out once another one is better at the level alpha / (R - 1), one-sided, at any look. The row that is truly the
best meets R - 1 such tests, so it stays with a chance of at least 1 - alpha (subset selection; Hsu, Multiple
Comparisons, 1996).
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from study.evidence.readings import Pair
from study.evidence.verdicts import Atom, Evidence
from study.nouns.frozen import Frozen

FEWEST = 3
"""Two rows are a claim of their own."""


class BestSet(Frozen):
    """The rows of one setting among which the best one is."""

    rows: tuple[str, ...]
    """All that were compared."""
    unbeaten: tuple[str, ...]
    """Those that none of them beats."""


def rivals(settings: Mapping[str, str]) -> list[Pair]:
    """Every two rows of a setting that has enough of them.

    Args:
        settings: by row, equal for rows that may be compared.
    """
    return [pair for rows in _groups(settings) for pair in combinations(rows, 2)]


def best_sets(evidence: Evidence, alpha: float) -> Iterator[BestSet]:
    """The best set of every setting whose rows have been looked at.

    Args:
        evidence: with the readings of `rivals`.
        alpha: chance that the best row is not in its set.
    """
    readings = evidence.readings
    for group in _groups(readings.settings):
        rows = [row for row in group if any(readings.of.get(pair) for pair in _with(row, group))]
        if len(rows) >= FEWEST:
            level = alpha / (len(rows) - 1)
            beaten = {row for row in rows for other in rows if other != row and _beats(evidence, other, row, level)}
            yield BestSet(rows=tuple(rows), unbeaten=tuple(row for row in rows if row not in beaten))


def _beats(evidence: Evidence, one: str, other: str, level: float) -> bool:
    if one in evidence.readings.diverged:  # what is left of its runs flatters it
        return False
    known = evidence.readings.of
    atom = Atom((one, other), 0.0, True) if (one, other) in known else Atom((other, one), 0.0, False)
    return evidence.p(atom) <= level


def _with(row: str, group: Iterable[str]) -> Iterator[Pair]:
    for other in group:
        yield row, other
        yield other, row


def _groups(settings: Mapping[str, str]) -> list[list[str]]:
    names = dict.fromkeys(settings.values())
    groups = [[row for row, setting in settings.items() if setting == name] for name in names]
    return [rows for rows in groups if len(rows) >= FEWEST]
