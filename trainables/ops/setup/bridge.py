"""The one place where the CPU operators are plugged into mmcv and mmdet3d.

`install()` is called before mmdet3d is imported. Where mmcv was installed without compiled operators (`mmcv-lite`,
which needs no compiler), it puts a module in the place of `mmcv._ext`: the operators of trainables/ops under mmcv's
names, and for every other name a function that raises when it is called, so that mmdet3d imports as a whole. A full
mmcv keeps all of its own but the voxelization of points on the CPU, where batches are loaded. Where CUDA is absent,
spconv's CPU code no longer asks torch.cuda for a stream and adds up correctly. Finally mmdet3d's numba functions are
cached on disk (`numba_cache`).

An operator is added with one file in trainables/ops: `EXTENSION` maps names of `mmcv._ext` to functions, `REPLACES`
maps Python modules to the functions to exchange in them, for mmcv code that asks for CUDA above `_ext`.
"""

import functools
import importlib
import importlib.util
import logging
import pkgutil
import sys
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any

import numba
import torch

from trainables import ops
from trainables.ops import anchors, padded_slots, pillar_canvas, pillar_features, sparse_convolution, voxelization
from trainables.ops.setup.numba_cache import cache_on_disk

logger = logging.getLogger(__name__)

_EXTENSION_MODULE = "mmcv._ext"
_STREAM_MODULES = ["spconv.pytorch.cppcore", "spconv.pytorch.ops", "spconv.pytorch.hash", "spconv.pytorch.utils"]


class _ExtensionModule(types.ModuleType):
    """Stand-in for the compiled module: what has no CPU operator can be imported and passed on, not called."""

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__"):
            raise AttributeError(name)
        return functools.partial(_refuse, name)


@functools.cache
def install() -> None:
    """Plug the CPU operators in wherever a compiled one is missing. Further calls do nothing.

    Raises:
        ImportError: mmcv or mmdet3d is not installed.
    """
    if importlib.util.find_spec(_EXTENSION_MODULE) is None:
        served = _serve_extension()
        logger.info(
            "mmcv has no compiled operators; on the CPU: %s; all others raise when called", ", ".join(sorted(served))
        )
    else:
        _serve_loading_processes()
    if not torch.cuda.is_available():
        _mend_spconv()
    # numba's OpenMP layer sets the thread count of the whole process, torch's too, to the number of cores: runs that
    # share a machine would crowd each other, and a run would not repeat itself bit for bit after its first evaluation.
    numba.config.THREADING_LAYER = "workqueue"  # type: ignore[attr-defined]
    cache_on_disk()
    pillar_features.serve(importlib.import_module("mmdet3d.models.voxel_encoders.utils").PFNLayer)
    padded_slots.serve(importlib.import_module("mmdet3d.models.voxel_encoders").HardVFE)
    pillar_canvas.serve(importlib.import_module("mmdet3d.models.middle_encoders").PointPillarsScatter)
    anchors.serve(importlib.import_module("mmdet3d.models.task_modules").Anchor3DRangeGenerator)


def _serve_extension() -> list[str]:
    extension = _ExtensionModule(_EXTENSION_MODULE, "CPU operators in the place of mmcv's compiled module.")
    extension.__spec__ = ModuleSpec(_EXTENSION_MODULE, loader=None)
    operators = [found.name for found in pkgutil.iter_modules(ops.__path__) if not found.ispkg]
    modules = [importlib.import_module(f"{ops.__name__}.{name}") for name in operators]
    served = []
    for module in modules:
        for name, operator in getattr(module, "EXTENSION", {}).items():
            setattr(extension, name, _on_the_cpu(name, operator))
            served.append(name)
    sys.modules[_EXTENSION_MODULE] = extension
    importlib.import_module("mmcv")._ext = extension  # type: ignore[attr-defined]
    package = importlib.import_module("mmcv.ops")
    for module in modules:
        for target, functions in getattr(module, "REPLACES", {}).items():
            for name, operator in functions.items():
                # mmcv.ops exports the functions of its modules, so both names lead to the operator.
                for owner in (importlib.import_module(target), package):
                    setattr(owner, name, _on_the_cpu(name, operator))
                served.append(name)
    return served


def _serve_loading_processes() -> None:
    """mmcv's own voxelization on the CPU fills a table of the whole grid for every scan, 360 MB of it for SECOND."""
    extension = importlib.import_module(_EXTENSION_MODULE)
    compiled = extension.hard_voxelize_forward

    @functools.wraps(compiled)
    def where_the_points_are(points: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        operator = voxelization.hard_voxelize_forward if points.device.type == "cpu" else compiled
        return operator(points, *args, **kwargs)

    extension.hard_voxelize_forward = where_the_points_are  # type: ignore[attr-defined]


def _on_the_cpu(name: str, operator: Callable) -> Callable:
    @functools.wraps(operator)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()):
            if isinstance(value, torch.Tensor) and value.device.type != "cpu":
                raise RuntimeError(
                    f"{name} was given a tensor on {value.device}, but mmcv-lite has CPU operators only; "
                    "install the full mmcv on machines with a GPU"
                )
        return operator(*args, **kwargs)

    return checked


def _refuse(name: str, *args: Any, **kwargs: Any) -> None:
    raise RuntimeError(f"no CPU operator for {name}; install the full mmcv, or add the operator to trainables/ops")


def _mend_spconv() -> None:
    """spconv asks torch.cuda for the current stream before it looks whether the tensors are on the CPU, and its sums
    are wrong with more than one thread."""
    if importlib.util.find_spec("spconv") is not None:
        for name in _STREAM_MODULES:
            importlib.import_module(name).get_current_stream = lambda: 0  # type: ignore[attr-defined]
        operators = importlib.import_module("spconv.pytorch.ops")
        operators.indice_conv = sparse_convolution.indice_conv  # type: ignore[attr-defined]
        operators.indice_conv_backward = sparse_convolution.indice_conv_backward  # type: ignore[attr-defined]
