"""Where a run that tries values ends early: at fixed epochs, if it is behind most of those that were there before it.

The bars are worked out when a run is assigned, from the records of that moment, and carried with it. So whoever trains
it needs to know no other run, and a cohort that is killed goes on under the same bars.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from study.nouns.assignment import Bar
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.metrics import Metric
from study.nouns.records import RunRecord
from study.nouns.spec import Pruning


def bars(pruning: Pruning | None, metric: Metric, records: Sequence[RunRecord]) -> tuple[Bar, ...]:
    """What a run must reach at which epochs, after the runs whose records are given.

    Args:
        pruning: the rule; None: nothing ends early.
        metric: by which runs are compared.
        records: of runs with results, those that were pruned included, as far as they came.
    """
    return tuple(_bars(pruning, metric, records)) if pruning is not None else ()


def check(pruning: Pruning | None, run: TrialConfig, what: str) -> None:
    """Make sure that runs are validated where they are to be compared, before their last epoch.

    Args:
        what: names the rule to people.

    Raises:
        InputError: an epoch at which nothing is compared, or a run of several processes.
    """
    if pruning is None:
        return
    every, last = run.training.validate_every, run.training.epochs
    for epoch in pruning.epochs:
        if epoch % every or epoch >= last:
            raise InputError(
                f"{what}.epochs={epoch}: runs are validated every {every} epochs and end with epoch {last}; give "
                f"multiples of {every} below {last}"
            )
    if run.training.devices > 1:
        raise InputError(f"{what}: a run of training.devices={run.training.devices} processes cannot end early")


def _bars(pruning: Pruning, metric: Metric, records: Iterable[RunRecord]) -> Iterator[Bar]:
    curves = [{epoch.epoch: epoch.metrics for epoch in record.epochs} for record in records]
    for epoch in pruning.epochs:
        known = [metric.sign * curve[epoch][metric.name] for curve in curves if metric.name in curve.get(epoch, {})]
        if len(known) >= pruning.after:
            last = sorted(known, reverse=True)[max(1, math.floor(pruning.keep * len(known))) - 1]
            yield Bar(epoch, metric.name, metric.sign * last, metric.sign)
