"""What a run writes down while it trains: what became of every step, and one record per epoch."""

from statistics import median
from typing import Any

from study.nouns.frozen import Frozen
from study.nouns.records import EpochRecord
from trainables.training.checkpoints.latest import SoFar
from trainables.training.clipping import GradientTally
from trainables.training.losses import EpochLosses
from trainables.training.machine import peak_memory_mb


class Trained(Frozen):
    """What a training leaves: its epochs, numbers about the run itself, and the most memory that it took, in MiB."""

    epochs: tuple[EpochRecord, ...]
    facts: dict[str, float]
    peak_memory_mb: float


class Spent:
    """Seconds of an epoch that a run took for itself, and its part in what others needed too."""

    def __init__(self) -> None:
        self.alone = 0.0
        """As many as the run would have taken by itself."""
        self.here = 0.0
        """The same, with what was shared divided by those who shared it."""

    def add(self, seconds: float, sharers: int = 1) -> None:
        """Something took `seconds`, for so many runs at once."""
        self.alone += seconds
        self.here += seconds / sharers


class Journal:
    """The epochs of one run so far, and the one under way."""

    def __init__(self, so_far: SoFar) -> None:
        self.so_far = so_far
        self.begin()

    @property
    def epochs(self) -> tuple[EpochRecord, ...]:
        """The records of all epochs so far."""
        return self.so_far.epochs

    def begin(self) -> None:
        """An epoch begins."""
        self.losses = EpochLosses()
        self.spent = Spent()
        self.durations: list[float] = []

    def stepped(self, seconds: float) -> None:
        """A step is done."""
        self.durations.append(seconds)
        self.spent.add(seconds)

    @property
    def steps(self) -> int:
        """Steps of the epoch under way that are done."""
        return len(self.durations)

    def state(self) -> dict[str, Any]:
        """What a checkpoint between two steps keeps of the epoch under way."""
        spent = self.spent.alone, self.spent.here
        return {"losses": self.losses.state(), "spent": spent, "durations": list(self.durations)}

    def resume(self, state: dict[str, Any]) -> None:
        """The epoch has begun, and goes on where `state` ended."""
        self.losses.resume(state["losses"])
        self.spent.alone, self.spent.here = state["spent"]
        self.durations = list(state["durations"])

    def close(self, metrics: dict[str, float], gradients: GradientTally) -> EpochRecord:
        """The epoch is over, and was validated where there are metrics."""
        record = EpochRecord(
            epoch=len(self.epochs) + 1, losses=self.losses.means(), metrics=metrics, seconds=self.spent.alone,
            shared_seconds=self.spent.here, step_seconds=median(self.durations),
        )  # fmt: skip
        self.so_far = SoFar(
            epochs=(*self.epochs, record),
            steps=self.so_far.steps + len(self.durations),
            peak_memory_mb=max(self.so_far.peak_memory_mb, peak_memory_mb()),
            gradients=self.so_far.gradients + gradients,
        )
        return record
