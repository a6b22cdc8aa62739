"""How much p-values that are looked at again and again are worth: the boundary of a sequential test.

An atom (one difference against one threshold) is looked at after n_1 < ... < n_L seeds. Its sequential p-value is
G(min of p_i / w_i so far) with w_i = n_i / n_L, where G(c) is the chance that a walk of independent standard normals
ever passes z(1 - c w_i) sqrt(n_i). G comes from the recursion of Armitage, McPherson and Rowe (J. R. Stat. Soc. A 132,
1969) on Gauss-Legendre nodes. The bound is close to Wald's SPRT.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr, ndtri

NODES, TABLE = 200, 60
LEAST, MOST = 1e-7, 0.9
"""Ends of the table of c; below it log G is linear in log c, from 1 on G is 1."""
FLOOR = -8.0
"""The walk is followed from so many standard deviations below zero on."""


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(NODES)


class Boundary:
    """What a study's looks cost.

    Args:
        looks: numbers of seeds, rising.
    """

    def __init__(self, looks: Sequence[int]) -> None:
        self.looks = tuple(looks)
        self.weights = np.array(self.looks) / self.looks[-1]
        """w_i by look."""
        c = np.geomspace(LEAST, MOST, TABLE)
        self._c, self._g = np.log(c), np.log([_ever_passed(self.looks, one) for one in c])
        self._between = PchipInterpolator(self._c, self._g)
        self._nominal: dict[float, float] = {}

    def p(self, smallest: float) -> float:
        """G: the sequential p-value of the smallest p_i / w_i so far."""
        if smallest >= 1:
            return 1.0
        if smallest <= 0:
            return 0.0
        at = np.log(smallest)
        if at <= self._c[0]:
            return float(np.exp(self._g[0] + (at - self._c[0]) * self._slope))
        if at >= self._c[-1]:
            return float(np.interp(smallest, [MOST, 1.0], [np.exp(self._g[-1]), 1.0]))
        return float(np.exp(self._between(at)))

    def nominal(self, level: float) -> float:
        """The inverse of G: an atom passes a level once p_i <= w_i times this.

        Raises:
            ValueError: the level lies outside of what the table holds.
        """
        if level not in self._nominal:
            self._nominal[level] = self._inverse(level)
        return self._nominal[level]

    def _inverse(self, level: float) -> float:
        at = np.log(level)
        if at < self._g[0]:
            return float(np.exp(self._c[0] + (at - self._g[0]) / self._slope))
        if at > self._g[-1]:
            raise ValueError(f"a level is at most {np.exp(self._g[-1]):.2f}, got {level:g}")
        low, high = self._c[0], self._c[-1]
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self._between(middle) < at else (low, middle)
        return float(np.exp(low))

    def nominal_at(self, look: int, level: float) -> float:
        """The p at which an atom passes a level at its look of this index."""
        return float(self.weights[look]) * self.nominal(level)

    @property
    def _slope(self) -> float:
        return float((self._g[1] - self._g[0]) / (self._c[1] - self._c[0]))


@lru_cache(maxsize=32)
def boundary(looks: tuple[int, ...]) -> Boundary:
    """The boundary of these looks, worked out once."""
    return Boundary(looks)


def _ever_passed(looks: Sequence[int], c: float) -> float:
    """Chance that S_n / sqrt(n) >= z(1 - c n / n_L) at any look n."""
    at = mass = np.empty(0)
    seen, passed = 0, 0.0
    for n in looks:
        low, high = FLOOR * np.sqrt(n), -ndtri(min(c * n / looks[-1], 1 - 1e-16)) * np.sqrt(n)
        step = np.sqrt(n - seen)
        if seen:
            passed += float(mass @ ndtr((at - high) / step))
        else:
            passed += float(ndtr(-high / step))
        there = (high - low) / 2 * _NODES + (high + low) / 2
        density = _bell((there[:, None] - at) / step) @ mass / step if seen else _bell(there / step) / step
        at, mass, seen = there, density * _WEIGHTS * (high - low) / 2, n
    return passed


def _bell(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard normal density."""
    return np.exp(x * x / -2) / np.sqrt(2 * np.pi)
