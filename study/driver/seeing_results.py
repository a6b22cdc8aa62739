"""Whether a machine can read and write where results lie: a token is left there, and every node looks for it.

Nodes of a store reach it by their own environment (credentials, address, region), of which the driver knows nothing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from study.nouns.errors import InputError
from study.nouns.object_store import Store


@contextmanager
def a_token(results: Path | str) -> Iterator[Path | str]:
    """A file in a folder, which is made, or an object below a URL, for as long as the block takes.

    Raises:
        OSError: it cannot be written.
    """
    name = f".seen-{uuid4().hex}"
    if isinstance(results, str):
        store = Store(results)
        store.write(name, b"seen")
        try:
            yield f"{results}/{name}"
        finally:
            store.remove([name])
        return
    results.mkdir(parents=True, exist_ok=True)
    (results / name).touch()
    try:
        yield results / name
    finally:
        (results / name).unlink(missing_ok=True)


def complaint(token: str) -> str:
    """What is wrong with where the token lies, as this machine sees it, in words; empty where nothing is."""
    place, _, name = token.rpartition("/")
    if "://" in token:
        return _of_store(place, name)
    if not os.path.exists(token):
        return f"does not see {place}: results must lie on a shared disk"
    writes = os.access(place, os.W_OK)
    return "" if writes else f"cannot write into {place}: results must lie on a shared disk"


def _of_store(url: str, name: str) -> str:
    mine = f".seen-{uuid4().hex}"
    own = "its own environment must name the store's address and credentials"
    try:
        store = Store(url)
        if store.read(name) is None:
            return f"does not find in {url} what the driver has put there: {own}"
        store.write(mine, b"seen")
        store.remove([mine])
    except (InputError, OSError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        return f"cannot use {url} ({said}): {own}"
    return ""
