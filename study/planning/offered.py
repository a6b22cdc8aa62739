"""What the driver needs to know of the trainables; `run_study.py` passes it, so that study/ imports none of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from study.nouns.config import DetectorConfig, TrialConfig
from study.nouns.metrics import Metric
from study.nouns.parameters import Called, Range

Resolve = Callable[[TrialConfig], TrialConfig]
"""Fills in what only the trainables know: defaults of a method's parameters, digests of data and checkpoints."""

Parameters = Callable[[DetectorConfig, bool], float]
"""Millions of parameters of a detector, as student or (true) as teacher."""


class Offered(NamedTuple):
    """The functions of `trainables.run`, under their own names."""

    trainable: Callable[[dict[str, Any]], None]
    """Trains the runs of a cohort (the contract stands in study/driver/launch.py)."""
    resolve: Resolve
    metrics_of: Callable[[TrialConfig], tuple[Metric, ...]]
    """What the evaluator of a run's data set declares."""
    weight_range: Callable[[TrialConfig], tuple[float, float]]
    """Low and high of a method's `weight`, where it is tuned."""
    learning_rate: Callable[[TrialConfig], float]
    """Of a run, its detector's own where it gives none."""
    search_space: Callable[[TrialConfig], dict[str, Range]]
    """Where a method is searched, by dotted key."""
    called: Callable[[TrialConfig], dict[str, Called]]
    """How people call the values of a run, by dotted key."""
