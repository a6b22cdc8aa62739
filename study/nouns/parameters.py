"""What a value of a run is called by people, and from where to where it may be searched."""

from typing import Any

from pydantic import Field, model_validator

from study.nouns.frozen import Frozen


class Called(Frozen):
    """How people call a value that has a dotted key: `parameters.neighbors` is K."""

    symbol: str = Field(description="short, as the paper writes it: K, N, τ, LD")
    title: str = Field("", description="for an axis: neighbors per local graph")
    unit: str = ""
    switch: bool = Field(False, description="it is on or off, and tables show a mark")


class Range(Frozen):
    """From where to where Optuna may search one value: from low to high, or some choices."""

    low: float | None = None
    high: float | None = None
    log: bool = Field(False, description="log-uniform from low to high")
    integer: bool = Field(False, description="whole numbers only")
    choices: tuple[Any, ...] | None = Field(None, description="instead of low and high")
    when: dict[str, Any] = Field(
        {}, description="searched only in runs in which each of these dotted keys has this value"
    )

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> "Range":
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log or self.integer or not self.choices:
                raise ValueError("choices (at least one) stand alone, without low, high, log or integer")
            return self
        if self.low is None or self.high is None or not self.low <= self.high:
            raise ValueError(f"a range needs low <= high, or choices; got {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low > 0, got {self.low:g}")
        if self.integer and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"an integer range needs whole ends, got {self.low:g} and {self.high:g}")
        return self
