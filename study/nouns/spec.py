"""What a study asks and what it may spend.

Everything here is plain validated data (JSON in, JSON out); nothing here trains, schedules or draws.
"""

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from study.nouns.claims import Claim, Rule, check
from study.nouns.config import TrialConfig
from study.nouns.errors import unknown_name
from study.nouns.frozen import Frozen
from study.nouns.parameters import Range

Sampler = Literal["tpe", "gp", "random", "qmc"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
RESERVED = ("data", "report", "runs", "tune")
"""Folders that lie beside the studies in a results folder, or inside each of them: no study is called so."""


def refused_name(name: str) -> str | None:
    """Why a study cannot be called so, or None where it can: its name is a folder of the results folder."""
    if not NAME.fullmatch(name):
        return f"the name of a study is letters, digits, dots, dashes and underscores, got {name!r}"
    if name.lower() in RESERVED:
        return f"no study can be called {name!r}: that folder of the results has another use"
    return None


class Budget(Frozen):
    """What one run may occupy, and how many may run at once."""

    cpus_per_trial: float = Field(1, gt=0, description="at least training.devices where runs have no GPU")
    gpus_per_trial: float | None = Field(
        None,
        ge=0,
        description="null is one per training.devices where this Ray has GPUs, else 0; 0 trains on the CPU; a fraction "
        "shares a GPU between runs; more than one needs as many training.devices",
    )
    teacher_cpus: float = Field(2, gt=0, description="what a teacher takes, which trains alone")
    concurrent: int | None = Field(None, ge=1, description="cohorts at once; null is as many as the resources hold")
    cohort: int | None = Field(
        None,
        ge=1,
        description="runs that train together on one stream of batches and under one teacher; null is up to 16, spread "
        "over what can run at once; 1 trains every run by itself",
    )
    retries: int = Field(
        2,
        ge=0,
        description="how often in a row a run whose process or node died is started again without having come further; "
        "one that advances is started again any number of times",
    )
    hours: float | None = Field(None, gt=0, description="wall-clock limit of the study; null is none")
    runs: int | None = Field(
        None,
        ge=1,
        description="of rows, tuning and search in all, over all launches, teachers not counted; null is any",
    )

    @model_validator(mode="after")
    def _gpus_are_shared_or_whole(self) -> "Budget":
        if self.gpus_per_trial is not None and self.gpus_per_trial > 1 and self.gpus_per_trial % 1:
            raise ValueError(f"gpus_per_trial must be at most 1 or a whole number, got {self.gpus_per_trial:g}")
        return self


class Pruning(Frozen):
    """At which epochs runs that try values are compared with those before them, and end if they are behind."""

    epochs: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1, description="that are validated")
    keep: float = Field(0.5, gt=0, lt=1, description="a run goes on if it is as good as this share of those before it")
    after: int = Field(4, ge=2, description="so many runs come to an epoch before one is ended there")


class Tuning(Frozen):
    """How much may be tried to find the loss weight of a row, before the row itself is run: as much for every row.

    Of the student without distillation it is the learning rate that is tuned.
    """

    trials: int = Field(6, ge=1, description="runs per row, the first with the row's own weight")
    at_once: int = Field(2, ge=1, description="runs of a row that are suggested, and can run, at once")
    epochs: int | None = Field(None, ge=1, description="length of these runs; null is as long as the row's own")
    seed: int = Field(1000, ge=0, description="of these runs; not one of the study's seeds")
    finalists: int = Field(
        0,
        ge=0,
        description="a row's best weights, its own among them, that run again on `fresh` further seeds; the "
        "best mean is chosen unless the row's own is within a standard error of it. 0 chooses the best single run",
    )
    fresh: int = Field(2, ge=0, description="seeds of the finalists' further runs: seed + 1, seed + 2, ...")
    prune: Pruning | None = Field(
        None, description="null runs every weight to its end; finalists' further runs are never pruned"
    )

    @property
    def seeds(self) -> tuple[int, ...]:
        """Every seed that chooses: none of them can be one of the study's."""
        return tuple(range(self.seed, self.seed + 1 + (self.fresh if self.finalists else 0)))

    @model_validator(mode="after")
    def _finalists_are_several(self) -> "Tuning":
        if self.finalists == 1:
            raise ValueError("tuning.finalists must be 0 or at least 2, as a row's own weight is one of them; got 1")
        return self


class Point(Frozen):
    """One named row of a study: what it changes in the base run (dotted keys, as in --set)."""

    label: str
    set: dict[str, Any] = {}
    tune: bool | tuple[float, float, float] = Field(
        False,
        description="low, start and high of the parameters.weight to be tuned, of an undistilled student of the "
        "training.learning_rate; true: the method's own, of a learning rate from a third to three times the row's own",
    )

    @model_validator(mode="after")
    def _start_lies_between_the_ends(self) -> "Point":
        if isinstance(self.tune, tuple) and not 0 < self.tune[0] <= self.tune[1] <= self.tune[2]:
            raise ValueError(f"tune of {self.label!r} must be 0 < low <= start <= high, got {list(self.tune)}")
        return self


