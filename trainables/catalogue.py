"""What there is to train: detectors and methods, described from their own files."""

import importlib
from typing import Any

from trainables import detector, distiller

UNDISTILLED = {
    "teacher": "The detector at full size, trained alone.",
    "student": "The compressed detector, trained without distillation.",
}


def describe() -> dict[str, list[dict[str, Any]]]:
    """`detectors` and `methods`: name, one line, and for methods their hyper-parameters with defaults and meaning."""
    detectors = [
        {"name": name, "description": _first_line(f"trainables.detectors.{name}"), "mmdet3d_config": spec.config}
        for name, spec in ((name, detector.load(name)) for name in detector.names())
    ]
    alone = [{"name": name, "description": text, "parameters": []} for name, text in UNDISTILLED.items()]
    methods = [
        {
            "name": name,
            "description": _first_line(f"trainables.distillers.{name}"),
            "parameters": [
                {"name": key, "default": field.default, "description": field.description}
                for key, field in distiller.load(name).Parameters.model_fields.items()
            ],
        }
        for name in distiller.names()
    ]
    return {"detectors": detectors, "methods": [*alone, *methods]}


def _first_line(module: str) -> str:
    return (importlib.import_module(module).__doc__ or "").strip().splitlines()[0]
