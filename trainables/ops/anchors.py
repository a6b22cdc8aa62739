"""mmdet3d's anchors, made once for a size of map and not in every step: they depend on nothing else.

Full-size PointPillars has 321,408 of them. On a GPU their making copies nine small tensors to it, and the host waits
for each; networks of one grid, a teacher and all students of a cohort, share one set.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

_made: dict[Any, list[Tensor]] = {}


def serve(generator_class: type) -> None:
    """Have `Anchor3DRangeGenerator` keep what it makes."""
    generator_class.grid_anchors = _once(generator_class.grid_anchors)  # type: ignore[attr-defined]


def _once(make: Callable[..., list[Tensor]]) -> Callable[..., list[Tensor]]:
    @functools.wraps(make)
    def grid_anchors(self: Any, featmap_sizes: Sequence[Sequence[int]], device: Any = "cuda") -> list[Tensor]:
        key = type(self), repr(vars(self)), tuple(map(tuple, featmap_sizes)), str(device)
        if key not in _made:
            _made[key] = make(self, featmap_sizes, device=device)
        return list(_made[key])

    return grid_anchors
