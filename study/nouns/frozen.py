"""The base of every noun: validated once, never changed, no unknown keys."""

from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

BEFORE = "before"
"""In a field's `json_schema_extra`: the value that all runs had before the field existed."""
_ALWAYS = object()
"""What stands in its place where a field was there from the beginning."""
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


def without_additions(kind: type[BaseModel], content: dict[str, Any]) -> dict[str, Any]:
    """What names a noun: its content without fields that were added later, where they say what was so before anyway.

    Args:
        kind: the noun's type.
        content: its content in JSON's types.
    """
    fields = _fields(kind)
    kept: dict[str, Any] = {}
    for name, value in content.items():
        before, inner = fields.get(name, (_ALWAYS, None))
        if before is _ALWAYS or before != value:
            kept[name] = without_additions(inner, value) if inner and isinstance(value, dict) else value
    return kept


@cache
def _fields(kind: type[BaseModel]) -> dict[str, tuple[Any, type[BaseModel] | None]]:
    """Of each field what was so before it came, and the noun that it holds; kept, as keys are made by the thousand."""
    found: dict[str, tuple[Any, type[BaseModel] | None]] = {}
    for name, field in kind.model_fields.items():
        extra, inner = field.json_schema_extra, field.annotation
        before = extra[BEFORE] if isinstance(extra, dict) and BEFORE in extra else _ALWAYS
        found[name] = (before, inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None)
    return found
