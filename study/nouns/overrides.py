"""Changing one value of a noun by its dotted name: `--set training.epochs=3`, and Optuna's suggestions."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from difflib import SequenceMatcher
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from study.nouns.errors import InputError, unknown_name

Noun = TypeVar("Noun", bound=BaseModel)
ALIKE = 0.6
"""How much of two keys must be equal (difflib's ratio) for one to be meant by the other."""


def value_at(content: dict[str, Any], key: str) -> Any:
    """What stands at a dotted key of nested dictionaries; None where nothing does."""
    place: Any = content
    for name in key.split("."):
        place = place.get(name) if isinstance(place, dict) else None
    return place


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
        InputError: a key that does not exist (with the one that is meant), or a value out of its range.
    """
    content = noun.model_dump(mode="json")
    for path, value in changes.items():
        _replace(type(noun), content, path, deepcopy(value))  # a later key may change what an earlier one set
    return validated(type(noun), content)


def validated(kind: type[Noun], content: Any, prefix: str = "") -> Noun:
    """Build a noun; pydantic's report becomes one line that names the field, the rule and the value."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        errors = error.errors()
        first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
        if first["type"] == "extra_forbidden":
            path, above = _dotted(prefix, *first["loc"]), [part for part in first["loc"][:-1] if isinstance(part, str)]
            fields = [_dotted(prefix, *field) for field in _fields(kind)]
            beside = [_dotted(prefix, *field) for field in _fields(kind) if list(field[:-1]) == above]
            raise unknown_name("key", path, beside, meant(path, fields)) from None
        where = _dotted(prefix, *first["loc"]) or kind.__name__
        rule = first["msg"].removeprefix("Value error, ")
        got = f" (got {first['input']!r})" if first["type"] != "value_error" else ""
        raise InputError(f"{where}: {rule}{got}") from None


def meant(path: str, known: Iterable[str]) -> list[str]:
    """The existing keys that somebody may have meant by one that does not exist, the likeliest first.

    First counts how many names at the end are equal (`training.epochs` means `base.training.epochs`, and the other way
    round), then how alike the rest is; of equals, those nearest to the top come first. At most three.
    """
    names, likely = path.split("."), {}
    for key in known:
        ends = key.split(".")
        equal = 0
        while equal < min(len(names), len(ends)) and names[-1 - equal] == ends[-1 - equal]:
            equal += 1
        end = ".".join(ends[-len(names) :])
        alike = 1.0 if end.startswith(path) else SequenceMatcher(None, end, path).ratio()
        if (equal or alike >= ALIKE) and not path.startswith(f"{key}."):
            likely[key] = (equal, alike)
    best = [key for key, score in likely.items() if score == max(likely.values())]
    return sorted(best, key=lambda key: (key.count("."), key))[:3]


def _dotted(*parts: str | int) -> str:
    return ".".join(str(part) for part in parts if part != "")


def _replace(kind: type[BaseModel], content: dict[str, Any], path: str, value: Any) -> None:
    names, place = path.split("."), content
    free = [field for field, type_ in _fields(kind).items() if get_origin(type_) is dict]
    for depth, name in enumerate(names):
        above = names[:depth]
        if place is None:
            raise InputError(f"{path}: {_dotted(*above)} is null here; give it as a whole, {_dotted(*above)}=...")
        if not isinstance(place, dict):
            raise InputError(f"{path}: {_dotted(*above)} holds no further keys")
        # What stands in a method's parameters is checked by the method itself: their names are not known here.
        inside = any(tuple(above[: len(field)]) == field for field in free)
        if name not in place and not inside:
            paths = list(_paths(content))
            known = [*paths, *_into([field for field in free if _dotted(*field) in paths], names)]
            raise unknown_name("key", path, [_dotted(*above, key) for key in place], meant(path, known))
        if depth < len(names) - 1:
            place = place.setdefault(name, {}) if inside else place[name]
    place[names[-1]] = value


def _paths(content: dict[str, Any], above: str = "") -> Iterator[str]:
    """Every dotted key of nested dictionaries, inner ones too."""
    for name, value in content.items():
        yield _dotted(above, name)
        if isinstance(value, dict):
            yield from _paths(value, _dotted(above, name))


def _into(free: list[tuple[str, ...]], names: list[str]) -> Iterator[str]:
    """What the names after `parameters` would be called inside each field whose keys are free."""
    for field in free:
        for place, name in enumerate(names[:-1]):
            if name == field[-1]:
                yield _dotted(*field, *names[place + 1 :])


def _fields(kind: type[BaseModel], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """The type of every field of a noun and of the nouns inside it, by the names that lead to it."""
    found: dict[tuple[str, ...], Any] = {}
    for name, field in kind.model_fields.items():
        found[(*above, name)] = field.annotation
        for inner in (field.annotation, *get_args(field.annotation)):  # X, X | None, tuple[X, ...]
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                found |= _fields(inner, (*above, name))
    return found
