"""The study that a command line asks for: a name or a file, and what options change in it."""

from collections.abc import Callable
from typing import Any

from study import named_studies
from study.nouns.errors import InputError
from study.nouns.overrides import override, parse
from study.nouns.spec import StudySpec


def study_of(
    study: str,
    changes: list[str],
    dataset: dict[str, Any],
    name: str | None,
    seeds: str | None,
    made: Callable[[str], bool],
) -> StudySpec:
    """The study with its changes laid in.

    Args:
        study: its name, or the path of a YAML file.
        changes: as of --set.
        dataset: overrides of a run's data, where a root or the simulator was given.
        name: of its folder; None is its own.
        seeds: `0,1,2`; None are its own.
        made: whether any node can make a data set of this name.

    Raises:
        InputError: there is no such study, a change or the seeds cannot be read, or its data have to be named.
    """
    spec = named_studies.get(study)
    overrides: dict[str, Any] = {f"base.{key}": value for key, value in dataset.items()}
    if dataset.get("dataset.name") == spec.base.dataset.name:
        del overrides["base.dataset.options"]  # the study's own fit
    if name is not None:
        overrides["name"] = name
    if seeds is not None:
        try:
            overrides["seeds"] = [int(seed) for seed in seeds.split(",")]
        except ValueError:
            raise InputError(f"--seeds expects whole numbers like 0,1,2, got {seeds!r}") from None
    spec = override(spec, {**overrides, **dict(map(parse, changes))})
    asked = spec.base.dataset
    if asked.root is None and not made(asked.name):
        raise InputError(
            f"the study {spec.name} asks for {asked.name}: give its root with --data DIR (made ready by "
            f"`run_study.py prepare {asked.name} DIR`), or say --simulated to train on simulated scans"
        )
    return spec
