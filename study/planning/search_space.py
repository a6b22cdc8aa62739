"""The space of a search: ranges by dotted key, as `--set` takes them, and the runs that Optuna suggests in it.

A range with conditions (`when`) is asked for only in runs that meet them. A condition names another searched key, or
one that is not searched and keeps the base run's value; a searched key that was not asked for has the base's value too.
"""

import json
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError, unknown_name
from study.nouns.overrides import override, value_at
from study.nouns.parameters import Range
from study.nouns.promised import PlannedRun
from study.nouns.spec import StudySpec
from study.planning.offered import Resolve

Space = Mapping[str, Range]


def suggest(trial: optuna.trial.BaseTrial, space: Space, base: TrialConfig) -> dict[str, Any]:
    """Ask Optuna for one run.

    Args:
        trial: who is asked; every answer becomes one of its parameters, under the dotted key.
        space: a checked space.
        base: the resolved run around which is searched.

    Returns:
        Dotted overrides of the base run.
    """
    changes: dict[str, Any] = {}
    content = base.model_dump(mode="json")
    for key in _in_order(space):
        conditions = space[key].when.items()
        if all(
            (changes[other] if other in changes else value_at(content, other)) == value for other, value in conditions
        ):
            changes[key] = _asked(trial, key, space[key])
    return changes


def values_of(config: TrialConfig, space: Space) -> dict[str, Any]:
    """A run's own values as answers to Optuna, without those that lie outside their ranges.

    Args:
        config: a resolved run.
        space: a checked space.
    """
    content = config.model_dump(mode="json")
    values = {key: value_at(content, key) for key in space}
    return {key: _written(space[key], value) for key, value in values.items() if _holds(space[key], value)}


def distributions_of(space: Space) -> dict[str, BaseDistribution]:
    """Every range as Optuna knows it, whatever its conditions."""
    trial = optuna.trial.FixedTrial({key: _written(range_, _ends(range_)[0]) for key, range_ in space.items()})
    for key, range_ in space.items():
        _asked(trial, key, range_)
    return trial.distributions


def around(spec: StudySpec, seed: int, resolve: Resolve) -> list[PlannedRun]:
    """The base run of a search, and the runs at both ends of every range: what can be checked before anything runs.

    Args:
        spec: a completed study.
        seed: of the runs that are searched.

    Returns:
        Resolved runs, the base run first; empty where nothing is searched.

    Raises:
        InputError: the space cannot be searched, a value is out of its range, or one asks for another teacher.
    """
    if spec.search is None:
        return []
    assert spec.search.space is not None, "a completed search has a space"
    if spec.base.method == "teacher":
        raise InputError("a search varies students; base.method is 'teacher'")
    space, base = spec.search.space, override(spec.base, {**spec.choosing, "seed": seed})
    runs = [resolve(base)]
    _check(space, runs[0])
    for key, changes in _corners(space, runs[0]):
        try:
            runs.append(resolve(override(base, changes)))
        except InputError as error:
            raise InputError(f"search.space of {key}: {error}") from None
        if len({run.teacher_run().key for run in runs if run.distills}) > 1:
            raise InputError(f"search.space of {key}: its values need different teachers; a search has one")
    return [PlannedRun(role="search", label="search", config=config) for config in runs]


def _check(space: Space, base: TrialConfig) -> None:
    content = base.model_dump(mode="json")
    known = [*space, *_keys(content)]
    for key, range_ in space.items():
        for other, value in range_.when.items():
            if other not in known:
                raise unknown_name(f"key in the condition of search.space {key},", other, known)
            possible = _holds(space[other], value) if other in space else value_at(content, other) == value
            if not possible:
                raise InputError(f"search.space of {key}: it is never searched, as {other} is never {value!r}")
    _in_order(space)


def _in_order(space: Space) -> list[str]:
    """The keys of a space, each after those of its conditions."""
    graph = {key: [other for other in range_.when if other in space] for key, range_ in space.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise InputError(f"conditions of search.space go in a circle: {' -> '.join(error.args[1])}") from None


def _asked(trial: optuna.trial.BaseTrial, key: str, range_: Range) -> Any:
    if range_.choices is not None:
        answer = trial.suggest_categorical(key, [_written(range_, choice) for choice in range_.choices])
        return answer if _is_plain(range_) else json.loads(answer)
    low, high = _ends(range_)
    ask = trial.suggest_int if range_.integer else trial.suggest_float
    return ask(key, low, high, log=range_.log)


def _is_plain(range_: Range) -> bool:
    """Whether Optuna can keep the values of a range as they are: it knows no lists and no maps."""
    return all(isinstance(choice, str | int | float | None) for choice in range_.choices or ())


def _written(range_: Range, value: Any) -> Any:
    """A value of a range as Optuna keeps it: of equal choices, such as 1 and 1.0, the one that stands there."""
    return (
        value if _is_plain(range_) else json.dumps(next(choice for choice in range_.choices or () if choice == value))
    )


def _corners(space: Space, base: TrialConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every range alone at each of its values that can be named, then all at their first and all at their last."""
    for key, range_ in space.items():
        for value in _ends(range_):
            yield key, {**_required(space, key), key: value}
    for end in (0, -1):
        written = {key: _written(range_, _ends(range_)[end]) for key, range_ in space.items()}
        yield "all keys together", suggest(optuna.trial.FixedTrial(written), space, base)


def _required(space: Space, key: str) -> dict[str, Any]:
    """What makes a search ask for a key."""
    needed: dict[str, Any] = {}
    for other, value in space[key].when.items():
        if other in space:
            needed |= {**_required(space, other), other: value}
    return needed


def _ends(range_: Range) -> list[Any]:
    if range_.choices is not None:
        return list(range_.choices)
    ends = [end for end in (range_.low, range_.high) if end is not None]
    return [int(end) for end in ends] if range_.integer else ends


def _holds(range_: Range, value: Any) -> bool:
    if range_.choices is not None:
        return value in range_.choices
    low, high = _ends(range_)
    return isinstance(value, int | float) and low <= value <= high and (not range_.integer or value == int(value))


def _keys(content: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, value in content.items():
        yield f"{above}{name}"
        if isinstance(value, dict):
            yield from _keys(value, f"{above}{name}.")
