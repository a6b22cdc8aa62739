"""One training step on the fake accelerator, and how often the host waits for it inside the method."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from tests.fake_accelerator import DEVICE, FakeAccelerator
from tests.trainables.small_detectors import prepared


def step(model: Any, data: dict) -> tuple[Counter[str], int]:
    """Forward, backward and a step of the optimizer.

    Args:
        model: a StudentModel under a teacher, on the CPU; it is on the device afterwards.
        data: a batch as mmdet3d's pipelines pack it.

    Returns:
        By name what made the host wait inside the method (its terms, and what it adds to the ground truth), and how
        often it waited in the whole step.
    """
    own: Counter[str] = Counter()

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*args: Any) -> Any:
            before = Counter(accelerator.waits)
            result = act(*args)
            own.update(accelerator.waits - before)
            return result

        return acted

    with FakeAccelerator() as accelerator:
        for network in (model, model.student, model.teaching.network):  # mmengine's networks hear of it only themselves
            network.to(DEVICE)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        batch = prepared(model.student, data)
        model.distiller.supervise = counted(model.distiller.supervise)
        model.distiller.forward = counted(model.distiller.forward)
        accelerator.waits.clear()
        loss, _ = model.student.parse_losses(model(batch))
        loss.backward()
        optimizer.step()
        assert loss.isfinite()
        return own, accelerator.waits.total()
