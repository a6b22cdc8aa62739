"""The best run of a search, repeated on seeds that chose nothing: what it gives there may be believed."""

from collections.abc import Iterable

from study.nouns.config import TrialConfig
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun, Promise
from study.nouns.records import RunRecord
from study.nouns.spec import StudySpec
from study.planning.goals import Goals

LABEL = "best of the search"


def confirmations(spec: StudySpec, goals: Goals, found: Iterable[RunRecord | None]) -> list[PlannedRun]:
    """The best of the runs that a search found, on every seed of `search.confirm`; none where it found nothing.

    Args:
        spec: a completed study.
        goals: what its search looks for.
        found: its finished runs, None for one without a result.
    """
    seeds = spec.search.confirm if spec.search is not None else ()
    best = goals.best([record for record in found if record is not None]) if seeds else None
    if best is None:
        return []
    return [
        PlannedRun(role="confirmation", label=LABEL, config=override(best.config, {"dataset.apart": 0.0, "seed": seed}))
        for seed in seeds
    ]


def promised(spec: StudySpec, known: int | None, around: TrialConfig) -> Promise:
    """So many confirmations there will be.

    Args:
        known: how many have a run of their own, as a row may be the same run; None: which they are is not known yet.
        around: the run around which is searched.
    """
    seeds = spec.search.confirm if spec.search is not None else ()
    return Promise(role="confirmation", label=LABEL, runs=len(seeds) if known is None else known, around=around)
