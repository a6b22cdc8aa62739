"""The fake accelerator has true values, refuses what CUDA refuses, and counts what makes the host wait."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from study.nouns.config import TrialConfig
from tests.fake_accelerator import DEVICE, FakeAccelerator, OnDevice
from tests.trainables.small_detectors import scans, small, with_few_boxes
from trainables import detectors
from trainables.training.building import build_detector


@pytest.fixture
def accelerator():
    with FakeAccelerator() as accelerator:
        yield accelerator


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 3)
    )


def trained(net: nn.Module, device: torch.device) -> nn.Module:
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    frames = torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(1)).to(device)
    for _ in range(3):
        optimizer.zero_grad()
        net(frames).square().mean().backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    return net


def test_three_clipped_steps_of_adamw_give_the_weights_that_the_cpu_gives(accelerator):
    ours, expected = network(), trained(network(), torch.device("cpu"))
    ours.to(DEVICE)
    assert all(type(value) is OnDevice and value.device == DEVICE for value in ours.state_dict().values())
    accelerator.waits.clear()
    trained(ours, DEVICE)
    assert set(accelerator.waits) == {"to the device"}
    ours.cpu()
    for name, value in expected.state_dict().items():
        assert type(ours.state_dict()[name]) is torch.Tensor
        assert torch.equal(ours.state_dict()[name], value), name


@pytest.mark.parametrize(
    "mix",
    [
        lambda here, there: here + there,
        lambda here, there: there.mul_(here),
        lambda here, there: torch.cat([here, there]),
        lambda here, there: torch.stack([here[0], there[0]]),
        lambda here, there: here[there.long()],
        lambda here, there: there.index_put_((there.long(),), here),
        lambda here, there: here.index_add_(0, there.long(), there),
        lambda here, there: nn.Linear(2, 2)(there),
    ],
)
def test_tensors_of_two_devices_do_not_mix(accelerator, mix):
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        mix(torch.ones(2), torch.ones(2, device=DEVICE))


def test_a_tensor_of_the_device_is_hidden_from_numpy_and_from_generators_of_the_cpu(accelerator):
    there = torch.ones(2, device=DEVICE)
    with pytest.raises(TypeError, match="to numpy"):
        np.asarray(there)
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator"):
        torch.rand(2, device=DEVICE, generator=torch.Generator())


def test_scalars_and_indices_of_the_cpu_mix_as_with_cuda(accelerator):
    there = torch.arange(3.0, device=DEVICE)
    assert (there * torch.tensor(2.0)).tolist() == [0, 2, 4]
    assert there[torch.tensor([2, 0])].tolist() == [2, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda there: torch.tensor([1.0, 2.0], device=DEVICE),
        lambda there: torch.as_tensor(np.array([1.0, 2.0]), device=DEVICE),
        lambda there: torch.as_tensor(there, device=DEVICE),
        lambda there: there.new_tensor([1.0, 2.0]),
        lambda there: torch.tensor([there[0], there[1]], device=DEVICE),
        lambda there: torch.arange(1.0, 3.0, device=DEVICE),
        lambda there: torch.zeros(2, device=DEVICE) + there,
        lambda there: there.new_zeros(2) + there,
        lambda there: there[[0, 1]],
        lambda there: there[None, [0, 1]][0],
        copy.deepcopy,
        lambda there: torch.tensor([1.0, 2.0]).to(DEVICE),
        lambda there: torch.zeros(2, device=DEVICE).copy_(torch.tensor([1.0, 2.0])),
    ],
)
def test_whatever_makes_a_tensor_makes_its_values_too(accelerator, make):
    made = make(torch.tensor([1.0, 2.0], device=DEVICE))
    assert type(made) is OnDevice
    assert made.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("waits", "act"),
    [
        ({"item": 1}, lambda x: x[0].item()),
        ({"item": 1}, lambda x: float(x.sum())),
        ({"item": 1}, lambda x: bool(x[0] > 0)),
        ({"nonzero": 1}, lambda x: x.nonzero()),
        ({"nonzero": 1}, lambda x: torch.where(x > 1)),
        ({"mask": 1}, lambda x: x[x > 1]),
        ({"mask": 1}, lambda x: x.__setitem__(x > 0, x[:2] + 1)),
        ({"mask": 1}, lambda x: torch.masked_select(x, x > 1)),
        ({"unique": 1}, lambda x: x.unique()),
        ({"tolist": 1}, lambda x: x.tolist()),
        ({"to the CPU": 1}, lambda x: x.cpu()),
        ({"to the device": 1}, lambda x: torch.tensor([1, 2], device=x.device)),
        ({"to the device": 1}, lambda x: x[[0]]),
        ({"item": 2, "to the device": 1}, lambda x: torch.tensor([x[0], x[1]], device=x.device)),
        ({}, lambda x: torch.tensor([1, 2]).to(x.device, non_blocking=True)),
        ({}, lambda x: torch.zeros(2, device=x.device).copy_(torch.ones(2), non_blocking=True)),
        ({"to the CPU": 1}, lambda x: x.to("cpu", non_blocking=True)),
        ({"repeat_interleave": 1}, lambda x: x.repeat_interleave(x.long())),
        ({}, lambda x: x.masked_fill(x > 1, 0.0)),
        ({}, lambda x: x.__setitem__(x > 1, 0.0)),
        ({}, lambda x: x.where(x > 1, torch.zeros_like(x)).topk(2).values.argsort()),
        ({}, lambda x: x[torch.arange(2, device=x.device)]),
        ({}, lambda x: x.repeat_interleave(2)),
    ],
)
def test_what_makes_the_host_wait_is_counted_by_name(accelerator, waits, act):
    x = torch.arange(3.0).to(DEVICE)
    accelerator.waits.clear()
    act(x)
    assert dict(accelerator.waits) == waits


def test_a_view_shares_the_values_of_its_tensor(accelerator):
    x = torch.zeros(2, 2, device=DEVICE)
    x[:, 1] += 3
    x.t()[0] = 1
    assert x.tolist() == [[1, 3], [1, 3]]


@pytest.mark.parametrize("family", detectors.names())
def test_a_step_of_every_detector_has_the_losses_and_gradients_of_the_cpu(lite, family):
    """Voxels, networks, targets, losses and backward pass; mmcv's and spconv's operators stand on the device."""

    def step(device: torch.device) -> tuple[dict, dict]:
        built = with_few_boxes(build_detector(TrialConfig(detector=small(family)), teacher=False)).train().to(device)
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)
        batch = built.data_preprocessor(scans(family, [900, 700]), True)
        losses = built(batch["inputs"], batch["data_samples"], "loss")
        sum(sum(loss) if isinstance(loss, list) else loss for loss in losses.values()).backward()
        gradients = {name: value.grad.cpu() for name, value in built.named_parameters() if value.grad is not None}
        return {name: sum(x).item() if isinstance(x, list) else x.item() for name, x in losses.items()}, gradients

    losses, gradients = step(torch.device("cpu"))
    with FakeAccelerator():
        ours = step(DEVICE)
    assert ours[0] == pytest.approx(losses, rel=1e-5)
    assert ours[1].keys() == gradients.keys()
    for name, value in gradients.items():
        torch.testing.assert_close(ours[1][name], value, rtol=0, atol=1e-4 * float(value.abs().max()), msg=name)


def test_an_operator_that_a_full_mmcv_has_for_cuda_alone_refuses_a_detector_left_on_the_cpu(lite, accelerator):
    network = build_detector(TrialConfig(detector=small("pointrcnn")), teacher=False)
    with pytest.raises(RuntimeError, match="furthest_point_sample is not implemented on cpu"):
        network.extract_feat({"points": scans("pointrcnn", [256])["inputs"]["points"]})
