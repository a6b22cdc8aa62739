"""What each look at a pair of rows saw: the sequence of readings that verdicts are made of.

Runs come in waves. A reading is made once, in the first wave after which both rows have finished their first n seeds in
the study's order, with the noise as that wave showed it, and never made again. So it does not matter in which order
the runs of a wave finish, or how often a study is killed and goes on.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from study.evidence.boundary import Boundary
from study.evidence.noise import NO_POOL, Pool, Scale, Values, moderated, own, pool

Pair = tuple[str, str | None]
"""Two rows, or a row and None for the teachers of its runs."""


class Wave(NamedTuple):
    """What the runs of a wave gave, larger values better: by row and seed; None where a run has no result."""

    results: Mapping[tuple[str, int], float | None]
    diverged: frozenset[tuple[str, int]] = frozenset()
    """Of those without a result, the runs whose loss was not finite: a failure of the row, not of a machine."""
    taught: Mapping[tuple[str, int], float] = {}
    """What the teacher of each run gives, of those that have one."""


class Reading(NamedTuple):
    """One look at one pair."""

    n: int
    """Seeds that both rows have finished."""
    wave: int
    """After which wave, from 1 on."""
    mean: float
    """Mean difference: row minus the other, or minus the teacher."""
    sd: float
    df: float

    def beyond(self, threshold: float, above: bool) -> float:
        """How far the mean lies on the side of the threshold that is asked about; negative on the other."""
        return (self.mean - threshold) * (1 if above else -1)

    def p(self, threshold: float, above: bool) -> float:
        """One-sided: how unlikely so much is, if the difference lay on the other side of the threshold."""
        distance = self.beyond(threshold, above)
        if self.sd == 0:
            return 0.0 if distance > 0 else 1.0
        return float(stdtr(self.df, -distance * math.sqrt(self.n) / self.sd))

    def half_width(self, p: float) -> float:
        """Of the interval that leaves p on each side."""
        return -float(stdtrit(self.df, p)) * self.sd / math.sqrt(self.n)


class Readings:
    """All looks at the pairs of a study, wave by wave.

    Args:
        pairs: the differences that claims are about.
        seeds: in the study's order.
        looks: numbers of seeds at which a pair is looked at.
        settings: by row, what it may share its noise with; a pair of two settings has a noise of its own.
        prior: by row, degrees of freedom by which its noise leans on that of its setting.
    """

    def __init__(
        self,
        pairs: Iterable[Pair],
        seeds: Sequence[int],
        looks: Sequence[int],
        settings: Mapping[str, str],
        prior: Mapping[str, float],
    ) -> None:
        self.seeds, self.looks, self.settings, self.prior = seeds, looks, settings, prior
        self.of: dict[Pair, list[Reading]] = {pair: [] for pair in pairs}
        self.wave = 0
        self._rows = {row: place for place, row in enumerate(settings)}
        self._columns = {seed: place for place, seed in enumerate(seeds)}
        self.values: Values = np.full((len(settings), len(seeds)), np.nan)
        """(rows, seeds), larger better; NaN where there is no result yet."""
        self._taught: Values = np.full(self.values.shape, np.nan)
        """The same of the teachers of these runs."""
        self._lost = np.zeros(self.values.shape, dtype=bool)
        self.diverged: dict[str, int] = {}
        """How many runs of a row diverged."""
        self.pools: dict[str, Pool] = {}
        """The noise by setting, after the last wave."""

    def add(self, wave: Wave) -> None:
        """Everything of a wave is over: make the readings that it allows."""
        self.wave += 1
        for (row, seed), value in wave.results.items():
            place = self._rows[row], self._columns[seed]
            self.values[place] = np.nan if value is None else value
            self._lost[place] = value is None
            self._taught[place] = wave.taught.get((row, seed), np.nan)
        for row, _ in wave.diverged:
            self.diverged[row] = self.diverged.get(row, 0) + 1
        names = np.array(list(self.settings.values()))
        self.pools = {name: pool(self.values[names == name]) for name in dict.fromkeys(self.settings.values())}
        for pair, readings in self.of.items():
            differences = self.differences(pair)
            for n in self.looks[len(readings) :]:
                if n > len(differences):
                    break
                readings.append(
                    Reading(n, self.wave, float(differences[:n].mean()), *self._scale(pair, differences[:n]))
                )

    @property
    def run(self) -> int:
        """How many runs the waves had."""
        return int((~np.isnan(self.values) | self._lost).sum())

    def count(self, row: str) -> int:
        """How far a row has come in the order of seeds: its seeds without a gap, the lost ones not counted."""
        place = self._rows[row]
        return self._whole(~np.isnan(self.values[place]) | self._lost[place])

    def differences(self, pair: Pair) -> Values:
        """Of a pair, over the longest run of first seeds that both have; a seed that one of them lost is left out."""
        row, other = (None if name is None else self._rows[name] for name in pair)
        mine, lost = self.values[row], self._lost[row]
        if other is None:
            taken = mine - self._taught[row]
            lost = lost | (~np.isnan(mine) & np.isnan(taken))
        else:
            taken, lost = mine - self.values[other], lost | self._lost[other]
        known = taken[: self._whole(~np.isnan(taken) | lost)]
        return known[~np.isnan(known)]

    def lose(self, row: str) -> None:
        """A row can have no more results."""
        place = self._rows[row]
        self._lost[place] |= np.isnan(self.values[place])

    def left(self, pair: Pair) -> int:
        """The most seeds that a pair can still have in all, as those that were lost are not made up for."""
        lost = np.zeros(len(self.seeds), dtype=bool)
        for name in pair:
            lost |= False if name is None else self._lost[self._rows[name]]
        return int((~lost).sum())

    def _whole(self, known: np.ndarray) -> int:
        return len(known) if known.all() else int(np.argmin(known))

    def _scale(self, pair: Pair, differences: Values) -> Scale:
        row, other = pair
        if other is None or self.settings[row] != self.settings[other]:
            # What runs of a seed share does not cancel. Where each seed has a teacher of its own, its student learned
            # from it: the two are paired, so that Welch's test, which takes them for independent, is not the one.
            return own(differences)
        return moderated(
            differences, self.pools.get(self.settings[row], NO_POOL), min(self.prior[row], self.prior[other])
        )


def interval(reading: Reading, look: int, bounds: Boundary, level: float) -> tuple[float, float]:
    """Low and high that hold at every look together: each side is wrong with the chance `level` at most."""
    half = reading.half_width(bounds.nominal_at(look, level))
    return reading.mean - half, reading.mean + half
