"""Who wins among the weights of a row: the best of single noisy runs, or of the means of finalists that ran again.

The best single run is mostly a lucky one. So the best few run again on fresh seeds, and the row's own weight, which
nobody picked for its luck, stays unless another is better by more than the noise.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev


def best(scores: Mapping[float, float], start: float) -> float | None:
    """The weight with the largest score, of equal ones the nearest to the start; None where there is none."""
    return next(iter(_in_order(scores, start)), None)


def finalists(scores: Mapping[float, float], start: float, count: int) -> list[float]:
    """The best weights, so many; the start is one of them wherever it has a score."""
    order = _in_order(scores, start)
    if start in order[count:]:
        return [*order[: count - 1], start]
    return order[:count]


def winner(scores: Mapping[float, Sequence[float | None]], start: float) -> float | None:
    """The weight with the best mean, or the start within one standard error of the difference, paired by seed.

    Args:
        scores: of each finalist, seed by seed, in the same order; a weight with a run that failed (None) is out.
        start: the row's own weight.

    Returns:
        None where no weight is left.
    """
    whole = {value: [score for score in row if score is not None] for value, row in scores.items() if None not in row}
    first = best({value: fmean(row) for value, row in whole.items()}, start)
    if first is None or start not in whole:
        return first
    gains = [one - own for one, own in zip(whole[first], whole[start], strict=True)]
    return start if len(gains) > 1 and fmean(gains) <= stdev(gains) / math.sqrt(len(gains)) else first


def _in_order(scores: Mapping[float, float], start: float) -> list[float]:
    return sorted(scores, key=lambda value: (-scores[value], abs(math.log(value / start))))
