"""A detector's weights out of a checkpoint, whoever wrote it: this project, a training of mmdet3d, OpenMMLab's zoo.

What differs between such files is mended here, and only here:
- zoo files hold `meta` and `optimizer` beside `state_dict`, files of parallel training prefix names with `module.`;
- kernels of sparse convolutions are stored in two layouts, spconv 1.x and mmcv (D, H, W, C_in, C_out) and spconv 2.x
  (C_out, D, H, W, C_in). mmdet3d 1.4 tells them apart by a version that PyTorch hides in the state dict and that is
  lost when the dict is copied; the shape says the same and is never lost;
- torch compares no checksums: of a file in which a disk has turned bits it makes other numbers, without a word;
- mmengine's files hold its log history, which is Python objects. Nothing but tensors and plain data is ever made of
  what a file holds: every other object is replaced by an empty one, so no code of a file runs.
"""

import re
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from study.nouns.errors import InputError

PARALLEL = "module."
LAYOUTS = ((4, 0, 1, 2, 3), (1, 2, 3, 4, 0))
"""Permutations of a sparse kernel: from spconv 1.x to 2.x, and back."""

NAMED = 3
"""Tensors that an error names; it counts the others."""


class _Nothing:
    """What becomes of an object in a checkpoint that is neither a tensor nor plain data."""

    def __init__(self, *_: Any) -> None:
        """Forget what it was made of."""

    def __setstate__(self, _: Any) -> None:
        """Forget what it held."""


def load_weights(network: torch.nn.Module, path: Path) -> None:
    """Load a detector checkpoint, all of it.

    Raises:
        InputError: no such file, not a checkpoint, or one of another architecture.
    """
    ours = network.state_dict()
    state = {name: _laid_out(tensor, ours.get(name)) for name, tensor in read_weights(path).items()}
    complaint = _difference(state, ours)
    if complaint:
        raise InputError(
            f"{path} is a checkpoint of another architecture than {type(network).__name__} as configured: {complaint}"
        )
    whole: Any = OrderedDict(state)
    whole._metadata = getattr(ours, "_metadata", {})  # the layout is ours now; mmdet3d shall not turn it once more
    network.load_state_dict(whole)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name; no code that the file may hold is run.

    Raises:
        InputError: no such file, a damaged one, or not a checkpoint of a network.
    """
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist")
    if is_zipfile(path) and is_damaged(path):
        raise InputError(f"{path} is damaged: its content does not have the checksums that it was written with")
    try:
        content = _load(path)
    except Exception as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it holds {code[1]}, which could be code; save its state_dict alone" if code else _first_line(error)
        raise InputError(f"{path} is not a checkpoint that can be read: {reason}") from None
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} is not a checkpoint that can be read: it holds no state_dict of tensors")
    parallel = all(str(name).startswith(PARALLEL) for name in state)
    return {str(name)[len(PARALLEL) if parallel else 0 :]: tensor for name, tensor in state.items()}


def is_damaged(path: Path) -> bool:
    """Whether a file that torch has written is cut off or no longer what was written.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with ZipFile(path) as parts:
            return parts.testzip() is not None
    except (BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError):
        return True  # a part that says of itself what torch never writes, such as to be encrypted


def _load(path: Path) -> Any:
    try:
        foreign = get_unsafe_globals_in_checkpoint(str(path))
    except ValueError:  # the format before PyTorch 1.6, which cannot be listed: taken if it needs nothing foreign
        foreign = []
    nothings: list[Any] = [(_Nothing, name) for name in foreign]
    with safe_globals(nothings):
        return torch.load(path, map_location="cpu", weights_only=True)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _laid_out(tensor: Tensor, ours: Tensor | None) -> Tensor:
    """The tensor, with the axes of a sparse kernel in our order."""
    if ours is None or tensor.dim() != 5 or tensor.shape == ours.shape:
        return tensor
    turned = (tensor.permute(axes) for axes in LAYOUTS)
    return next((kernel.contiguous() for kernel in turned if kernel.shape == ours.shape), tensor)


def _difference(state: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> str:
    """How many tensors differ and the first of them, or nothing."""
    shapes = {name: (list(state[name].shape), list(ours[name].shape)) for name in ours if name in state}
    problems = {
        "lacks": [name for name in ours if name not in state],
        "has in excess": [name for name in state if name not in ours],
        "has in another shape": [f"{name} {got} for {want}" for name, (got, want) in shapes.items() if got != want],
    }
    said = [f"{problem} {len(names)} ({_listed(names)})" for problem, names in problems.items() if names]
    return f"of {len(ours)} tensors it {', '.join(said)}" if said else ""


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
