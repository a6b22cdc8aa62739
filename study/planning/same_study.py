"""Going on with a study that is already there: only the same question, and only one driver at a time.

What decides is what would be run: the plan that is kept and the plan that is asked for now are compared by the keys of
their runs. So another data root with the same content, another order of seeds or a release that adds a default is the
same study, and other content of the same root is another one.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.lease_places import PREFIX
from study.nouns.leases import Lease
from study.nouns.promised import Plan, PlannedRun
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec

LOOK_S = 0.5


@contextmanager
def only_driver(files: StudyFiles, say: Callable[[str], None] = lambda line: None) -> Iterator[None]:
    """Hold the study for this process; where its holder was killed, take over.

    That a driver of another machine is dead shows only in its silence, which is waited for. A folder that is still
    empty at the end is removed: a study that was refused leaves nothing behind.

    Raises:
        InputError: another process is running this study.
    """
    lease = Lease(files.root)
    hold(lease, str(files.root), say)
    try:
        yield
    finally:
        lease.release()
        with suppress(OSError):  # somebody else has come
            if all(path.name.startswith(PREFIX) for path in files.root.iterdir()):
                for path in files.root.iterdir():
                    path.unlink()
                files.root.rmdir()


def hold(lease: Lease, what: str, say: Callable[[str], None]) -> None:
    """Take the lease of a study, once it is known whether its holder is alive.

    Raises:
        InputError: it is: another process is running this study.
    """
    waits = False
    while not lease.take():
        holder = lease.holder()
        by = f" ({holder.text()})" if holder else ""
        if lease.answers:
            raise InputError(f"{what}: another process is running this study{by}")
        if not waits:
            say(f"the study is held by another process{by}; looking whether it is still alive")
            waits = True
        time.sleep(LOOK_S)


def check(spec: StudySpec, plan: Plan, files: StudyFiles, resume: bool) -> None:
    """Make sure that this folder is free, or holds the same study. Nothing is written.

    Growing is fine: more seeds, more points, more trials of the search.

    Raises:
        InputError: the folder holds a study and `resume` is off, or it holds another study.
    """
    there = files.read_study()
    if there is None:
        return
    if not resume:
        count = sum(files.status(run.config.key) is not None for run in files.read_plan().runs)
        raise InputError(
            f"{files.root} already holds a study with {count} runs: continue it with --resume, or choose another --name"
        )
    changed = first_difference(there, files.read_plan(), spec, plan)
    if changed:
        raise InputError(f"{files.study_json}: --resume needs the same study, but {changed}; choose another --name")


def first_difference(old: StudySpec, before: Plan, new: StudySpec, now: Plan) -> str | None:
    """The first thing that makes `new` another study than `old`, in words, or None where it only grows.

    Args:
        old, before: the study that is there, and what was planned of it.
        new, now: the completed study that is asked for, and what is planned of it.
    """
    if changed := _claims_differ(old, new):
        return changed
    if old.metric != new.metric:
        return f"metric was {old.metric} and is now {new.metric}"
    if gone := [seed for seed in old.seeds if seed not in new.seeds]:
        return f"seeds lost {gone}"
    if old.choose_on != new.choose_on and (old.search is not None or any(point.tune for point in old.points)):
        return f"choose_on was {old.choose_on:g} and is now {new.choose_on:g}"
    return _rows_differ(old, before, new, now) or _tuning_differs(old, new) or _search_differs(old, before, new, now)


def _claims_differ(old: StudySpec, new: StudySpec) -> str | None:
    """Claims, the rule that decides them and their seeds are frozen; what is claimed later is exploratory."""
    before, now = ([claim for claim in spec.claims if not claim.exploratory] for spec in (old, new))
    for claim in now:
        if claim not in before:
            return f"the claim “{claim.text()}” came after runs were made: say exploratory: true of it"
    for claim in before:
        if claim not in now:
            return f"the claim “{claim.text()}” is gone"
    if before and old.rule != new.rule:
        return f"rule.{_differs(old.rule.model_dump(), new.rule.model_dump())}"
    if before and old.seeds != new.seeds:
        return f"seeds were {list(old.seeds)} and are now {list(new.seeds)}: the order and the cap of claims are frozen"
    return None


def _rows_differ(old: StudySpec, before: Plan, new: StudySpec, now: Plan) -> str | None:
    tuned = {point.label for point in old.points if point.tune}
    kept = {_untuned(run, tuned).key for run in now.runs if run.role == "row"}
    places = {(run.label, run.config.seed): run.config for run in now.runs if run.role == "row"}
    labels = {point.label for point in new.points}
    for run in before.runs:
        if run.role != "row":
            continue
        if run.label not in labels:
            return f"the point {run.label!r} is gone"
        if _untuned(run, tuned).key not in kept:
            other = places.get((run.label, run.config.seed))
            how = _differs(run.config.identity(), other.identity()) if other else "it is gone"
            return f"of the point {run.label!r} (seed {run.config.seed}) {how}"
    return None


def _tuning_differs(old: StudySpec, new: StudySpec) -> str | None:
    tunes = {point.label: point.tune for point in new.points}
    for point in old.points:
        if point.tune != tunes.get(point.label, point.tune):
            return f"of the point {point.label!r} tune was {point.tune} and is now {tunes[point.label]}"
    if any(point.tune for point in old.points) and old.tuning != new.tuning:
        return f"tuning.{_differs(old.tuning.model_dump(), new.tuning.model_dump())}"
    return None


def _search_differs(old: StudySpec, before: Plan, new: StudySpec, now: Plan) -> str | None:
    if old.search is None:
        return None
    if new.search is None:
        return "its search is gone"
    if new.search.trials < old.search.trials:
        return f"search.trials was {old.search.trials} and is now {new.search.trials}"
    before_, now_ = (study.search.model_dump(mode="json") for study in (old, new) if study.search)
    for name in ("space", "objectives", "constraints"):
        if before_[name] != now_[name]:
            return _differs(before_[name], now_[name], f"search.{name}")
    bases = [searched_around(plan) for plan in (before, now)]
    if bases[0] and bases[1] and bases[0].key != bases[1].key:
        return f"of the searched run {_differs(bases[0].identity(), bases[1].identity())}"
    return None


def searched_around(plan: Plan) -> TrialConfig | None:
    """The run around which a plan searches."""
    return next((promise.around for promise in plan.promised if promise.role == "search"), None)


def _untuned(run: PlannedRun, tuned: set[str]) -> TrialConfig:
    """A tuned row without the weight, or the learning rate, that was chosen for it."""
    if run.label not in tuned:
        return run.config
    if not run.config.distills:
        rate = {"learning_rate": None, "scale_learning_rate": False}
        return run.config.model_copy(update={"training": run.config.training.model_copy(update=rate)})
    rest = {key: value for key, value in run.config.parameters.items() if key != "weight"}
    return run.config.model_copy(update={"parameters": rest})


def _differs(old: Any, new: Any, path: str = "") -> str:
    """The first value in which two contents differ, in words."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            if old.get(name) != new.get(name):
                return _differs(old.get(name), new.get(name), f"{path}.{name}" if path else name)
    return f"{path} was {old} and is now {new}"
