"""A device for tests without CUDA: tensors that lie elsewhere, refuse to mix with the CPU's, and count what waits.

    with FakeAccelerator() as accelerator:
        network.to(DEVICE)
        ...
        assert not accelerator.waits

Its tensors report the device `meta` (which every build of torch knows) and hold their true values on the CPU. As with
CUDA, an operation takes tensors of one device only, but for CPU scalars and CPU indices; NumPy cannot see a tensor of
the device; and whatever brings a value back, or needs one to know a size, makes the host wait, which is counted by
name. mmcv's operators become those of a full build: most of them refuse tensors of the CPU.

Not modelled: time, memory, the order of sums on a GPU, several threads, and saving a tensor of the device to a file.
"""

import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import EllipsisType
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")
aten = torch.ops.aten

MIXED = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"
COPIES = {aten._to_copy.default, aten.copy_.default}
PICKS = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._unsafe_index.Tensor}
JOINS = {aten.cat.default, aten.stack.default}
LITERALS = {torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor}
WAITS = {
    aten._local_scalar_dense.default: "item",
    aten.item.default: "item",
    aten.is_nonzero.default: "item",
    aten.equal.default: "equal",
    aten.nonzero.default: "nonzero",
    aten.masked_select.default: "mask",
    aten._unique2.default: "unique",
    aten._unique.default: "unique",
    aten.unique_dim.default: "unique",
    aten.unique_consecutive.default: "unique",
    aten.unique_dim_consecutive.default: "unique",
    aten.bincount.default: "bincount",
}
"""Operations whose result, or its size, the host needs at once."""

ALSO_ON_THE_CPU = {
    "hard_voxelize_forward", "dynamic_voxelize_forward", "nms", "nms_rotated", "box_iou_rotated",
    "points_in_boxes_cpu_forward",
}  # fmt: skip
"""Operators that a full mmcv has for the CPU too; all others are for CUDA alone."""


class OnDevice(Tensor):
    """A tensor of the fake device; `held` are its values."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> "OnDevice":
        return Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=DEVICE,
        )  # fmt: skip

    def __init__(self, held: Tensor) -> None:
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if FakeAccelerator.running is None:
            raise RuntimeError("a tensor of the fake accelerator is used outside of it")
        return FakeAccelerator.running.compute(func, args, kwargs or {})

    def __getitem__(self, index: Any) -> Tensor:
        return super().__getitem__(_with_tensors(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(_with_tensors(index), value)

    def tolist(self) -> Any:
        FakeAccelerator.wait("tolist")
        return self.held.tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError("can't convert a device tensor to numpy. Use Tensor.cpu() to copy it to host memory first.")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    def __deepcopy__(self, memo: dict[int, Any]) -> "OnDevice":
        if not self.is_leaf:
            raise RuntimeError("Only Tensors created explicitly by the user support the deepcopy protocol")
        copied = OnDevice(self.held.clone()).requires_grad_(self.requires_grad)
        copied.__dict__.update({name: value for name, value in self.__dict__.items() if name != "held"})
        memo[id(self)] = copied
        return copied

    def __repr__(self, **_: Any) -> str:
        return f"OnDevice({self.held!r})"


class FakeAccelerator(TorchDispatchMode):
    """The device while it is there. `waits` counts by name what has made the host wait."""

    running: ClassVar["FakeAccelerator | None"] = None

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        self._patches = ExitStack()

    @classmethod
    def wait(cls, why: str) -> None:
        """Count a wait."""
        assert cls.running is not None
        cls.running.waits[why] += 1

    def __enter__(self) -> "FakeAccelerator":
        FakeAccelerator.running = self
        self._patches.enter_context(_Literals())
        for owner, name, replacement in _replacements():
            self._patches.enter_context(patch.object(owner, name, replacement))
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._patches.close()
        FakeAccelerator.running = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.compute(func, args, kwargs or {})

    def compute(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Run an operation on the held values, after the questions that CUDA would ask."""
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        assert all(isinstance(tensor, OnDevice) or not tensor.is_meta for tensor in tensors), f"empty values in {func}"
        ours = any(isinstance(tensor, OnDevice) for tensor in tensors)
        device = kwargs.get("device")
        wanted = torch.device(device) == DEVICE if device is not None else ours
        if ours:
            _refuse_to_mix(func, args, tensors)
        if wanted and kwargs.get("generator") is not None:
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        if ours or wanted:
            for why in _waits(func, args, kwargs, tensors, wanted):
                self.waits[why] += 1
        if device is not None and torch.device(device) == DEVICE:
            kwargs = {**kwargs, "device": torch.device("cpu")}
        held_args, held_kwargs = tree_map(_held, (args, kwargs))
        result = func(*held_args, **held_kwargs)
        if func._schema.name[-1] == "_" and func._schema.name[-2:] != "__":
            _keeps_its_shape(args[0])
            return args[0] if func._schema.returns else None
        if not wanted:
            return result
        return _wrapped(result, tensors)


