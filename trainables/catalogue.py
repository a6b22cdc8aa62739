"""What there is to train: detectors and methods, described from their own files."""

import importlib
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from trainables import detector, distiller

UNDISTILLED = {
    "teacher": "The detector at full size, trained alone.",
    "student": "The compressed detector, trained without distillation.",
}
_BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def describe() -> dict[str, list[dict[str, Any]]]:
    """`detectors` and `methods`: name and one line; of methods what they read and their hyper-parameters."""
    detectors = [
        {"name": name, "description": _first_line(f"trainables.detectors.{name}"), "mmdet3d_config": spec.config}
        for name, spec in ((name, detector.load(name)) for name in detector.names())
    ]
    alone = [{"name": name, "description": text, "reads": [], "parameters": []} for name, text in UNDISTILLED.items()]
    return {"detectors": detectors, "methods": [*alone, *map(_method, distiller.names())]}


def _method(name: str) -> dict[str, Any]:
    """Defaults and features are those of PointPillars where they depend on the detector."""
    method = distiller.load(name)
    defaults = method.complete({}, "pillars")
    return {
        "name": name,
        "description": _first_line(f"trainables.distillers.{name}"),
        "reads": list(method.reads_with(method.Parameters(**defaults))),
        "weight_range": list(method.weight_range),
        "parameters": [
            {"name": key, "default": defaults[key], "range": allowed(field), "description": field.description}
            for key, field in method.Parameters.model_fields.items()
        ],
    }


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


def _first_line(module: str) -> str:
    return (importlib.import_module(module).__doc__ or "").strip().splitlines()[0]
