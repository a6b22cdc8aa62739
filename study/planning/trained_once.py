"""A run is trained by one process at a time, whatever studies ask for it; who comes second is answered by its record.

What tells them apart is a lease of the run's folder (study/nouns/leases.py), and one in the store where results lie in
one. A process that waits holds nothing, so no two wait for each other.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from study.nouns.assignment import Assignment
from study.nouns.lease_places import Place
from study.nouns.leases import Lease, all_taken, taken
from study.nouns.records import RunRecord


def train_once(
    assigned: Sequence[Assignment],
    train: Callable[[list[Assignment]], None],
    wait: Callable[[Assignment], None],
    answer: Callable[[Assignment, RunRecord], None] = lambda one, record: None,
) -> None:
    """Train the runs that are not over and that no other process trains, then look what has become of the others.

    A run that this process lost while it trained, because it was taken for dead, is one that another process trains.

    Args:
        assigned: runs that may train together.
        train: trains some of them.
        wait: is told once of each that another process trains.
        answer: is told of each that was over, with its record.
    """
    left, waits, files = list(assigned), set[str](), assigned[0].files
    leases = {one.config.key: [*map(Lease, one.files.lease_places(one.config.key))] for one in assigned}
    while left:
        files.look(one.config.key for one in left)  # where a store is away, this waits for it
        with ExitStack() as held_:
            mine = [one for one in left if held_.enter_context(all_taken(leases[one.config.key]))]
            files.look(one.config.key for one in left)
            over = {one.config.key: record for one in left if (record := one.files.ended(one.config.key)) is not None}
            done = {*over, *(one.config.key for one in mine)}
            for one in left:
                if one.config.key in over:
                    answer(one, over[one.config.key])
                elif one.config.key not in done | waits:
                    waits.add(one.config.key)
                    wait(one)
            if open_ := [one for one in mine if one.config.key not in over]:
                train(open_)
        left = [one for one in left if one.config.key not in done or _lost(leases[one.config.key])]
        if left and not open_:
            time.sleep(files.look_s)


def held(folder: Path) -> AbstractContextManager[bool]:
    """Whether this process holds the run of a folder, for as long as the block takes."""
    return taken(Lease(folder))


def is_held(folder: Path | Place) -> bool:
    """Whether some process holds the run of a folder now, as far as one look can tell. Nothing is written."""
    return not Lease(folder).is_free()


def _lost(leases: Iterable[Lease]) -> bool:
    return any(one.lost for one in leases)
