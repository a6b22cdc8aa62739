"""What a study would run, in words, before anything is started: `--dry-run`."""

from collections.abc import Iterator

from study.nouns.promised import PlannedRun
from study.nouns.spec import StudySpec
from study.planning.plan import Resolve, expand, teachers
from study.planning.weight_tuning import rows

LATER = "after tuning"
"""In place of a key that depends on a weight which is not chosen yet; as long as a key."""


def preview(spec: StudySpec, resolve: Resolve) -> Iterator[str]:
    """One line per run that is known, and one per group of runs that Optuna will choose.

    Raises:
        InputError: a point, a range or a value that cannot be used.
    """
    planned, tuned = expand(spec, resolve), {row.label: row for row in rows(spec, resolve)}
    asked = [*planned, *(PlannedRun(role="tuning", label=row.label, config=row.base) for row in tuned.values())]
    for teacher in (run.config for run in teachers(spec, asked, resolve)):
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
        yield f"and {spec.search.trials} runs chosen by Optuna"
