"""What a study would run, in words, before anything is started: `--dry-run`."""

from collections.abc import Iterator

from study.nouns.promised import PlannedRun
from study.nouns.spec import StudySpec
from study.planning.completing import complete, metric_of
from study.planning.goals import goals_of
from study.planning.offered import Offered
from study.planning.plan import check_devices, expand, teachers
from study.planning.search_space import around
from study.planning.weight_tuning import rows

LATER = "after tuning"
"""In place of a key that depends on a weight which is not chosen yet; as long as a key."""


def preview(spec: StudySpec, offered: Offered) -> Iterator[str]:
    """One line per run that is known, and one per group of runs that Optuna will choose.

    Raises:
        InputError: a point, a range, a value, the metric or the budget cannot be used.
    """
    spec = complete(spec, offered)
    planned, tuned = expand(spec, offered.resolve), {row.label: row for row in rows(spec, offered.resolve)}
    tuning = [PlannedRun(role="tuning", label=row.label, config=row.base) for row in tuned.values()]
    asked = [*planned, *tuning, *around(spec, spec.seeds[0], offered.resolve)]
    needed = [run.config for run in teachers(asked, offered.resolve)]
    configs = [run.config for run in asked]
    metric_of(spec, configs, offered)
    goals_of(spec, offered)
    if spec.budget.gpus_per_trial is not None:  # else the nodes decide
        check_devices(spec.budget, [*configs, *needed])
    for teacher in needed:
        work = "its checkpoint is validated" if teacher.measures else f"{teacher.training.epochs} epochs"
        yield f"{teacher.key}  seed {teacher.seed}  teacher ({work}), unless it is there"
    for run in planned:
        if run.config.method != "teacher":
            yield f"{LATER if run.label in tuned else run.config.key}  seed {run.config.seed}  {run.label}"
    for label, row in tuned.items():
        low, start, high = row.bounds
        how = f"seed {row.base.seed}, {row.base.training.epochs} epochs, weight {start:g}, then {low:g} to {high:g}"
        yield f"and {spec.tuning.trials} tuning runs of {label}: {how}"
    if spec.search:
        keys, sampler = ", ".join(spec.search.space or ()), spec.search.sampler
        yield f"and {spec.search.trials} runs chosen by Optuna ({sampler}) among {keys}"
