"""What a field may hold is said in words."""

from typing import Literal

import pytest
from pydantic import Field

from study.nouns.frozen import Frozen, allowed


class Made(Frozen):
    choice: Literal["a", "b"] | None = None
    share: float = Field(0.5, gt=0, le=1)
    switch: bool | None = None
    count: int | None = Field(None, ge=1)
    free: str = ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [("choice", "a | b"), ("share", "above 0, at most 1"), ("switch", "true | false"), ("count", "at least 1"),
     ("free", "")],
)  # fmt: skip
def test_the_values_that_a_parameter_may_take_are_said_in_words(name, expected):
    assert allowed(Made.model_fields[name]) == expected
