"""Changing one value of a noun by its dotted name: `--set training.epochs=3`, and Optuna's suggestions."""

from copy import deepcopy
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from study.nouns.errors import InputError, unknown_name

FREE = frozenset({"parameters", "options"})
"""Below these, keys are checked by the method or the data set that takes them: their names are not known here."""

Noun = TypeVar("Noun", bound=BaseModel)


def parse(assignment: str) -> tuple[str, Any]:
    """Split `key.path=value`; the value is read as YAML (numbers, true/false, null, [lists], {maps}, words).

    Raises:
        InputError: there is no `=`, no key, or the value is not YAML.
    """
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set expects key.path=value, got {assignment!r}")
    try:
        return key.strip(), yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"--set {key.strip()}: the value {text!r} is not YAML") from None


def override(noun: Noun, changes: dict[str, Any]) -> Noun:
    """The noun with the dotted keys of `changes` replaced, validated again.

    Raises:
        InputError: a key that does not exist (with the nearest one that does), or a value out of its range.
    """
    content = noun.model_dump(mode="json")
    for path, value in changes.items():
        _replace(content, path, deepcopy(value))  # a later key may change what an earlier one set
    return validated(type(noun), content)


def validated(kind: type[Noun], content: Any, prefix: str = "") -> Noun:
    """Build a noun; pydantic's report becomes one line that names the field, the rule and the value."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "extra_forbidden":
            known = [_dotted(prefix, *first["loc"][:-1], name) for name in kind.model_fields]
            raise unknown_name("key", _dotted(prefix, *first["loc"]), known) from None
        where = _dotted(prefix, *first["loc"]) or kind.__name__
        rule = first["msg"].removeprefix("Value error, ")
        got = f" (got {first['input']!r})" if first["type"] != "value_error" else ""
        raise InputError(f"{where}: {rule}{got}") from None


def _dotted(*parts: str | int) -> str:
    return ".".join(str(part) for part in parts if part != "")


def _replace(content: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    place: Any = content
    for depth, name in enumerate([*parents, last]):
        if not isinstance(place, dict):
            raise InputError(f"{path}: {'.'.join(parents[:depth])} holds no further keys")
        if name not in place and not FREE.intersection(parents[:depth]):
            prefix = "".join(f"{part}." for part in parents[:depth])
            raise unknown_name("key", path, [prefix + key for key in place])
        if depth < len(parents):
            place = place.setdefault(name, {})
    place[last] = value
