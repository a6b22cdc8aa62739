"""How many seeds a fixed grid would take: what claims are planned by, and what their studies are measured against."""

import math

from scipy import stats

POWER = 0.9
MOST = 10_000


def seeds_for(effect: float, level: float, power: float = POWER) -> int:
    """Seeds at which a one-sided paired t-test shows a difference with this chance.

    Args:
        effect: distance of the difference from the threshold, in standard deviations of a difference; above 0.
        level: of the test.
        power: chance to show it.
    """
    return next((n for n in range(2, MOST) if power_of(effect, level, n) >= power), MOST)


def power_of(effect: float, level: float, seeds: int) -> float:
    """The chance that a one-sided paired t-test shows a difference with so many seeds; none with one."""
    if seeds < 2:
        return 0.0
    return float(stats.nct.sf(stats.t.isf(level, seeds - 1), seeds - 1, effect * math.sqrt(seeds)))
