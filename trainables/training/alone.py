"""One run that trains by itself, in this process or as one of several: a cohort of one whose failure is raised."""

from collections.abc import Callable, Sequence
from pathlib import Path

from study.nouns.config import TrialConfig
from study.nouns.records import EpochRecord
from trainables.training import cohort
from trainables.training.epochs import Trained


def train(
    config: TrialConfig, data: Path, folder: Path, teacher: Path | None, tell: Callable[[EpochRecord], None]
) -> Trained:
    """Train one run to its end, from its newest checkpoint where it has one, and export its detector.

    In one of several processes (`trainables.training.processes.shared_step`) it takes its part of the frames.

    Args:
        config: the run, its parameters complete.
        data: prepared root of the run's data set.
        folder: where the run keeps its files.
        teacher: checkpoint of the frozen teacher; None for runs without distillation.
        tell: called with the record of each epoch.

    Raises:
        InputError: unknown names, a range that does not fit, a checkpoint of another architecture, no whole batch,
            mixed precision without a GPU.
    """
    alone = Alone(tell)
    cohort.train({folder: config}, data, teacher, alone)
    return alone.trained


class Alone:
    """Listens to a cohort of one."""

    trained: Trained

    def __init__(self, tell: Callable[[EpochRecord], None]) -> None:
        """`tell` is called with each epoch."""
        self.tell = tell

    def epoch(self, key: str, so_far: Sequence[EpochRecord]) -> bool:
        """Pass it on."""
        self.tell(so_far[-1])
        return True

    def done(self, key: str, trained: Trained) -> None:
        """Keep the result."""
        self.trained = trained

    def failed(self, key: str, error: Exception) -> None:
        """Raise the failure."""
        raise error
