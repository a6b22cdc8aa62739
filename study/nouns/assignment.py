"""One run as Ray Tune carries it to a trainable: whole, as JSON, with where its files lie and why it is made.

Fixed runs and suggestions of Optuna are carried alike: what a suggestion changes is laid into its run before.
"""

from pathlib import Path
from typing import Any, NamedTuple

from study.nouns.config import TrialConfig
from study.nouns.overrides import validated
from study.nouns.promised import PlannedRun, Role
from study.nouns.records import StudyFiles
from study.nouns.spec import TEACHERS


class Assignment(NamedTuple):
    """One run as a trainable receives it."""

    config: TrialConfig
    files: StudyFiles
    label: str
    role: Role


def compose(tune_config: dict[str, Any]) -> Assignment:
    """Read a run out of what `carry` made.

    Raises:
        InputError: it is no run of this version.
    """
    study = tune_config["study"]
    files = StudyFiles(Path(tune_config["results"]), study, shared=study == TEACHERS)
    return Assignment(validated(TrialConfig, tune_config["trial"]), files, tune_config["label"], tune_config["role"])


def carry(run: PlannedRun, files: StudyFiles) -> dict[str, Any]:
    """What Tune's config of a run holds; the inverse of `compose`."""
    return {
        "trial": run.config.model_dump(mode="json"),
        "results": str(files.results),
        "study": files.study,
        "label": run.label,
        "role": run.role,
    }
