"""Which runs may train together, on one stream of batches and under one teacher.

They have the same data, detector family and placement, batch size, seed and teacher; methods, hyper-parameters,
compressions, learning rates and lengths may differ. Never runs of different seeds: they would see the same scans in the
same order, and the spread over seeds would be understated.
"""

import json
from math import ceil

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.spec import Budget

MOST = 16
"""Runs of a cohort at most, where the study leaves it open. So many full-size PointPillars students fit 12 GiB."""


def stream_of(config: TrialConfig) -> str:
    """Equal for runs that may train together."""
    if config.method == "teacher" or config.training.devices > 1:
        return config.key
    shared = {
        "data": config.dataset.model_dump(mode="json"),
        "detector": config.detector.model_dump(mode="json", exclude={"compression"}),
        "batches": config.training.model_dump(include={"batch_size", "repeat", "drop_last", "amp"}),
        "seed": config.seed,
        "teacher": config.teacher_run().key,
    }
    return json.dumps(shared, sort_keys=True)


def size(budget: Budget, waiting: int, free: int, most: int = MOST) -> int:
    """How many of the runs that wait start together, where so many cohorts find room now."""
    return budget.cohort or max(1, min(most, ceil(waiting / max(1, free))))


def check_alone(budget: Budget, config: TrialConfig) -> None:
    """Refuse cohorts of runs that train with several processes.

    Raises:
        InputError: one is asked for.
    """
    if (budget.cohort or 1) > 1 and config.training.devices > 1:
        raise InputError(
            f"budget.cohort={budget.cohort} and training.devices={config.training.devices}: a run of several processes "
            "trains by itself, as a student that fails would have to leave in all of them at the same step; set "
            "budget.cohort to 1 or null"
        )
