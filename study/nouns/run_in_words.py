"""A run in words: in which values it differs from the base of its study, and the last lines of its log."""

import json
from pathlib import Path
from typing import Any

from study.nouns.config import TrialConfig
from study.nouns.spec import StudySpec

LOG_LINES, LOG_BYTES = 25, 20_000


def differences(config: TrialConfig, label: str, spec: StudySpec) -> list[tuple[str, str]]:
    """Dotted key and value, with the base's; of another method all that it takes, of the base's own what was set."""
    base, own = flat(spec.base.model_dump(mode="json")), flat(config.model_dump(mode="json"))
    if not config.distills:  # what it would ask of a teacher is nobody's
        own = {key: value for key, value in own.items() if not key.startswith("teacher.")}
    point = next((point for point in spec.points if point.label == label), None)
    told = set(point.set) if point else set()
    another = config.method != spec.base.method
    found = [("seed", str(config.seed))]
    for key, value in own.items():
        if key in base and base[key] != value and key != "seed":
            found.append((key, f"{said(value)} (base: {said(base[key])})"))
        elif key not in base and (key in told or (another and key.startswith("parameters."))):
            found.append((key, said(value)))
    return found


def flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by their dotted keys."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return found


def said(value: Any) -> str:
    """A value as `--set` takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def tail(log: Path) -> str:
    """The last lines of a run's log; empty where there is none."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(line[:300] for line in lines[-LOG_LINES:])
