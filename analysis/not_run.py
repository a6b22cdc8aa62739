"""The runs that a study asked for and that have no record: a table that left them out would look complete."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from analysis.run_columns import config_columns
from study.nouns.config import TrialConfig
from study.nouns.records import Role, StudyFiles

NOT_RUN = "not_run"


class Promised(NamedTuple):
    """A run that a study asked for."""

    study: str
    label: str
    config: TrialConfig
    role: Role = "row"


def promised(files: StudyFiles, study: str) -> list[Promised]:
    """The runs of a study's plan.

    Raises:
        InputError: plan.json is no plan.
    """
    found = []
    run: Any
    for run in files.read_plan():
        label, config, *role = (run.label, run.config, run.role) if hasattr(run, "role") else run
        found.append(Promised(study, label, config, *role))
    return found


def not_run(asked: Iterable[Promised], recorded: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The columns of promised runs without a record; a run that two studies share counts once.

    Args:
        asked: what the studies promised, under final keys.
        recorded: the key of every record, of other studies and under other labels too.
    """
    known = set(recorded)
    for run in asked:
        if run.config.key not in known:
            known.add(run.config.key)
            here = {"study": run.study, "key": run.config.key, "label": run.label, "role": run.role, "status": NOT_RUN}
            yield here | config_columns(run.config)