class _Literals(TorchFunctionMode):
    """Tensors made of Python's and NumPy's values on the device: torch itself would make empty ones."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is Tensor.new_tensor:
            func, kwargs = torch.tensor, {"dtype": args[0].dtype, "device": args[0].device, **kwargs}
            args = args[1:]
        device = kwargs.get("device")
        if func not in LITERALS or device is None or torch.device(device) != DEVICE:
            return func(*args, **kwargs)
        del kwargs["device"]
        if isinstance(args[0], Tensor):
            return args[0].to(DEVICE, kwargs.get("dtype"))
        args = tree_map(lambda part: part.item() if isinstance(part, OnDevice) else part, args)  # [x, y] of scalars
        wants_gradient = kwargs.pop("requires_grad", False)
        made = func(*args, **kwargs).to(DEVICE)
        return made.requires_grad_() if wants_gradient else made


def _with_tensors(index: Any) -> Any:
    """An index whose lists are tensors of the device: torch itself would make empty ones."""
    if isinstance(index, list) and any(isinstance(part, Tensor | slice | EllipsisType) for part in index):
        index = tuple(index)  # as NumPy once took it
    if isinstance(index, tuple):
        return tuple(_with_tensors(part) for part in index)
    return torch.tensor(index, device=DEVICE) if isinstance(index, list | np.ndarray) else index


def _held(value: Any) -> Any:
    return value.held if isinstance(value, OnDevice) else value


def _wrapped(result: Any, given: list[Any]) -> Any:
    """The result's tensors on the device: those that were given (to be written to) as they are, new ones as new."""
    known = {id(tensor.held): tensor for tensor in given if isinstance(tensor, OnDevice)}

    def wrapped(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return known[id(value)] if id(value) in known else OnDevice(value)

    return tree_map(wrapped, result)


def _keeps_its_shape(changed: Any) -> None:
    for tensor in tree_leaves(changed):
        assert tensor.shape == _held(tensor).shape, "an operation that changes a shape in place is not modelled"


def _refuse_to_mix(func: Any, args: Any, tensors: list[Tensor]) -> None:
    if func in COPIES:
        return
    plain = [tensor for tensor in tensors if not isinstance(tensor, OnDevice)]
    if func in PICKS and isinstance(args[0], OnDevice):  # indices may lie on the CPU
        plain = [value for value in args[2:3] if isinstance(value, Tensor) and not isinstance(value, OnDevice)]
    if any(tensor.dim() > 0 or func in JOINS for tensor in plain):
        raise RuntimeError(f"{MIXED} ({func})")


def _waits(func: Any, args: Any, kwargs: dict[str, Any], tensors: list[Tensor], wanted: bool) -> Iterator[str]:
    """Why the host waits for this operation; nothing for most of them."""
    if func in WAITS:
        yield WAITS[func]
    elif func in COPIES:
        source = args[1] if func is aten.copy_.default else args[0]
        to_device = isinstance(args[0], OnDevice) if func is aten.copy_.default else wanted
        goes_on = to_device and (kwargs.get("non_blocking") or (func is aten.copy_.default and args[2:3] == (True,)))
        if isinstance(source, OnDevice) != to_device and not goes_on:
            yield "to the device" if to_device else "to the CPU"
    elif func in PICKS:
        indices = [index for index in args[1] if index is not None]
        masks = [index for index in indices if index.dtype in (torch.bool, torch.uint8)]
        filled = len(args) > 2 and len(indices) == 1 and args[2].dim() == 0  # a masked fill
        if masks and not filled:
            yield "mask"
        if any(not isinstance(index, OnDevice) for index in indices):
            yield "to the device"
    elif func is aten.repeat_interleave.Tensor and len(args) < 2 and len(tensors) == 1:
        yield "repeat_interleave"


def _autocast(original: Any) -> Callable[..., Any]:
    """Mixed precision of the device is that of the CPU."""

    def autocast(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return original("cpu" if device_type == DEVICE.type else device_type, *args, **kwargs)

    return autocast


def _replacements() -> Iterator[tuple[Any, str, Any]]:
    """(module, name, what stands there while the device does) in those libraries that are there."""
    yield torch, "autocast", _autocast(torch.autocast)
    for owner in [module for name, module in sys.modules.items() if name.split(".")[0] in ("mmcv", "mmdet3d")]:
        for name, value in list(vars(owner).items()):
            operator = getattr(value, "__wrapped__", None)
            if getattr(operator, "__module__", "").startswith("trainables.ops."):
                yield owner, name, _as_in_a_full_mmcv(name, operator)
    if sparse := sys.modules.get("spconv.pytorch.ops"):
        for name in ("get_indice_pairs", "indice_conv", "indice_conv_backward"):
            yield sparse, name, _as_in_a_full_mmcv(name, getattr(sparse, name))
    if records := sys.modules.get("mmengine.structures.instance_data"):
        yield records, "IndexType", records.IndexType | OnDevice
        yield records, "BoolTypeTensor", records.BoolTypeTensor | _MaskOnDevice


class _OfBooleans(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, OnDevice) and value.dtype == torch.bool


class _MaskOnDevice(metaclass=_OfBooleans):
    """What mmengine's records take for a mask."""


def _as_in_a_full_mmcv(name: str, operator: Callable) -> Callable:
    @functools.wraps(operator)
    def called(*args: Any, **kwargs: Any) -> Any:
        given = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        ours = any(isinstance(value, OnDevice) for value in given)
        if not ours and name in ALSO_ON_THE_CPU:
            return operator(*args, **kwargs)
        if not ours or name == "points_in_boxes_cpu_forward":
            raise RuntimeError(f"{name} is not implemented on {given[0].device}")
        held_args, held_kwargs = tree_map(_held, (args, kwargs))
        return _wrapped(operator(*held_args, **held_kwargs), given)

    return called
