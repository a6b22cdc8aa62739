"""The runs that a study asked for and that have no record: a table that left them out would look complete.

study.json holds the question before defaults and digests were filled in, so a fixed row cannot be found by its key. It
is there when its label and seed are, or when an equal run has another label, as far as recorded rows tell the defaults.
"""

from collections.abc import Iterator
from typing import Any

from analysis.columns import config_columns, question
from study.overrides import override
from study.spec import StudySpec, TrialConfig

NOT_RUN = "not_run"


def teacher_questions(spec: StudySpec) -> set[str]:
    """The teachers that a study's runs need (see `question`)."""
    configs = [spec.base, *(config for _, config in _planned(spec))]
    return {question(config.teacher_run()) for config in configs if config.teacher.checkpoint is None}


def not_run(spec: StudySpec, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Fixed rows without a record; each counts to the setting and the variant of its siblings.

    Args:
        spec: the study.
        rows: the columns of every recorded run, of other studies too.
    """
    own = [row for row in rows if row["study"] == spec.name]
    recorded = {(row["label"], row["seed"]) for row in own}
    asked = {(label, config.seed): config_columns(config) for label, config in _planned(spec)}
    defaults = _defaults(rows, asked)
    by_conditions = {row["conditions"]: row for row in own if row["method"] != "teacher"}
    by_label = {row["label"]: row for row in own}
    for (label, seed), columns in asked.items():
        if (label, seed) in recorded or any(_is_run_of(row, columns, defaults) for row in rows):
            continue
        near = {name: by_conditions.get(columns["conditions"], columns)[name] for name in ("family", "setting")}
        variant = by_label.get(label, columns)["variant"]
        yield {"study": spec.name, "key": "", "label": label, "status": NOT_RUN, **columns, **near, "variant": variant}


def _planned(spec: StudySpec) -> Iterator[tuple[str, TrialConfig]]:
    for point in spec.points:
        for seed in spec.seeds:
            yield point.label, override(spec.base, {"seed": seed, **point.set})


def _defaults(rows: list[dict[str, Any]], asked: dict[tuple[str, int], dict[str, Any]]) -> dict[str, Any]:
    """Parameters that were filled in: those that a recorded row holds and its question does not name."""
    found: dict[str, Any] = {}
    for row in rows:
        named = asked.get((row["label"], row["seed"]), row)
        found |= {name: row[name] for name in _parameters(row) if name not in named and name not in found}
    return found


def _is_run_of(row: dict[str, Any], asked: dict[str, Any], defaults: dict[str, Any]) -> bool:
    if any(row[name] != asked[name] for name in ("seed", "method", "conditions")):
        return False
    wanted = {**defaults, **{name: asked[name] for name in _parameters(asked)}}
    return all(row[name] == wanted.get(name) for name in _parameters(row))


def _parameters(row: dict[str, Any]) -> list[str]:
    return [name for name in row if name.startswith("parameters.")]
