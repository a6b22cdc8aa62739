"""One run as Ray Tune carries it to a trainable.

Tune's config of a run is flat: the base run as JSON under `trial`, where its files lie, and beside them the dotted
overrides that make this run (`parameters.neighbors: 12`), so a suggestion of Optuna and a `--set` of the command
line are one and the same thing.
"""

from pathlib import Path
from typing import Any, NamedTuple

from study.nouns.config import TrialConfig
from study.nouns.overrides import override, validated
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
    """Read a run out of Tune's config: base run plus dotted overrides.

    Raises:
        InputError: an override that does not exist or is out of range.
    """
    rest = dict(tune_config)
    base = validated(TrialConfig, rest.pop("trial"))
    study = rest.pop("study")
    files = StudyFiles(Path(rest.pop("results")), study, shared=study == TEACHERS)
    label, role = rest.pop("label"), rest.pop("role")
    return Assignment(override(base, rest), files, label, role)


def carry(run: PlannedRun, files: StudyFiles) -> dict[str, Any]:
    """The inverse of `compose` for a run without overrides."""
    return {
        "trial": run.config.model_dump(mode="json"),
        "results": str(files.results),
        "study": files.study,
        "label": run.label,
        "role": run.role,
    }
