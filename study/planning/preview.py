"""What a study would run, in words, before anything is started: `--dry-run`."""

import json
from collections.abc import Iterator, Sequence

from study.evidence.power import POWER, seeds_for
from study.nouns.claims import leveled
from study.nouns.promised import PlannedRun
from study.nouns.spec import StudySpec
from study.planning.completing import check_rows, complete, metric_of
from study.planning.goals import goals_of
from study.planning.offered import Offered
from study.planning.plan import check_devices, expand, teachers
from study.planning.search_space import around
from study.planning.study_state import StudyState
from study.planning.weight_tuning import rows

LATER = "after tuning"
"""In place of a key that depends on a weight which is not chosen yet; as long as a key."""


def preview(spec: StudySpec, offered: Offered, only: Sequence[str] = ()) -> Iterator[str]:
    """One line per run that is known, and one per group of runs that Optuna will choose.

    Args:
        spec: the study, all of which is checked.
        offered: what the trainables know.
        only: labels of the rows to be told of, with what they need; none: everything.

    Raises:
        InputError: a point, a range, a value, the metric or the budget cannot be used.
    """
    spec = complete(spec, offered)
    planned, tuned = expand(spec, offered.resolve), {row.label: row for row in rows(spec, offered)}
    tuning = [PlannedRun(role="tuning", label=row.label, config=row.base) for row in tuned.values()]
    asked = [*planned, *tuning, *around(spec, spec.seeds[0], offered.resolve)]
    first = spec.rule.looked_at(len(spec.seeds))[0] if spec.decides else len(spec.seeds)
    later = spec.seeds[first:]
    told = [
        run for run in asked if (not only or run.label in only) and not (run.role == "row" and run.config.seed in later)
    ]
    needed = [run.config for run in teachers(told, offered.resolve)]
    configs = [run.config for run in asked]
    metric_of(spec, configs, offered)
    goals_of(spec, offered)
    check_rows(spec, planned)
    if spec.budget.gpus_per_trial is not None:  # else the nodes decide
        check_devices(spec.budget, [*configs, *(run.config for run in teachers(asked, offered.resolve))])
    for teacher in needed:
        work = "its checkpoint is validated" if teacher.measures else f"{teacher.training.epochs} epochs"
        yield f"{teacher.key}  seed {teacher.seed}  teacher ({work}), unless it is there"
    for run in told:
        if run.role == "row" and run.config.method != "teacher":
            yield f"{LATER if run.label in tuned else run.config.key}  seed {run.config.seed}  {run.label}"
    if spec.choose_on and (tuned or spec.search):
        yield f"tuning and search choose on {spec.choose_on:.0%} of the training split, on which they do not train"
    yield from _decided(spec, first)
    for label, row in tuned.items():
        if only and label not in only:
            continue
        low, start, high = row.bounds
        how = (
            f"seed {row.base.seed}, {row.base.training.epochs} epochs, {row.called} {start:g}, then {low:g} to {high:g}"
        )
        yield f"and {spec.tuning.trials} tuning runs of {label}: {how}"
        if finalists := min(spec.tuning.finalists, spec.tuning.trials):
            seeds = ", ".join(map(str, spec.tuning.seeds[1:]))
            yield f"and its best {finalists} on {spec.tuning.fresh} further seeds ({seeds}): the best mean is chosen"
    if spec.search and not only:
        keys, sampler = ", ".join(spec.search.space or ()), spec.search.sampler
        yield f"and {spec.search.trials} runs chosen by Optuna ({sampler}) among {keys}"
        if spec.search.confirm:
            yield f"and the best of them once more on seeds {', '.join(map(str, spec.search.confirm))}"


def as_document(state: StudyState) -> str:
    """The plan of a study as JSON, and the key of every run in it; the first wave of one that makes claims."""
    state.read()
    state.first_wave()
    plan = state.plan()
    runs = [{"key": run.config.key, **run.model_dump(mode="json")} for run in plan.runs]
    return json.dumps({**plan.model_dump(mode="json"), "runs": runs}, indent=1)


def _decided(spec: StudySpec, first: int) -> Iterator[str]:
    """What claims decide, and how many seeds that may take."""
    if not spec.claims:
        return
    if spec.decides and (more := spec.seeds[first:]):
        several = f"seeds {more[0]} to {more[-1]}" if len(more) > 1 else f"seed {more[0]}"
        yield f"and {several} of these rows, as far as open claims need them"
    for claim, level in leveled(spec.claims, spec.rule):
        later = "exploratory claim" if claim.exploratory else "claim"
        yield f"{later}: {claim.text()} (wrong with a chance of {level:.2g} on either side)"
    level = min(one.level for one in leveled(spec.claims, spec.rule))
    equal, half = (seeds_for(ratio, level) for ratio in (1, 2))
    yield (
        f"a fixed grid shows a difference of one tolerance with power {POWER} with {equal} seeds where differences are "
        f"as noisy as that, with {half} where half as noisy; there are {len(spec.seeds)}"
    )
