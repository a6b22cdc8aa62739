"""Compile mmdet3d's numba functions once for a machine, not once for every process.

mmdet3d 1.4 decorates its box collision and object noise code with `numba.jit` but without a disk
cache, so that every process compiles it anew. `cache_on_disk()` gives those functions the cache; `warm_up.warm()` fills
it.

The folder is numba's choice: NUMBA_CACHE_DIR where set, else `__pycache__` beside the source, else (site-packages that
cannot be written) the user's cache folder. Differs from numba's own cache: reading and writing are done under a file
lock. Two processes that compile different signatures of one function at once otherwise give both the same file number,
and a third process may load machine code for the wrong types. A disk that cannot be written costs time, not the run.
"""

import contextlib
import fcntl
import importlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache
from numba.core.dispatcher import Dispatcher

logger = logging.getLogger(__name__)

NUMBA_MODULES = (
    "mmdet3d.structures.ops.box_np_ops",
    "mmdet3d.datasets.transforms.data_augment_utils",
    "mmdet3d.models.layers.box3d_nms",
)


class _LockedCache(FunctionCache):
    """numba's cache of one function, safe with several processes and signatures at once."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            with self._locked():
                return super().load_overload(sig, target_context)
        except OSError as error:
            logger.warning("compiled code of %s cannot be read, it is compiled again: %s", self._name, error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            with self._locked():
                super().save_overload(sig, data)
        except OSError as error:
            logger.warning("compiled code of %s cannot be kept, each process compiles it: %s", self._name, error)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with Path(self.cache_path, f"{self._impl.filename_base}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the file is closed, also by a killed process
            yield


def numba_functions() -> list[Dispatcher]:
    """The numba functions that mmdet3d defines in the modules that training and prediction use."""
    modules = [importlib.import_module(name) for name in NUMBA_MODULES]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Dispatcher) and value.py_func.__module__ == module.__name__
    ]


def cache_on_disk() -> None:
    """Keep the compiled code of mmdet3d's numba functions on disk.

    Imports mmdet3d, so mmcv's operators must be there (`bridge.install` sees to the order).
    """
    try:
        for function in numba_functions():
            # What Dispatcher.enable_caching does, with the lock.
            function._cache = _LockedCache(function.py_func)  # type: ignore[attr-defined]
    except RuntimeError as error:
        logger.warning("numba code is compiled in every process; set NUMBA_CACHE_DIR to a writable folder: %s", error)
