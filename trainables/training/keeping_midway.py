"""When a cohort keeps checkpoints in the middle of an epoch: as often as its runs ask for it, and before it leaves.

Several processes that train one run agree on it between any two steps: a reason that one of them has is one for all, so
that what they keep is of one step. Two processes on two cores take a quarter of a millisecond for it.
"""

from collections.abc import Callable, Sequence
from time import monotonic

from study.nouns import leaving
from trainables.training.processes.shared_step import said_by_any


class Keeping:
    """Looks between two steps whether it is time.

    Args:
        minutes: how often each run asks for a checkpoint; None: it does not.
    """

    def __init__(self, minutes: Sequence[float | None]) -> None:
        asked = [one * 60 for one in minutes if one is not None]
        self.every_s = min(asked, default=float("inf"))
        self.last = monotonic()

    def look(self, keep: Callable[[], None]) -> None:
        """Keep checkpoints where it is time, or where this process is to end, or another that trains the same run.

        Raises:
            LeavingError: it is to end.
        """
        ends, due = said_by_any(leaving.asked(), monotonic() - self.last > self.every_s)
        if ends or due:
            keep()
            self.last = monotonic()
        if ends:
            leaving.leave()