class SearchSpec(Frozen):
    """What Optuna may vary around the base run, how it chooses, what it looks for, and how often it may try."""

    trials: int = Field(20, ge=1)
    sampler: Sampler = Field(
        "tpe",
        description="tpe; gp, a Gaussian process, which draws values with conditions at random; random; qmc, a Sobol "
        "sequence, which fills the space evenly",
    )
    startup: int = Field(10, ge=1, description="random trials before the model of tpe or gp takes over")
    space: dict[str, Range] | None = Field(
        None, min_length=1, description="range by dotted key (parameters.weight); null is the method's own"
    )
    objectives: tuple[str, ...] = Field(
        (),
        description="metrics, and costs of the student (gflops, params_m), to be traded against each other; empty is "
        "the study's metric. Costs are minimized, metrics go in their own direction",
    )
    constraints: dict[str, float] = Field(
        {},
        description="bounds by metric or cost: the largest value of one that is minimized, the smallest of a metric "
        "whose larger values are better. A run beyond one is never called best",
    )
    warm_start: bool = Field(
        False, description="tell Optuna the study's other finished runs inside the space, too; they count for no trial"
    )
    prune: Pruning | None = Field(
        None,
        description="null runs every suggestion to its end; a pruned run is recorded as such and never called best",
    )
    confirm: tuple[int, ...] = Field(
        (),
        description="seeds on which the best run is repeated once the search is over, as a row of its own: the score "
        "that chose it is flattered",
    )

    @field_validator("sampler", mode="before")
    @classmethod
    def _sampler_is_known(cls, name: Any) -> Any:
        if name not in get_args(Sampler):
            raise unknown_name("sampler", str(name), list(get_args(Sampler)))
        return name

    @model_validator(mode="after")
    def _objectives_differ(self) -> "SearchSpec":
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives must differ, got {list(self.objectives)}")
        return self

    @model_validator(mode="after")
    def _one_run_is_best(self) -> "SearchSpec":
        if self.confirm and len(self.objectives) > 1:
            raise ValueError(f"search.confirm repeats the best run, and {len(self.objectives)} objectives have no best")
        if self.prune is not None and len(self.objectives) > 1:
            raise ValueError(f"search.prune compares runs by one objective, got {list(self.objectives)}")
        if self.prune is not None and "training.epochs" in (self.space or {}):
            raise ValueError("search.prune compares runs of one length, and search.space varies training.epochs")
        if len(set(self.confirm)) < len(self.confirm):
            raise ValueError(f"search.confirm must be seeds that differ, got {list(self.confirm)}")
        return self


class StudySpec(Frozen):
    """A question and the runs that answer it: `points` for every seed, and `search` around the base run.

    A point that asks for it (`tune`) gets its loss weight by `tuning` first. With `claims`, seeds are an order and a
    cap: two of every row are run, then those that decide a claim that is open.
    """

    name: str
    question: str
    base: TrialConfig = TrialConfig()
    points: tuple[Point, ...] = ()
    tuning: Tuning = Tuning()
    search: SearchSpec | None = None
    choose_on: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the training split that tuning and search leave out of their training and choose on; 0 "
        "chooses on the validation split, whose frames are those that are reported on",
    )
    claims: tuple[Claim, ...] = Field(
        (), description="what the study's rows are said to be; frozen before the first run"
    )
    rule: Rule = Field(Rule(), description="how the claims are decided; frozen too")
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    metric: str = Field(
        "", description="what the question is about; empty is the one by which the data set's evaluator judges teachers"
    )
    budget: Budget = Budget()

    @property
    def choosing(self) -> dict[str, float]:
        """What runs that choose change in the base run, by dotted key."""
        return {"dataset.apart": self.choose_on} if self.choose_on else {}

    @property
    def decides(self) -> bool:
        """Whether claims decide which seeds are run."""
        return any(not claim.exploratory for claim in self.claims)

    @model_validator(mode="after")
    def _asks_something(self) -> "StudySpec":
        if complaint := refused_name(self.name):
            raise ValueError(complaint)
        if not self.points and self.search is None:
            raise ValueError("a study needs points, a search, or both; this one asks nothing")
        labels = [point.label for point in self.points]
        if len(set(labels)) < len(labels):
            raise ValueError(f"labels of points must differ, got {labels}")
        both = [seed for seed in self.tuning.seeds if seed in self.seeds]
        if both and any(point.tune for point in self.points):
            further = both[0] - self.tuning.seed
            name = f"tuning.seed + {further} = {both[0]}" if further else f"tuning.seed={both[0]}"
            raise ValueError(f"{name} chooses weights, so it cannot be one of seeds too")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ, got {list(self.seeds)}")
        if self.choose_on and self.search is not None and self.search.warm_start:
            raise ValueError("search.warm_start tells runs that were validated on other frames than choose_on asks for")
        if self.search is not None and self.seeds[0] in self.search.confirm:
            raise ValueError(f"search.confirm holds {self.seeds[0]}, on which the search chooses: take other seeds")
        if self.claims:
            self.rule.looked_at(len(self.seeds))
            check(self.claims, labels, self.rule)
        return self
