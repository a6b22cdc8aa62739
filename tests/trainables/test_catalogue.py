"""The list of methods says what each reads, its defaults and the values that it takes."""

from typing import Literal

import pytest
from pydantic import Field

from study.frozen import Frozen
from trainables import distiller
from trainables.catalogue import allowed, describe


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


def test_every_method_tells_what_it_reads_and_the_default_of_all_it_takes():
    methods = {entry["name"]: entry for entry in describe()["methods"]}
    assert methods.keys() == {"teacher", "student", *distiller.names()}
    for name in distiller.names():
        assert methods[name]["reads"]
        assert [p["name"] for p in methods[name]["parameters"]] == list(distiller.load(name).Parameters.model_fields)
    parameters = {p["name"]: p for p in methods["pointdistiller"]["parameters"]}
    assert parameters["neighbors"]["default"] == 128
    assert parameters["scope"]["range"] == "scan | batch"
