"""The base of every noun: validated once, never changed, no unknown keys."""

from types import UnionType
from typing import Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

_BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


class Frozen(BaseModel):
    """A validated, immutable record. An unknown key is an error, so a typing mistake never runs a study."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def allowed(field: FieldInfo) -> str:
    """The values that a hyper-parameter may take, in words: `a | b`, `at least 1`; empty where anything goes."""
    options = [field.annotation]
    if get_origin(field.annotation) in (Union, UnionType):
        options = [option for option in get_args(field.annotation) if option is not type(None)]
    if get_origin(options[0]) is Literal:
        return " | ".join(map(str, get_args(options[0])))
    if options[0] is bool:
        return "true | false"
    bounds = [
        f"{word} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, word in _BOUNDS.items()
        if getattr(rule, name, None) is not None
    ]
    return ", ".join(bounds)
