"""Checkpoints of every writer are read whole or refused with the reason; no code that they hold is run."""

import os

import pytest
import torch
from mmengine.logging import MessageHub
from torch import nn

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from tests.trainables.small_detectors import small
from trainables.training.building import build_detector
from trainables.training.checkpoints.reading import load_weights, read_weights


class Sparse(nn.Module):
    """A network with one sparse kernel in spconv 2.x layout (C_out, D, H, W, C_in), as mmdet3d versions it."""

    _version = 2

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5, 3, 1, 2, 4))


def network(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, width, 3), nn.BatchNorm2d(width))


def filled(module: nn.Module) -> nn.Module:
    for index, tensor in enumerate(module.state_dict().values()):
        tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape) + index)
    return module


def equal(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_zoo_file_loads_whatever_its_age_and_prefix(tmp_path, zipped, prefix):
    given, path = filled(network()), tmp_path / "zoo.pth"
    state = {prefix + name: tensor for name, tensor in given.state_dict().items()}
    meta = {"CLASSES": ("Car",), "epoch": 80, "mmdet3d_version": "0.5.0", "time": "now"}
    optimizer = {"state": {0: {"step": 7, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-3}]}
    content = {"meta": meta, "state_dict": state, "optimizer": optimizer}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    loaded = network()
    load_weights(loaded, path)
    assert equal(loaded, given)


def test_a_bare_state_dict_loads(tmp_path):
    given = filled(network())
    torch.save(given.state_dict(), tmp_path / "bare.pth")
    loaded = network()
    load_weights(loaded, tmp_path / "bare.pth")
    assert equal(loaded, given)


def test_mmengines_log_history_does_not_keep_a_checkpoint_from_loading(tmp_path):
    hub = MessageHub.get_instance("test of a checkpoint")
    hub.update_scalar("loss", 0.5)
    given, path = filled(network()), tmp_path / "mmengine.pth"
    torch.save({"state_dict": given.state_dict(), "message_hub": hub.state_dict()}, path)
    with pytest.raises(Exception, match="Unsupported global"):
        torch.load(path, weights_only=True)
    loaded = network()
    load_weights(loaded, path)
    assert equal(loaded, given)


class Bomb:
    """Writes a file when it is unpickled the ordinary way."""

    def __init__(self, path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


class Shell(Bomb):
    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
@pytest.mark.parametrize("kind", [Bomb, Shell])
def test_code_in_a_checkpoint_is_not_run(tmp_path, kind, zipped):
    given, path, trace = filled(network()), tmp_path / "code.pth", tmp_path / "trace"
    content = {"state_dict": given.state_dict(), "meta": kind(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    torch.load(path, weights_only=False)
    assert trace.exists(), "this checkpoint holds no code"
    trace.unlink()
    if zipped and kind is Bomb:  # an unknown object, left out
        assert read_weights(path).keys() == given.state_dict().keys()
    else:
        with pytest.raises(InputError, match=r"it holds \S+, which could be code; save its state_dict alone$"):
            read_weights(path)
    assert not trace.exists()


@pytest.mark.parametrize("turned", [False, True], ids=["spconv 2", "spconv 1"])
@pytest.mark.parametrize("versioned", [True, False])
def test_a_sparse_kernel_loads_in_either_layout_with_or_without_its_version(tmp_path, turned, versioned):
    given = filled(Sparse())
    state = given.state_dict()
    if turned:
        state["weight"] = state["weight"].permute(1, 2, 3, 4, 0).contiguous()
        state._metadata[""]["version"] = 1
    torch.save({"state_dict": state if versioned else dict(state)}, tmp_path / "sparse.pth")
    loaded = Sparse()
    load_weights(loaded, tmp_path / "sparse.pth")
    assert equal(loaded, given)


@pytest.mark.parametrize("turned", [False, True], ids=["spconv 2", "spconv 1"])
def test_seconds_own_encoder_gets_the_kernels_it_had(tmp_path, turned):
    config = TrialConfig(detector=small("second"))
    given = build_detector(config, teacher=True)
    state = dict(given.state_dict())
    kernels = [name for name, tensor in state.items() if tensor.dim() == 5]
    assert len(kernels) == 12
    if turned:
        state.update({name: state[name].permute(1, 2, 3, 4, 0).contiguous() for name in kernels})
    torch.save({"state_dict": state}, tmp_path / "second.pth")
    loaded = build_detector(config.model_copy(update={"seed": 1}), teacher=True)
    assert not equal(loaded, given)
    load_weights(loaded, tmp_path / "second.pth")
    assert equal(loaded, given)


def test_another_architecture_is_told_by_its_first_tensors_and_their_numbers(tmp_path):
    state = network(5).state_dict()
    state["head.weight"] = state.pop("1.num_batches_tracked")
    torch.save({"state_dict": state}, tmp_path / "wide.pth")
    with pytest.raises(InputError) as caught:
        load_weights(network(3), tmp_path / "wide.pth")
    assert str(caught.value) == (
        f"{tmp_path / 'wide.pth'} is a checkpoint of another architecture than Sequential as configured: of 7 tensors "
        "it lacks 1 (1.num_batches_tracked), has in excess 1 (head.weight), has in another shape 6 "
        "(0.weight [5, 2, 3, 3] for [3, 2, 3, 3], 0.bias [5] for [3], 1.weight [5] for [3], ...)"
    )


@pytest.mark.parametrize(
    "content", [{"state_dict": {}}, {"epoch": 3}, [1, 2], {"state_dict": {"a": 1}}, torch.zeros(2)]
)
def test_a_file_without_tensors_by_name_is_no_checkpoint(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth is not a checkpoint that can be read: it holds no state_dict"):
        read_weights(tmp_path / "other.pth")
