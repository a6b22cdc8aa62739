"""Where the numbered files of a lease lie: in a folder of a disk, or anywhere else that offers the same five things."""

import os
from pathlib import Path
from typing import Protocol

PREFIX = ".lease."


class Place(Protocol):
    """What a lease needs of where it lies."""

    @property
    def key(self) -> Path | str:
        """The name of the place; a process holds one lease there."""
        ...

    def numbers(self) -> list[int]:
        """The numbers that are there. One that was made before is among them, whoever made it."""
        ...

    def create(self, number: int, text: str) -> bool:
        """Make a file that is not there yet; False where another process was faster."""
        ...

    def text(self, number: int) -> str | None:
        """What a file says; None where it is gone or cannot be read now."""
        ...

    def change(self, number: int, text: str) -> bool:
        """Write a file anew; False where it is gone, as a successor has removed it."""
        ...

    def remove(self, number: int) -> None:
        """Remove a file that may be there."""
        ...


class Folder:
    """A folder of a disk, made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self.key = folder

    def numbers(self) -> list[int]:
        """The folder's listing."""
        try:
            return numbers_of(os.listdir(self.key))
        except FileNotFoundError:
            return []

    def create(self, number: int, text: str) -> bool:
        """A disk makes a file for one process only, also one that knows no locks."""
        self.key.mkdir(parents=True, exist_ok=True)
        path = self.key / f"{PREFIX}{number}"
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return False
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return True

    def text(self, number: int) -> str | None:
        """Read it."""
        try:
            return (self.key / f"{PREFIX}{number}").read_text(errors="replace")
        except OSError:
            return None

    def change(self, number: int, text: str) -> bool:
        """In place, so that a file that is gone is not made again, and a full disk has room for it."""
        try:
            with (self.key / f"{PREFIX}{number}").open("r+") as file:
                file.write(text)
                file.truncate()
        except FileNotFoundError:
            return False
        return True

    def remove(self, number: int) -> None:
        """Unlink it."""
        (self.key / f"{PREFIX}{number}").unlink(missing_ok=True)


def numbers_of(names: list[str]) -> list[int]:
    """The numbers of leases among names of files."""
    found = (name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))
    return [int(number) for number in found if number.isdigit()]
