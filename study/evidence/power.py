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
    for n in range(2, MOST):
        critical = stats.t.isf(level, n - 1)
        if stats.nct.sf(critical, n - 1, effect * math.sqrt(n)) >= power:
            return n
    return MOST
