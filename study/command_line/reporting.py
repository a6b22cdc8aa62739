"""`report`: the folders that it reads; of studies in an object store what they have now is fetched first."""

from collections.abc import Iterable
from pathlib import Path

from study.nouns.errors import InputError
from study.planning.mirror import as_it_is_now


def to_report(folders: Iterable[Path | str], watch: bool) -> list[Path]:
    """Folders of studies that lie on this machine.

    Args:
        folders: or addresses in a store.
        watch: whether they are looked at again and again.

    Raises:
        InputError: a store is no folder to look at again, or an address is none.
        OSError: a store does not answer.
    """
    folders = list(folders)
    if watch and (stored := [folder for folder in folders if isinstance(folder, str)]):
        raise InputError(f"--watch looks at folders, not at {stored[0]}: without it, call the command again")
    return [as_it_is_now(folder, reports=True).root for folder in folders]
