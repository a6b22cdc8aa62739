"""What a metric is: declared by the evaluator that computes it, known to everything else as data only."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from study.nouns.errors import unknown_name
from study.nouns.frozen import Frozen


class Metric(Frozen):
    """One number that an evaluator gives, and how people read it."""

    name: str = Field(description="in records, studies and on the command line: mAP/3d/moderate")
    title: str = Field(description="within a sentence: moderate 3D mAP")
    unit: str = Field("", description="behind an axis: AP40, %")
    direction: Literal["max", "min"] = Field("max", description="whether larger or smaller values are better")
    low: float | None = Field(None, description="the worst or best value there can be; null is none")
    high: float | None = Field(None, description="the other end")
    floor: float | None = Field(
        None, description="a teacher that is given as a checkpoint and is worse than this is broken; null judges none"
    )
    block: str = Field("", description="the part of a table that it stands in (BEV, 3D); empty is in no table")
    column: str = Field("", description="its column there (moderate, mAP)")
    group: str = Field("", description="what that column shares with those beside it (Car); empty shares nothing")
    headline: bool = Field(False, description="the column of its block that gains are taken of")

    @model_validator(mode="after")
    def _ends_are_ordered(self) -> "Metric":
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low of metric {self.name} must be below high, got {self.low:g} and {self.high:g}")
        return self

    @property
    def sign(self) -> int:
        """1 where larger is better, else -1: a difference times this is a gain."""
        return 1 if self.direction == "max" else -1

    @property
    def heading(self) -> str:
        """The name of its column, which no other metric of its block has: `Car moderate`."""
        return f"{self.group} {self.column}".strip()

    def better(self, value: float, other: float) -> bool:
        """Whether a value is better than another."""
        return value > other if self.direction == "max" else value < other


COSTS = (
    Metric(name="gflops", title="GFLOPs", direction="min", low=0),
    Metric(name="params_m", title="params", unit="M", direction="min", low=0),
)
"""What a detector costs that is among the facts of every record: billions of multiply-adds, millions of parameters."""


def find(name: str, metrics: Sequence[Metric], kind: str = "metric") -> Metric:
    """The declared metric of a name.

    Raises:
        InputError: there is none; says the nearest and what there is.
    """
    for metric in metrics:
        if metric.name == name:
            return metric
    raise unknown_name(kind, name, [metric.name for metric in metrics])


def principal(metrics: Sequence[Metric]) -> Metric:
    """What a study is about that names no metric: the judge of teachers, else the first headline, else the first."""
    return judge(metrics) or next((metric for metric in metrics if metric.headline), metrics[0])


def judge(metrics: Sequence[Metric]) -> Metric | None:
    """The metric by which teachers are judged: the one that declares a floor; None where none does."""
    return next((metric for metric in metrics if metric.floor is not None), None)
