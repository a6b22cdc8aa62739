"""Reading named features out of an untouched detector with forward hooks."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Tap:
    """A place to read from: the output of one submodule.

    `clone` copies the output inside the hook: needed where what follows overwrites it (an in-place ReLU, a loss).
    """

    module: str
    clone: bool = False


class _AllReadError(Exception):
    """Ends a forward pass whose remaining layers nobody asked for."""


def read(
    model: nn.Module,
    taps: Mapping[str, Tap],
    names: Iterable[str],
    forward: Callable[[], Any],
    *,
    stop_early: bool = False,
) -> tuple[dict[str, Any], Any]:
    """Run `forward` and keep what the taps `names` saw.

    Args:
        stop_early: end the forward pass once every tap has fired. A frozen teacher is asked only for the features
            that the distiller reads: for PointPillars' pillar features that spares the whole 2D network.

    Returns:
        The outputs by tap name, and what `forward` returned (None when it was stopped early).

    Raises:
        RuntimeError: a tap fired more than once, or not at all.
    """
    wanted = set(names)
    seen: dict[str, Any] = {}

    def hook_of(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if name in seen:
                raise RuntimeError(f"tap {name!r} ({taps[name].module}) fired twice in one forward pass")
            seen[name] = _cloned(output) if taps[name].clone else output
            if stop_early and seen.keys() == wanted:
                raise _AllReadError

        return hook

    handles = [model.get_submodule(taps[name].module).register_forward_hook(hook_of(name)) for name in sorted(wanted)]
    result = None
    try:
        with suppress(_AllReadError):
            result = forward() if wanted or not stop_early else None
    finally:
        for handle in handles:
            handle.remove()
    if missing := wanted - seen.keys():
        raise RuntimeError(f"taps {sorted(missing)} did not fire in {type(model).__name__}")
    return seen, result


def _cloned(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output.clone()
    if isinstance(output, Mapping):
        return {name: _cloned(item) for name, item in output.items()}
    return type(output)(_cloned(item) for item in output)
