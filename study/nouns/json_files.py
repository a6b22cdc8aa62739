"""JSON files that are read whole or not at all, whoever is killed while writing them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from study.nouns.errors import InputError


def write_json(path: Path, content: Any, put: Callable[[Path, Path], object] = Path.replace) -> None:
    """Write JSON so that readers see the old file or the whole new one, never a part.

    Args:
        path: of the file.
        content: to be written.
        put: puts the new file, which lies beside the old one, in its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        with partial.open("w") as file:
            json.dump(content, file, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        put(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: it is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not JSON ({error})") from None
