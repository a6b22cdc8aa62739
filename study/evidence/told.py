"""The answers of a study from what it asked, what it planned and what was recorded: for reports and for programs."""

from collections.abc import Callable, Iterable

from study.evidence.replay import add_waves, begin, waves_of
from study.evidence.statements import Answers, answers
from study.nouns.metrics import Metric
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun
from study.nouns.records import RunRecord
from study.nouns.spec import StudySpec

Recorded = Callable[[str], RunRecord | None]
"""The record of a row's key; None where there is none."""


def told(spec: StudySpec, planned: Iterable[PlannedRun], recorded: Recorded) -> Answers:
    """What may be said of a study's claims by now.

    Args:
        spec: with its claims.
        planned: the runs of its plan.
    """
    runs = [run for run in planned if run.role == "row" and run.config.method != "teacher"]
    rows = {point.label: override(spec.base, point.set) for point in spec.points}
    rows |= {run.label: run.config for run in reversed(runs) if run.label in rows}
    rows = {label: config for label, config in rows.items() if config.method != "teacher"}
    metric = _metric(spec, filter(None, (recorded(run.config.key) for run in runs)))
    evidence = begin(spec, rows, metric, compared=True)
    add_waves(evidence, waves_of(runs), lambda run: recorded(run.config.key) if run.final else None, spec, metric)
    return answers(evidence, spec.rule, metric.name)


def _metric(spec: StudySpec, records: Iterable[RunRecord]) -> Metric:
    """The study's metric as its records declare it; as long as none does, all that is known is its name."""
    declared = (metric for record in records for metric in record.declared if metric.name == spec.metric)
    return next(declared, Metric(name=spec.metric, title=spec.metric))
