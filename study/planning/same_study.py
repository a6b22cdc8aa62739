"""Going on with a study that is already there: only the same question, and only one driver at a time."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from study.nouns.errors import InputError
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec

FREE = (
    "question",
    "budget",
    "search.startup",
    "base.dataset.root",
    "base.training.workers",
    "base.teacher.training.workers",
    "base.teacher.minimum",
)
"""Fields that may change between launches: none of them decides what a run's result is."""


@contextmanager
def only_driver(files: StudyFiles) -> Iterator[None]:
    """Hold the study for this process; the system lets go of it even when the process is killed.

    A study that was not there before and that is refused leaves nothing behind.

    Raises:
        InputError: another process is running this study.
    """
    new = not files.root.exists()
    files.root.mkdir(parents=True, exist_ok=True)
    with (files.root / ".driver").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{files.root}: another process is running this study") from None
        try:
            yield
        except InputError:
            if new and not files.records.exists():
                shutil.rmtree(files.root)
            raise


def claim(spec: StudySpec, files: StudyFiles, resume: bool) -> None:
    """Make this the folder of the study, or make sure that it already is.

    Growing is fine: more seeds, more points, more trials of the search.

    Raises:
        InputError: the folder holds a study and `resume` is off, or it holds another study.
    """
    there = files.read_study()
    if there is not None and not resume:
        count = sum(1 for _ in files.all())
        raise InputError(
            f"{files.root} already holds a study with {count} runs: continue it with --resume, or choose another --name"
        )
    if there is not None:
        changed = first_difference(there, spec)
        if changed:
            raise InputError(f"{files.study_json}: --resume needs the same study, but {changed}; choose another --name")
    files.write_study(spec)


def first_difference(old: StudySpec, new: StudySpec) -> str | None:
    """The first field that makes `new` another study than `old`, in words, or None where it only grows."""
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    gone = [seed for seed in before["seeds"] if seed not in after["seeds"]]
    if gone:
        return f"seeds lost {gone}"
    kept = {point["label"]: point for point in after["points"]}
    for point in before["points"]:
        now = kept.get(point["label"], {})
        for field in ("set", "tune"):
            if now.get(field) != point[field]:
                return (
                    f"the point {point['label']!r} had {field} {point[field]} and now has {now.get(field, 'nothing')}"
                )
    if before["search"] and after["search"]:
        if after["search"]["trials"] < before["search"]["trials"]:
            return f"search.trials was {before['search']['trials']} and is now {after['search']['trials']}"
        before["search"]["trials"] = after["search"]["trials"]
    elif after["search"]:
        before["search"] = after["search"]
    before["seeds"], before["points"] = after["seeds"], after["points"]
    return _differs("", before, after)


def _differs(path: str, old: Any, new: Any) -> str | None:
    if path in FREE or old == new:
        return None
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            found = _differs(f"{path}.{name}" if path else name, old.get(name), new.get(name))
            if found:
                return found
        return None
    return f"{path} was {old} and is now {new}"
