"""What a study asks and what it may spend.

Everything here is plain validated data (JSON in, JSON out); nothing here trains, schedules or draws.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from study.nouns.config import TrialConfig
from study.nouns.frozen import Frozen


class Budget(Frozen):
    """What one run may occupy, and how many may run at once."""

    cpus_per_trial: float = Field(1, gt=0, description="at least training.devices where runs have no GPU")
    gpus_per_trial: float | None = Field(
        None,
        ge=0,
        description="null is one per training.devices where this Ray has GPUs, else 0; 0 trains on the CPU; a fraction "
        "shares a GPU between runs; more than one needs as many training.devices",
    )
    teacher_cpus: float = Field(2, gt=0, description="the teacher trains alone, before its students")
    concurrent: int | None = Field(None, ge=1, description="runs at once; null is as many as the resources hold")
    hours: float | None = Field(None, gt=0, description="wall-clock limit of the study; null is none")

    @model_validator(mode="after")
    def _gpus_are_shared_or_whole(self) -> "Budget":
        if self.gpus_per_trial is not None and self.gpus_per_trial > 1 and self.gpus_per_trial % 1:
            raise ValueError(f"gpus_per_trial must be at most 1 or a whole number, got {self.gpus_per_trial:g}")
        return self


class Tuning(Frozen):
    """How much may be tried to find the loss weight of a row, before the row itself is run: as much for every row."""

    trials: int = Field(6, ge=1, description="runs per row, the first with the row's own weight")
    at_once: int = Field(2, ge=1, description="runs of a row that are suggested, and can run, at once")
    epochs: int | None = Field(None, ge=1, description="length of these runs; null is as long as the row's own")
    seed: int = Field(1000, ge=0, description="of these runs; not one of the study's seeds")


class Point(Frozen):
    """One named row of a study: what it changes in the base run (dotted keys, as in --set)."""

    label: str
    set: dict[str, Any] = {}
    tune: bool | tuple[float, float, float] = Field(
        False, description="low, start and high of a parameters.weight to be tuned; true: the method's own"
    )

    @model_validator(mode="after")
    def _start_lies_between_the_ends(self) -> "Point":
        if isinstance(self.tune, tuple) and not 0 < self.tune[0] <= self.tune[1] <= self.tune[2]:
            raise ValueError(f"tune of {self.label!r} must be 0 < low <= start <= high, got {list(self.tune)}")
        return self


class SearchSpace(Frozen):
    """What Optuna may vary around the base run: K (neighbors), N (samples), tau (temperature), and the switches."""

    trials: int = Field(20, ge=1)
    neighbors: tuple[int, int] = Field((4, 256), description="K: rows per local graph, log-uniform")
    samples: tuple[int, int] = Field((64, 12000), description="N: distilled rows per frame, log-uniform")
    temperature: tuple[float, float] = Field((0.5, 50.0), description="tau in points per pillar, log-uniform")
    switches: bool = Field(False, description="also choose local (LD) and reweight (RL); off searches with both on")
    startup: int = Field(10, ge=1, description="random trials before TPE's model takes over")

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> "SearchSpace":
        for name in ("neighbors", "samples", "temperature"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"search.{name} must be 0 < low <= high, got [{low}, {high}]")
        return self


class StudySpec(Frozen):
    """A question and the runs that answer it: `points` for every seed, then `search` around the base run.

    A point that asks for it (`tune`) gets its loss weight by `tuning` first.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    question: str
    base: TrialConfig = TrialConfig()
    points: tuple[Point, ...] = ()
    tuning: Tuning = Tuning()
    search: SearchSpace | None = None
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    metric: str = "mAP/3d/moderate"
    mode: Literal["max", "min"] = "max"
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _asks_something(self) -> "StudySpec":
        if not self.points and self.search is None:
            raise ValueError("a study needs points, a search, or both; this one asks nothing")
        labels = [point.label for point in self.points]
        if len(set(labels)) < len(labels):
            raise ValueError(f"labels of points must differ, got {labels}")
        if self.tuning.seed in self.seeds and any(point.tune for point in self.points):
            raise ValueError(f"tuning.seed={self.tuning.seed} chooses weights, so it cannot be one of seeds too")
        return self
