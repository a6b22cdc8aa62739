"""Runs as Ray Tune carries them to a trainable: whole, as JSON, with where their files lie and why they are made.

Of results in an object store only the URL is carried: each machine finds a scratch folder of its own.

What Tune schedules is a cohort: runs that train together. Fixed runs and suggestions of Optuna are carried alike: what
a suggestion changes is laid into its run before.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from study.nouns.config import TrialConfig
from study.nouns.overrides import validated
from study.nouns.promised import Role
from study.nouns.records import StudyFiles
from study.nouns.study_in_store import files_at


class Bar(NamedTuple):
    """What a run must not be worse than when an epoch is over, or it ends there."""

    epoch: int
    metric: str
    value: float
    sign: int
    """1 where larger values are better, else -1."""

    def held(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Whether a run may go on after an epoch with these metrics."""
        return epoch != self.epoch or self.metric not in metrics or (metrics[self.metric] - self.value) * self.sign >= 0


class Assignment(NamedTuple):
    """One run as a trainable receives it."""

    config: TrialConfig
    files: StudyFiles
    label: str
    role: Role
    varied: Mapping[str, Any] = {}
    """What a search varied in it, by dotted key."""
    bars: tuple[Bar, ...] = ()
    """Where it may end early."""


def carry(assigned: Iterable[Assignment]) -> dict[str, Any]:
    """What Tune's config of a cohort holds; the inverse of `compose`."""
    return {
        "runs": [
            {
                "trial": config.model_dump(mode="json"),
                "results": files.url or str(files.results),
                "study": files.study,
                "label": label,
                "role": role,
                "varied": varied,
                "bars": bars,
            }
            for config, files, label, role, varied, bars in assigned
        ]
    }


def compose(tune_config: Mapping[str, Any]) -> list[Assignment]:
    """Read the runs of a cohort out of what `carry` made.

    Raises:
        InputError: one is no run of this version.
    """
    return [_read(run) for run in tune_config["runs"]]


def _read(run: Mapping[str, Any]) -> Assignment:
    files = files_at(run["results"], run["study"])
    bars = tuple(Bar(*bar) for bar in run["bars"])
    return Assignment(validated(TrialConfig, run["trial"]), files, run["label"], run["role"], run["varied"], bars)
