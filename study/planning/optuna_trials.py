"""What became of a suggestion, as Optuna keeps it: complete with its values, pruned where it was, or failed."""

from typing import Any

import optuna
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from study.nouns.records import RunRecord
from study.planning.goals import Goals

ANSWERS = ("finished", "pruned")
"""How a run ends that answers a suggestion."""
ANSWERED = (TrialState.COMPLETE, TrialState.PRUNED)


def tell(study: optuna.Study, trial: optuna.Trial, record: RunRecord | None, goals: Goals) -> None:
    """Close an open trial.

    Args:
        record: of its run; None where it has no result.
        goals: what the search looks for.
    """
    values, pruned = goals.values(record), _pruned_at(record, goals)
    if values is not None and record is not None:
        for name, excess in goals.excess(record).items():
            trial.set_constraint(name, excess)
        study.tell(trial, values)
        return
    for epoch, value in pruned.items():
        trial.report(value, epoch)
    study.tell(trial, state=TrialState.PRUNED if pruned else TrialState.FAIL)


def closed(
    trial: FrozenTrial | FixedTrial, record: RunRecord, goals: Goals, said: dict[str, Any]
) -> FrozenTrial | None:
    """A trial with what became of its run, made whole: a trial that is open elsewhere can be given no bounds.

    None where the run lacks what it is judged by.
    """
    if pruned := _pruned_at(record, goals):
        return create_trial(
            state=TrialState.PRUNED, params=trial.params, distributions=trial.distributions, user_attrs=said,
            intermediate_values=pruned,
        )  # fmt: skip
    if (values := goals.values(record)) is None:
        return None
    return create_trial(
        params=trial.params, distributions=trial.distributions, values=values, user_attrs=said,
        constraints=goals.excess(record),
    )  # fmt: skip


def _pruned_at(record: RunRecord | None, goals: Goals) -> dict[int, float]:
    """By epoch, what a pruned run had reached where it ended; empty for every other."""
    name = goals.objectives[0].name
    if record is None or record.status != "pruned" or name not in record.metrics:
        return {}
    return {record.epochs[-1].epoch: record.metrics[name]}
