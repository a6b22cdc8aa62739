"""One training step on the fake accelerator: how often the host waits for it, where, and how many bytes pass.

Bytes are those that the operations of a step read and write on the device, each called by itself as torch calls them.
"""

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_leaves

from tests.fake_accelerator import DEVICE, FakeAccelerator, OnDevice
from tests.trainables.small_detectors import prepared

PARTS = {
    "anchor_target_3d": "targets", "get_targets": "targets", "grid_anchors": "anchors", "extract_feat": "networks",
    "predict_by_feat": "proposals", "_assign_and_sample": "second stage", "_bbox_forward_train": "second stage",
    "loss_by_feat": "loss", "decode": "decoding",
}  # fmt: skip
"""Which part of a step a function of the detectors is; of several on the stack the innermost says it."""
METHODS = "/trainables/distillers/"


class Step(NamedTuple):
    """What was counted."""

    own: Counter[str]
    """By name what made the host wait inside the method: its terms, and what it adds to the ground truth."""
    parts: Counter[str]
    """Waits of the whole step by part."""
    moved: int
    """Bytes."""


class _Placed(Counter[str]):
    """Waits by name, and by the part of the step that is under way."""

    def __init__(self) -> None:
        self.parts: Counter[str] = Counter()
        super().__init__()

    def __setitem__(self, why: str, count: int) -> None:
        self.parts[_part()] += count - self[why]
        super().__setitem__(why, count)


class _Accelerator(FakeAccelerator):
    moved = 0

    def compute(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        result = super().compute(func, args, kwargs)
        looks = any(made.alias_info is not None and not made.alias_info.is_write for made in func._schema.returns)
        if not looks:  # a view moves nothing
            held = {id(each): each for each in tree_leaves((args, kwargs, result)) if isinstance(each, OnDevice)}
            self.moved += sum(each.numel() * each.element_size() for each in held.values())
        return result


def step(model: Any, data: dict) -> Step:
    """Forward, backward and a step of the optimizer.

    Args:
        model: a StudentModel, alone or under a teacher, on the CPU; it is on the device afterwards.
        data: a batch as mmdet3d's pipelines pack it.
    """
    own: Counter[str] = Counter()

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*args: Any) -> Any:
            before = Counter(accelerator.waits)
            result = act(*args)
            own.update(Counter(accelerator.waits) - before)
            return result

        return acted

    with _Accelerator() as accelerator:
        teachers = [model.teaching.network] if model.teaching else []
        for network in (model, model.student, *teachers):  # mmengine's networks hear of it only themselves
            network.to(DEVICE)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        batch = prepared(model.student, data)
        if model.distiller is not None:
            model.distiller.supervise = counted(model.distiller.supervise)
            model.distiller.forward = counted(model.distiller.forward)
        accelerator.waits, accelerator.moved = _Placed(), 0
        loss, _ = model.student.parse_losses(model(batch))
        loss.backward()
        optimizer.step()
        parts, moved = Counter(accelerator.waits.parts), accelerator.moved
        assert loss.isfinite()
        return Step(own, parts, moved)


def _part() -> str:
    frame = sys._getframe(1)
    while frame is not None:
        if METHODS in frame.f_code.co_filename:
            return "method"
        if frame.f_code.co_name in PARTS:
            return PARTS[frame.f_code.co_name]
        frame = frame.f_back  # type: ignore[assignment]
    return "elsewhere"
