"""Under automatic mixed precision the networks round, the distillation terms do not."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
import torch
import two_processes
from small_detectors import prepared, scans

from trainables import distillers


def tensors(content: Any) -> Iterator[torch.Tensor]:
    """Every tensor inside nested data classes, dicts and lists."""
    if isinstance(content, torch.Tensor):
        yield content
    elif is_dataclass(content):
        yield from tensors([getattr(content, field.name) for field in fields(content)])
    elif isinstance(content, Mapping | list | tuple):
        for value in content.values() if isinstance(content, Mapping) else content:
            yield from tensors(value)


@pytest.mark.parametrize("method", distillers.names())
def test_terms_in_mixed_precision_are_those_of_the_same_features_in_float32(method):
    model = two_processes.model("pointpillars", method, normalizes=True)
    seen: dict[str, Any] = {}
    fresh = copy.deepcopy(model.distiller)  # a method may remember what it has seen
    model.distiller.register_forward_hook(lambda module, inputs, terms: seen.update(inputs=inputs, terms=terms))
    batch = prepared(model.student, scans("pointpillars", [900, 700]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        convolved = model.student.backbone.blocks[0][0](torch.ones(1, 8, 8, 8))
        model(batch)
    assert convolved.dtype == torch.bfloat16, "nothing was in mixed precision"
    student, teacher, _ = seen["inputs"]
    floating = [tensor for tensor in tensors([student, teacher]) if tensor.is_floating_point()]
    assert floating
    assert {tensor.dtype for tensor in floating} == {torch.float32}
    for name, value in fresh(*seen["inputs"]).items():
        torch.testing.assert_close(seen["terms"][name], value, rtol=1e-6, atol=0)
