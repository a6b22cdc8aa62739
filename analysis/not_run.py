"""The runs that a study asked for and that have no record: a table that left them out would look complete."""

from collections.abc import Iterable, Iterator
from typing import Any

from analysis.columns import config_columns
from study.nouns.config import TrialConfig

NOT_RUN = "not_run"


def not_run(planned: Iterable[tuple[str, str, TrialConfig]], recorded: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The columns of planned runs without a record; a run that two studies share counts once.

    Args:
        planned: study, label and resolved config of every fixed run.
        recorded: the key of every record, of other studies and under other labels too.
    """
    known = set(recorded)
    for study, label, config in planned:
        if config.key not in known:
            known.add(config.key)
            yield {"study": study, "key": config.key, "label": label, "status": NOT_RUN, **config_columns(config)}
