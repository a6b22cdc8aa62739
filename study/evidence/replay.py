"""The evidence of a study from its plan and its records: wave after wave, as they were planned.

Whoever reads it (the planner, a report, a program) comes to the same verdicts: they follow from the waves that the plan
keeps and from the records of their runs, in whatever order these were written.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping

from study.evidence.best_set import rivals
from study.evidence.readings import Readings, Wave
from study.evidence.verdicts import Evidence
from study.nouns.claims import leveled, pools
from study.nouns.config import TrialConfig
from study.nouns.metrics import Metric
from study.nouns.promised import PlannedRun
from study.nouns.records import RunRecord
from study.nouns.spec import StudySpec

Ended = Callable[[PlannedRun], RunRecord | None]
"""The record of a run that is over, finished or failed; None for one that has to run."""


def setting_of(config: TrialConfig) -> str:
    """Equal for runs whose noise is taken to be the same: data, detector and training, but for the learning rate."""
    identity = config.identity()
    rate = ("learning_rate", "scale_learning_rate")
    training = {name: value for name, value in identity["training"].items() if name not in rate}
    return json.dumps([identity["detector"], identity["dataset"], training], sort_keys=True)


def result(record: RunRecord | None, metric: Metric, validations: int = 1) -> float | None:
    """What a run gave, larger values better: the mean over its last validations; None where it has no result."""
    if record is None or record.status != "finished":
        return None
    values = [epoch.metrics[metric.name] for epoch in record.epochs if metric.name in epoch.metrics][-validations:]
    if validations == 1 or not values:
        values = [record.metrics[metric.name]] if metric.name in record.metrics else []
    return metric.sign * sum(values) / len(values) if values else None


def begin(
    spec: StudySpec,
    rows: Mapping[str, TrialConfig],
    metric: Metric,
    compared: bool = False,
) -> Evidence:
    """The evidence of a study before its first wave.

    Args:
        spec: with its claims.
        rows: a run of each row that trains a student, by label.
        metric: the study's.
        compared: look at every two rows, too (`best_set.py`), not only at those of claims.
    """
    claims = leveled(spec.claims, spec.rule)
    pooled = pools(spec.claims)
    settings = {label: setting_of(config) for label, config in rows.items()}
    readings = Readings(
        dict.fromkeys([*(pair for one in claims for pair in one.claim.pairs), *(rivals(settings) if compared else ())]),
        spec.seeds,
        spec.rule.looked_at(len(spec.seeds)),
        settings,
        {label: spec.rule.prior if pooled and label not in spec.rule.own_noise else 0.0 for label in settings},
    )
    return Evidence(claims, readings)


def waves_of(runs: list[PlannedRun]) -> list[list[PlannedRun]]:
    """The waves of a plan, in their order; of a study whose claims came after its runs, all of these together."""
    waves: dict[int, list[PlannedRun]] = defaultdict(list)
    for run in runs:
        if run.wave is not None:
            waves[run.wave].append(run)
    return [waves[number] for number in sorted(waves)] or ([runs] if runs else [])


def add_waves(evidence: Evidence, waves: list[list[PlannedRun]], ended: Ended, spec: StudySpec, metric: Metric) -> None:
    """Add the waves that are over and not yet in: all of whose runs are, or that were followed by another."""
    for number, runs in enumerate(waves[evidence.readings.wave :], evidence.readings.wave + 1):
        records = {(run.label, run.config.seed): ended(run) for run in runs}
        if None in records.values() and number == len(waves):
            return
        results = {place: result(record, metric, spec.rule.validations) for place, record in records.items()}
        diverged = [place for place, record in records.items() if record is not None and record.diverged]
        known = {place: record for place, record in records.items() if record is not None}
        taught = {place: value for place, one in known.items() if (value := _taught(one, metric)) is not None}
        evidence.add(Wave(results, frozenset(diverged), taught))


def _taught(record: RunRecord, metric: Metric) -> float | None:
    """What the run noted of its teacher, larger values better."""
    value = record.facts.get(f"teacher/{metric.name}")
    return None if value is None else metric.sign * value
