"""What a machine needs for runs, checked where it stands: Python, packages, memory, disk, results. Needs no Ray itself.

What only the trainables know (torch's devices, operators, data) is asked by a function that is passed in.
"""

import os
import platform
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from study.driver.seeing_results import complaint
from study.nouns.frozen import Frozen
from study.nouns.study_in_store import scratch_of

GIB = 2**30
LEAST_DISK = 5 * GIB
LEAST_MEMORY = 2 * GIB
PACKAGES = ("torch", "mmengine", "mmdet3d", "numpy", "numba", "ray", "optuna", "pydantic")
Told = tuple[str, bool, str]
"""A check, whether all is well, and what was found or what to do."""
Probe = Callable[[Path | None, int | None], list[Told]]
"""Looks at devices, operators and, at a root, data; is told how many GPUs there should be, where that is known."""


class Finding(Frozen):
    """What one check of one machine has found."""

    node: str
    check: str
    ok: bool
    said: str


class Asked(NamedTuple):
    """What every machine is asked.

    Args:
        python: version of the driver's.
        pins: versions that may be there, by package.
        results: folder of all results, or the URL below which they lie.
        token: a file in it, or an object below it, that was made by the driver.
        data: root of a data set; None asks for none.
        probe: see `Probe`.
    """

    python: str
    pins: dict[str, list[str]]
    results: Path | str
    token: Path | str
    data: Path | None
    probe: Probe


class Seen(NamedTuple):
    """What a machine answers."""

    told: list[Told]
    left: Path | None
    """A file that it made beside the token."""
    clock: float


def look(asked: Asked, gpus: int | None = None) -> Seen:
    """Check the machine that this process runs on."""
    told, left = [_python(asked), *_packages(asked.pins)], None
    try:
        told += asked.probe(asked.data, gpus)
    except Exception as error:  # whatever does not load there is what is asked for
        told.append(
            ("operators", False, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}; run `make setup`")
        )
    if isinstance(asked.token, str):
        wrong = complaint(asked.token)
        told.append(("results", not wrong, wrong or f"{asked.results} can be read and written"))
        told.append(_disk(scratch_of(str(asked.results))))
    elif not asked.token.exists():
        told.append(("results", False, f"{asked.results} of the driver is not seen: it must lie on a shared disk"))
    else:
        left = asked.token.with_name(f".doctor-{socket.gethostname()}-{uuid4().hex}")
        try:
            left.write_text("seen")
            told.append(("results", True, f"{asked.results} is seen and can be written"))
        except OSError as error:
            told.append(("results", False, f"{asked.results} cannot be written ({error.strerror})"))
            left = None
        told.append(_disk(asked.token.parent))
    memory = _available()
    told.append(("memory", memory >= LEAST_MEMORY, f"{memory / GIB:.1f} GiB free{_at_least(memory, LEAST_MEMORY)}"))
    return Seen(told, left, time.time())


def pins_of(requirements: Path) -> dict[str, list[str]]:
    """The versions of packages that the lists of requirements (`*.lock`) pin."""
    found: dict[str, list[str]] = {}
    for file in sorted(requirements.glob("*.lock")):
        for name, pinned in re.findall(r"^([\w.-]+)==([^\s;]+)", file.read_text(), re.MULTILINE):
            if name in PACKAGES and pinned not in found.setdefault(name, []):
                found[name].append(pinned)
    return found


def _python(asked: Asked) -> Told:
    here = platform.python_version()
    same = here == asked.python
    return "python", same, here if same else f"{here}, the driver has {asked.python}: set the machine up anew"


def _packages(pins: dict[str, list[str]]) -> Iterator[Told]:
    wrong = []
    for name, pinned in pins.items():
        try:
            here = version(name)
        except PackageNotFoundError:
            here = "missing"
        if here.partition("+")[0] not in [one.partition("+")[0] for one in pinned]:
            wrong.append(f"{name} is {here}, expected {' or '.join(pinned)}")
    said = "; ".join(wrong) + ": run `make setup`" if wrong else f"{len(pins)} of the versions that are pinned"
    yield "packages", not wrong, said


def _disk(folder: Path) -> Told:
    """Of a folder that may not be there yet."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    return "disk", free >= LEAST_DISK, f"{free / GIB:.1f} GiB free{_at_least(free, LEAST_DISK)}"


def _available() -> int:
    """Bytes of memory that new processes may take."""
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return int(found[1]) * 1024 if found else os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _at_least(there: float, least: float) -> str:
    return "" if there >= least else f", expected at least {least / GIB:.0f}: make room"
