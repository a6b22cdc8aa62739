"""The runs that a study promised and that have no record: a table that left them out would look complete."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from analysis.run_columns import config_columns
from study.nouns.config import TrainingConfig
from study.nouns.promised import PlannedRun, Promise

NOT_RUN = "not_run"


def not_run(
    planned: Iterable[tuple[str, PlannedRun]],
    recorded: Iterable[str],
    asked: Mapping[tuple[str, str], TrainingConfig] = {},
) -> Iterator[dict[str, Any]]:
    """The columns of planned runs without a record; a run that two studies share counts once.

    Args:
        planned: study and run of everything that is known of its plan.
        recorded: the key of every record, of other studies and under other labels too.
        asked: by study and label, of rows whose learning rate is tuned: their training before that.
    """
    known = set(recorded)
    for study, run in planned:
        if run.config.key not in known:
            known.add(run.config.key)
            named = {"study": study, "key": run.config.key, "label": run.label, "role": run.role, "status": NOT_RUN}
            yield named | config_columns(run.config, asked.get((study, run.label)))


def unasked(promised: Iterable[tuple[str, Promise]]) -> Iterator[dict[str, Any]]:
    """The columns of runs that Optuna has not chosen yet: known is what they vary, but no key and none of their values.

    Args:
        promised: study and what is left of each promise (`Plan.unasked`).
    """
    for study, promise in promised:
        columns = config_columns(promise.around)
        shared = {name: value for name, value in columns.items() if not name.startswith("parameters.")}
        named = {"study": study, "label": promise.label, "role": promise.role, "status": NOT_RUN}
        for number in range(1, promise.runs + 1):
            yield shared | named | {"key": unasked_key(study, promise, number)}


def unasked_key(study: str, promise: Promise, number: int) -> str:
    """What stands in the place of the key that a run has not got yet."""
    return f"to come: {study}, {promise.role} {promise.label} {number}"
