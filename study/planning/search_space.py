"""The define-by-run space from which Optuna suggests a run: dotted overrides, as `--set` takes them."""

from typing import Any

import optuna

from study.nouns.spec import SearchSpace

Switches = tuple[bool, bool]
"""Whether LD (`local`) and RL (`reweight`) are on."""


def suggest(trial: optuna.trial.BaseTrial, space: SearchSpace) -> dict[str, Any]:
    """Ask Optuna for one run: tau only where RL reads it, K only where LD reads it.

    Returns:
        Dotted overrides. Every one of them is also a parameter of the Optuna trial, under the same name.
    """
    changes: dict[str, Any] = switched((True, True))
    if space.switches:
        changes = {name: trial.suggest_categorical(name, [True, False]) for name in changes}
    changes["parameters.samples"] = trial.suggest_int("parameters.samples", *space.samples, log=True)
    if changes["parameters.local"]:
        changes["parameters.neighbors"] = trial.suggest_int("parameters.neighbors", *space.neighbors, log=True)
    if changes["parameters.reweight"]:
        changes["parameters.temperature"] = trial.suggest_float("parameters.temperature", *space.temperature, log=True)
    return changes


def choices(space: SearchSpace) -> list[Switches]:
    """The settings of the switches that a search may choose."""
    return (
        [(local, reweight) for local in (True, False) for reweight in (True, False)]
        if space.switches
        else [(True, True)]
    )


def switched(switches: Switches) -> dict[str, bool]:
    """The overrides that set the switches."""
    return dict(zip(("parameters.local", "parameters.reweight"), switches, strict=True))


def switches_of(changes: dict[str, Any]) -> Switches:
    """The inverse of `switched`, out of all overrides of a run."""
    return changes["parameters.local"], changes["parameters.reweight"]


def corners(space: SearchSpace) -> list[dict[str, Any]]:
    """The overrides at the low and at the high end of every range: what can be checked before anything runs."""
    ranges = {f"parameters.{name}": getattr(space, name) for name in ("samples", "neighbors", "temperature")}
    ends = [{name: bounds[end] for name, bounds in ranges.items()} for end in (0, 1)]
    return [suggest(optuna.trial.FixedTrial({**switched((True, True)), **end}), space) for end in ends]
