"""A simulation's spec beside what it wrote: no root gets frames of two specs, and no file is half there."""

import os
from pathlib import Path

from pydantic import ValidationError

from study.nouns.errors import InputError
from study.nouns.frozen import Frozen

SPEC_FILE, PARTIAL_FILE = "simulation.json", "simulation.partial.json"
"""The spec of what is complete, and of what is being written."""


def refuse_other_data(spec: Frozen, root: Path, raw_folder: str) -> None:
    """Raise InputError where a root holds another simulation, or, in `raw_folder`, data that no simulation wrote."""
    found = next((root / name for name in (SPEC_FILE, PARTIAL_FILE) if (root / name).exists()), None)
    if found is None:
        if (root / raw_folder).exists():
            raise InputError(f"{root} already holds data that no simulation wrote; give an empty or new folder")
        return
    try:
        before = type(spec).model_validate_json(found.read_text())
    except ValidationError as error:
        raise InputError(f"{found} is not a simulation's spec: {error.errors()[0]['msg']}") from error
    if before != spec:
        old, new = before.model_dump(), spec.model_dump()
        changed = ", ".join(f"{key} = {old[key]} there, {new[key]} asked for" for key in new if old[key] != new[key])
        raise InputError(f"{root} holds another simulation ({changed}); give a new folder or remove this one")


def begin(spec: Frozen, root: Path) -> None:
    """Say in a root, unless it is complete, what is being written to it."""
    if not (root / SPEC_FILE).exists():
        put(root / PARTIAL_FILE, spec.model_dump_json(indent=2))


def complete(spec: Frozen, root: Path) -> None:
    """Say in a root that all of it is written."""
    put(root / SPEC_FILE, spec.model_dump_json(indent=2))
    (root / PARTIAL_FILE).unlink(missing_ok=True)


def put(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, unless it is there with this content."""
    raw = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == raw:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(raw)
    temporary.replace(path)
