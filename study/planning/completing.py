"""A study as it was asked, with what its methods say themselves: ranges of weights and the space of a search.

What is completed here is kept in study.json, so that a study goes on in the ranges that it began with, or is refused.
"""

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.metrics import Metric, find, principal
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun
from study.nouns.spec import Point, SearchSpec, StudySpec
from study.planning.offered import Offered

TIMES = 3
"""A learning rate is tuned from this part of the row's own to so many times it."""


def complete(spec: StudySpec, offered: Offered) -> StudySpec:
    """The study with a method's own ranges, and the evaluator's own metric, wherever it gives none.

    Raises:
        InputError: a run cannot be resolved, or its method has no weight to tune, or nothing to search.
    """
    points = tuple(_with_range(spec, point, offered) for point in spec.points)
    metric = spec.metric or principal(offered.metrics_of(spec.base)).name
    search = _with_space(spec, offered)
    if search is not None and search.objectives == (metric,):  # that is what a search looks for that says nothing
        search = search.model_copy(update={"objectives": ()})
    return spec.model_copy(update={"points": points, "search": search, "metric": metric})


def metric_of(spec: StudySpec, runs: list[TrialConfig], offered: Offered) -> Metric:
    """The metric that the study is about, as the evaluator of every one of its runs declares it.

    Raises:
        InputError: an evaluator does not give it; says the nearest and what there is.
    """
    declared = {run.dataset.name: offered.metrics_of(run) for run in runs}
    return next(iter([find(spec.metric, metrics) for metrics in declared.values()]))


def check_rows(spec: StudySpec, runs: list[PlannedRun]) -> None:
    """Make sure that claims are about rows of their own, and compare with a teacher only who learns from one.

    Raises:
        InputError: a row of a claim is a teacher, the same runs as another row, or has no teacher to be compared with.
    """
    configs = {run.label: run.config for run in runs}
    for claim in spec.claims:
        for label in claim.rows:
            if label not in configs:
                raise InputError(
                    f"the claim “{claim.text()}”: row {label!r} is the same runs as an earlier row: name that"
                )
            if configs[label].method == "teacher":
                raise InputError(f"the claim “{claim.text()}”: row {label!r} is a teacher; use kind teacher instead")
        if claim.kind == "teacher" and not configs[claim.row].distills:
            raise InputError(f"the claim “{claim.text()}”: row {claim.row!r} learns from no teacher")


def _with_range(spec: StudySpec, point: Point, offered: Offered) -> Point:
    if not point.tune:
        return point
    config = offered.resolve(override(spec.base, point.set))
    if config.method == "teacher":
        raise InputError(f"{point.label!r} cannot be tuned: it is a teacher")
    if point.tune is not True:
        return point
    if config.distills:
        start = _weight(config, point)
        low, high = offered.weight_range(config)
    else:
        start = offered.learning_rate(config)
        low, high = (float(f"{rate:.3g}") for rate in (start / TIMES, start * TIMES))
    return point.model_copy(update={"tune": (min(low, start), start, max(high, start))})


def _weight(config: TrialConfig, point: Point) -> float:
    weight = config.parameters.get("weight")
    if not isinstance(weight, int | float) or weight <= 0:
        raise InputError(
            f"{point.label!r} cannot be tuned: method {config.method} has no weight above 0 (got {weight})"
        )
    return float(weight)


def _with_space(spec: StudySpec, offered: Offered) -> SearchSpec | None:
    if spec.search is None or spec.search.space is not None:
        return spec.search
    space = offered.search_space(offered.resolve(spec.base))
    if not space:
        raise InputError(f"method {spec.base.method} says nothing to search: give search.space")
    return spec.search.model_copy(update={"space": space})
