"""Single runs (`trial`) as a study of their own, so that a report can be made of them."""

from typing import Any

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.overrides import override, validated
from study.nouns.promised import Plan, PlannedRun
from study.nouns.records import StudyFiles
from study.nouns.spec import Point, StudySpec

QUESTION = "What did single runs give?"


def entered(config: TrialConfig, files: StudyFiles) -> tuple[str, StudySpec]:
    """The study of the single runs in a folder with one more run, and the label of its row.

    Runs that differ in their seed only are one row. Nothing is written yet.

    Raises:
        InputError: the folder's name cannot be a study's, or it holds a study that asks something else.
    """
    there = files.read_study()
    if there is not None and there.question != QUESTION:
        raise InputError(f"{files.root} holds the study {there.name!r}; choose another --name")
    row = {name: value for name, value in config.model_dump(mode="json").items() if name != "seed"}
    if there is None:
        content = {"name": files.study, "question": QUESTION, "base": config, "points": [{"label": config.method}]}
        return config.method, _study(content, config)
    for point in there.points:
        if override(there.base, {**point.set, "seed": config.seed}) == config:
            label, points = point.label, there.points
            break
    else:
        base = there.base.model_dump(mode="json")
        changes = {name: value for name, value in row.items() if value != base[name]}
        taken = {point.label for point in there.points}
        label = config.method if config.method not in taken else f"{config.method} {config.key}"
        points = (*there.points, Point(label=label, set=changes))
    return label, _study({**there.model_dump(), "points": points}, config)


def refer(files: StudyFiles, spec: StudySpec, runs: list[PlannedRun]) -> None:
    """Make runs those of the folder's study too, whichever study they are trained for."""
    there = [run for run in files.read_plan().runs if run.config.key not in {one.config.key for one in runs}]
    files.write_plan(Plan(runs=(*there, *runs)))
    files.write_study(spec)


def _study(content: dict[str, Any], config: TrialConfig) -> StudySpec:
    seeds = dict.fromkeys([*content.get("seeds", ()), config.seed])
    return validated(StudySpec, {**content, "seeds": tuple(seeds)})
