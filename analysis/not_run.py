"""The runs that a study asked for and that have no record: a table that left them out would look complete."""

from collections.abc import Iterable, Iterator
from typing import Any

from analysis.columns import config_columns
from study.nouns.promised import PlannedRun

NOT_RUN = "not_run"


def not_run(planned: Iterable[tuple[str, PlannedRun]], recorded: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The columns of planned runs without a record; a run that two studies share counts once.

    Args:
        planned: study and run of everything that is known of its plan.
        recorded: the key of every record, of other studies and under other labels too.
    """
    known = set(recorded)
    for study, run in planned:
        if run.config.key not in known:
            known.add(run.config.key)
            named = {"study": study, "key": run.config.key, "label": run.label, "role": run.role, "status": NOT_RUN}
            yield named | config_columns(run.config)
