"""When a cohort keeps checkpoints in the middle of an epoch: as often as its runs ask for it, and before it leaves.

A run of several processes keeps them at the end of epochs only: its processes would have to agree on the step.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from mmengine.dist import is_distributed

from study.nouns import leaving


class Keeping:
    """Looks between two steps whether it is time.

    Args:
        minutes: how often each run asks for a checkpoint; None: it does not.
    """

    def __init__(self, minutes: Sequence[float | None]) -> None:
        asked = [one * 60 for one in minutes if one is not None]
        self.every_s = min(asked, default=float("inf"))
        self.last = monotonic()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Inside, this process leaves only once what it did is kept."""
        if is_distributed():
            yield
            return
        with leaving.under_way():
            yield

    def look(self, keep: Callable[[], None]) -> None:
        """Keep checkpoints where it is time, or where this process is to end.

        Raises:
            LeavingError: it is to end.
        """
        if is_distributed():
            return
        if leaving.asked() or monotonic() - self.last > self.every_s:
            keep()
            self.last = monotonic()
        if leaving.asked():
            leaving.leave()
