"""An object store by its URL (`s3://bucket/prefix`, `gs://`, `az://`): names and contents, many at once.

Credentials, region and address are those of the environment (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`...), as obstore
reads them. A store puts an object as a whole: readers see the old one or the new one.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from study.nouns.errors import InputError
from study.nouns.lease_places import PREFIX, numbers_of

AT_ONCE = 32
"""Requests on their way: a store answers each in a hundredth of a second, and thousands a second."""
PATIENCE_S = 30
"""How long a request is tried again."""
MOST_BETWEEN_S = 5
"""Between two tries, at most."""
Answer = TypeVar("Answer")


class StoreAwayError(OSError):
    """The store gives no answer, or none but that it does not do what it is asked."""


class Seen(NamedTuple):
    """An object as the store lists it."""

    size: int
    seconds: int
    """When it was put, by the store's clock."""
    tag: str
    """Of its content."""

    @property
    def stamp(self) -> int:
        """In nanoseconds, the time of a file that holds what the object holds: no file that is written has whole
        seconds."""
        return self.seconds * 10**9

    def is_in(self, path: Path) -> bool:
        """Whether a file was stamped as one that holds what the object holds."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        return (found.st_size, found.st_mtime_ns) == (self.size, self.stamp)


class Store:
    """All objects below a URL, by names with `/`.

    Args:
        url: of the store, with a prefix.

    Raises:
        InputError: obstore is not installed, or the URL is none that it knows.
    """

    def __init__(self, url: str) -> None:
        try:
            import obstore
            from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
            from obstore.store import from_url
        except ImportError:
            raise InputError(f"{url} needs a package: pip install -r requirements/object-store.lock") from None
        self.url, self._api = url, obstore
        self._exists, self._missing, self._error = AlreadyExistsError, NotFoundError, BaseError
        try:
            patience: Any = {
                "retry_timeout": timedelta(seconds=PATIENCE_S),
                "max_retries": 1000,  # time is what ends it
                "backoff": {"max_backoff": timedelta(seconds=MOST_BETWEEN_S)},
            }
            self._store: Any = from_url(url, retry_config=patience)
        except (BaseError, ValueError) as error:
            raise InputError(f"{url}: expected s3://, gs:// or az:// with a bucket: {_line(error)}") from None

    def seen(self, below: str = "") -> dict[str, Seen]:
        """Every object whose name is below one, a thousand names to a request.

        Raises:
            OSError: the store does not answer.
        """
        found = self._asked(lambda: [part for parts in self._api.list(self._store, below or None) for part in parts])
        return {one["path"]: _seen(one) for one in found}

    def read(self, name: str) -> bytes | None:
        """What an object holds; None where there is none.

        Raises:
            OSError: the store does not answer.
        """
        try:
            return self._asked(lambda: bytes(self._api.get(self._store, name).bytes()))
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Put an object in the place of an earlier one.

        Raises:
            OSError: the store does not take it.
        """
        self._asked(lambda: self._api.put(self._store, name, content))

    def create(self, name: str, content: bytes) -> bool:
        """Put an object where there is none; False where there is one, also one that came at the same moment.

        Raises:
            OSError: the store does not take it.
        """
        try:
            self._asked(lambda: self._api.put(self._store, name, content, mode="create"))
        except FileExistsError:
            return False
        return True

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects that may be there.

        Raises:
            OSError: the store does not answer.
        """
        if names := list(names):
            self._asked(lambda: self._api.delete(self._store, names))

    def upload(self, path: Path, name: str) -> None:
        """Put a file, in parts where it is large.

        Raises:
            OSError: the file cannot be read, or the store does not take it.
        """
        with path.open("rb") as file:  # whoever replaces it meanwhile, this one is read to its end
            self._asked(lambda: self._api.put(self._store, name, file))

    def upload_stamped(self, path: Path, name: str) -> Seen:
        """Put a file, and stamp it as one that holds what the object holds (`Seen.is_in`).

        Raises:
            OSError: the file cannot be read, or the store does not take it.
        """
        with path.open("rb") as file:
            self._asked(lambda: self._api.put(self._store, name, file))
            seen = _seen(self._asked(lambda: self._api.head(self._store, name)))
            os.utime(file.fileno(), ns=(seen.stamp, seen.stamp))  # of the file that was read, whoever replaced it
        return seen

    def download(self, files: dict[str, Path], seen: Mapping[str, Seen] | None = None) -> None:
        """Write objects, by name, to files that are whole or not there; folders are made.

        Args:
            files: where each goes.
            seen: the objects as they were listed; their files are stamped so.

        Raises:
            OSError: one is gone, a file cannot be written, or the store does not answer.
        """
        at_once(lambda name: self._download(name, files[name], (seen or {}).get(name)), files)

    def _download(self, name: str, path: Path, seen: Seen | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
        try:
            with partial.open("wb") as file:
                self._asked(lambda: [file.write(part) for part in self._api.get(self._store, name).stream()])
            if seen is not None:
                os.utime(partial, ns=(seen.stamp, seen.stamp))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _asked(self, question: Any) -> Any:
        """The answer; errors of the store as those of a disk."""
        try:
            return question()
        except self._exists as error:
            raise FileExistsError(_line(error)) from None
        except self._missing as error:
            raise FileNotFoundError(_line(error)) from None
        except self._error as error:
            raise StoreAwayError(errno.EIO, f"the store does not answer: {_line(error)}", self.url) from None


class Prefix:
    """Where a lease lies in a store: beside the objects with one prefix (`study.nouns.lease_places.Place`)."""

    def __init__(self, store: Store, prefix: str) -> None:
        self.store, self.prefix = store, prefix
        self.key = f"{store.url}/{prefix}"

    def numbers(self) -> list[int]:
        """The listing of a store is as new as its objects."""
        return numbers_of([name.rpartition("/")[2] for name in self.store.seen(f"{self.prefix}/{PREFIX[:-1]}s")])

    def create(self, number: int, text: str) -> bool:
        """A store takes one of several objects of a name that are put on the condition that there is none."""
        return self.store.create(self._name(number), text.encode())

    def text(self, number: int) -> str | None:
        """Read it."""
        try:
            content = self.store.read(self._name(number))
        except OSError:
            return None
        return None if content is None else content.decode(errors="replace")

    def change(self, number: int, text: str) -> bool:
        """One that a successor has removed in this very moment comes back; its number is not the greatest."""
        if number not in self.numbers():
            return False
        self.store.write(self._name(number), text.encode())
        return True

    def remove(self, number: int) -> None:
        """Remove it."""
        self.store.remove([self._name(number)])

    def _name(self, number: int) -> str:
        return f"{self.prefix}/{PREFIX[:-1]}s/{PREFIX}{number}"


def at_once(question: Callable[[str], Answer], of: Iterable[str]) -> list[Answer]:
    """The answers about all of these names, many asked at a time."""
    with ThreadPoolExecutor(AT_ONCE) as several:
        return list(several.map(question, of))


@contextmanager
def meanwhile(work: Callable[[Event], None]) -> Iterator[None]:
    """Have a thread work beside the block; it is told when the block is over, and waited for."""
    over = Event()
    thread = Thread(target=work, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _seen(listed: Any) -> Seen:
    return Seen(listed["size"], int(listed["last_modified"].timestamp()), listed["e_tag"] or "")


def _line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
