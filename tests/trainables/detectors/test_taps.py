"""Reading features with hooks."""

import pytest
import torch
from torch import nn

from trainables.detectors.parts.taps import Tap, read


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True), nn.Linear(2, 2))


TAPS = {"first": Tap("0"), "first before ReLU": Tap("0", clone=True), "last": Tap("2")}


def test_a_tap_sees_what_its_module_returned():
    model, x = network(), torch.rand(3, 2)
    seen, result = read(model, TAPS, ["last"], lambda: model(x))
    assert torch.equal(seen["last"], result)


def test_a_cloned_tap_keeps_what_an_in_place_relu_overwrites():
    model, x = network(), -torch.rand(3, 2)
    nn.init.eye_(model[0].weight)
    nn.init.zeros_(model[0].bias)
    seen, _ = read(model, TAPS, ["first before ReLU"], lambda: model(x))
    overwritten, _ = read(model, TAPS, ["first"], lambda: model(x))
    assert torch.equal(seen["first before ReLU"], x)
    assert torch.equal(overwritten["first"], torch.zeros_like(x))


def test_stopping_early_runs_no_layer_after_the_last_tap():
    model, ran = network(), []
    model[2].register_forward_hook(lambda *_: ran.append(True))
    seen, result = read(model, TAPS, ["first"], lambda: model(torch.rand(3, 2)), stop_early=True)
    assert (list(seen), result, ran) == (["first"], None, [])


def test_no_hook_stays_behind():
    model = network()
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        read(model, TAPS, ["first"], lambda: model(torch.rand(3, 5)))
    assert not any(module._forward_hooks for module in model.modules())


def test_a_tap_that_fires_twice_or_never_is_an_error():
    model = network()
    with pytest.raises(RuntimeError, match=r"'last' .* fired twice"):
        read(model, TAPS, ["last"], lambda: (model(torch.rand(1, 2)), model(torch.rand(1, 2))))
    with pytest.raises(RuntimeError, match="did not fire"):
        read(model, TAPS, ["last"], lambda: None)
