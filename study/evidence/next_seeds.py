"""Which rows need which seeds next: those of the claims that are cheapest to decide, as long as claims are open."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from scipy.special import ndtr, ndtri

from study.evidence.readings import Pair
from study.evidence.verdicts import Atom, Evidence, Side, Word

Run = tuple[str, int]
"""A row and a seed."""
GIVES_UP_FROM = 5
"""Seeds that a claim must have before it may be given up."""


class Costs(NamedTuple):
    """What runs take, in seconds of a device: each its own steps, and the runs of one seed their batches and teacher.

    Without any measured yet, runs are counted.
    """

    own: Mapping[str, float] = {}
    """Of a run, by row."""
    stream: Mapping[str, float] = {}
    """Of a seed of a setting, by setting."""

    def of(self, runs: Iterable[Run], settings: Mapping[str, str]) -> float:
        """Seconds that these runs take."""
        runs = list(runs)
        streams = {(settings[row], seed) for row, seed in runs}
        return sum(self.own.get(row, 1.0) for row, _ in runs) + sum(self.stream.get(name, 0.0) for name, _ in streams)


class NextSeeds:
    """What to run after the waves so far.

    Args:
        evidence: of all waves so far.
        give_up_below: a claim with a smaller chance of an answer within its seeds waits.
        costs: what runs take.
    """

    def __init__(self, evidence: Evidence, give_up_below: float, costs: Costs = Costs()) -> None:  # noqa: B008
        self.evidence, self.readings, self.give_up_below, self.costs = evidence, evidence.readings, give_up_below, costs
        self.cap = self.readings.looks[-1]

    @property
    def open(self) -> list[int]:
        """The claims that are undecided and may be decided by more seeds, cheapest first."""
        undecided = [number for number in range(len(self.evidence.claims)) if self._asks(number)]
        return sorted(undecided, key=lambda number: self.costs.of(self._until_decided(number), self.readings.settings))

    def wave(self, places: int, most: int | None = None, ride: bool = True) -> list[Run]:
        """The runs to start together; none where no claim is open.

        Args:
            places: how many seeds (of a setting) can run at once.
            most: how many runs may be started; None is any number.
            ride: take along what other open claims need of a seed that is started anyway: its batches and its teacher
                are paid once. Else the cheapest claims alone are served.
        """
        if not self.readings.wave:
            seeds = self.readings.seeds[: self.readings.looks[0]]
            first = [(row, seed) for seed in seeds for row in self.readings.settings if not self.readings.count(row)]
            return first if most is None or len(first) <= most else []
        wave: dict[Run, None] = {}
        order = self.open
        for ahead in range(1, len(self.readings.looks) + 1):
            for number in order:
                step = [run for run in self._step(number, ahead) if run not in wave]
                if not step or (most is not None and len(wave) + len(step) > most):
                    continue
                streams = {self._stream(run) for run in wave}
                new = {self._stream(run) for run in step} - streams
                if wave and (len(streams | new) > places if new else not ride):
                    continue
                wave |= dict.fromkeys(step)
            if len({self._stream(run) for run in wave}) >= places:
                break
        return sorted(wave, key=lambda run: self.readings.seeds.index(run[1]))

    def chance(self, number: int) -> float:
        """The predictive chance that more seeds will answer a claim, whichever way.

        With fewer than five seeds it is not judged, and 1.
        """
        support, against = self.evidence.sides[number]
        if min(len(self.readings.differences(atom.pair)) for atom in support.atoms) < GIVES_UP_FROM:
            return 1.0
        chances = [min(self._chance(support, atom) for atom in support.atoms)]
        chances.append(max(self._chance(against, atom) for atom in against.atoms))
        words = (Word.SUPPORTED, Word.LESS)
        return max(0.0 if self.evidence.spoiled(number, w) else c for w, c in zip(words, chances, strict=True))

    def seeds_needed(self, number: int) -> float:
        """How many seeds a claim would take if its means stayed; infinite where they lie on a threshold."""
        support, against = self.evidence.sides[number]
        to_support = max((self._needs(support, atom) for atom in self._open_atoms(support)), default=0.0)
        return min(to_support, *(self._needs(against, atom) for atom in against.atoms))

    def _asks(self, number: int) -> bool:
        claim = self.evidence.claims[number].claim
        return (
            not claim.exploratory
            and self.evidence.verdict(number).word is Word.UNDECIDED
            and not all(self.evidence.spoiled(number, word) for word in (Word.SUPPORTED, Word.LESS))
            and any(True for _ in self._open_pairs(number))
            and self.chance(number) >= self.give_up_below
        )

    def _open_atoms(self, support: Side) -> list[Atom]:
        return [atom for atom in support.atoms if not self.evidence.passed(support, atom)]

    def _open_pairs(self, number: int) -> Iterator[Pair]:
        """Pairs that still have to show something, and have seeds left for it."""
        for pair in dict.fromkeys(atom.pair for atom in self._open_atoms(self.evidence.sides[number][0])):
            if self._later(pair):
                yield pair

    def _later(self, pair: Pair) -> list[int]:
        """The looks that a pair has not reached and still can."""
        n, most = len(self.readings.differences(pair)), self.readings.left(pair)
        return [look for look in self.readings.looks if n < look <= most]

    def _step(self, number: int, ahead: int) -> list[Run]:
        """What brings every open pair of a claim so many looks further, unless it will probably be decided before."""
        runs: list[Run] = []
        needed = self.seeds_needed(number)
        for pair in self._open_pairs(number):
            later = self._later(pair)
            look = later[min(ahead, len(later)) - 1]
            if ahead == 1 or (ahead <= len(later) and later[ahead - 2] < needed):
                runs += self._up_to(pair, look)
        return list(dict.fromkeys(runs))

    def _until_decided(self, number: int) -> list[Run]:
        """The runs that a claim will take if its means stay; those of its next look at least."""
        runs = self._step(number, 1)
        needed = self.seeds_needed(number)
        for pair in self._open_pairs(number):
            last = self._later(pair)[-1]
            runs += self._up_to(pair, last if math.isinf(needed) else min(last, math.ceil(needed)))
        return list(dict.fromkeys(runs))

    def _up_to(self, pair: Pair, look: int) -> Iterator[Run]:
        """The runs that bring a pair to so many seeds, if none is lost any more."""
        lost = len(self.readings.seeds) - self.readings.left(pair)
        for row in pair:
            if row is not None:
                for seed in self.readings.seeds[self.readings.count(row) : look + lost]:
                    yield row, seed

    def _stream(self, run: Run) -> tuple[str, int]:
        return self.readings.settings[run[0]], run[1]

    def _chance(self, side: Side, atom: Atom) -> float:
        """Predictive chance that an atom passes at its last look."""
        if self.evidence.passed(side, atom):
            return 1.0
        later, readings = self._later(atom.pair), self.readings.of[atom.pair]
        if not later or not readings:
            return 0.0
        n, last = readings[-1].n, later[-1]
        t = self._distance(atom) * math.sqrt(n)
        bound = -ndtri(last / self.cap * self.evidence.bounds.nominal(side.level))
        return float(ndtr((t * math.sqrt(last / n) - bound) / math.sqrt((last - n) / n)))

    def _needs(self, side: Side, atom: Atom) -> float:
        """The first look at which an atom would pass if its mean stayed; past the last one, by the root of n."""
        distance = self._distance(atom)
        if distance <= 0:
            return math.inf
        nominal = self.evidence.bounds.nominal(side.level)
        for look in self.readings.looks:
            if distance * math.sqrt(look) >= -ndtri(look / self.cap * nominal):
                return look
        return float((ndtri(nominal) / distance) ** 2)

    def _distance(self, atom: Atom) -> float:
        """How far the mean lies on the atom's side of its threshold, in standard deviations of a difference."""
        readings = self.readings.of[atom.pair]
        if not readings:
            return 0.0
        last = readings[-1]
        distance = last.beyond(atom.threshold, atom.above)
        return distance / last.sd if last.sd > 0 else math.copysign(math.inf, distance)
