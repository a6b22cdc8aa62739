"""The pillar layer on real points only, against mmdet3d's own on padded pillars."""

import copy

import pytest
import torch

from trainables.ops.setup import bridge

bridge.install()

from mmdet3d.models.voxel_encoders.utils import PFNLayer  # noqa: E402


def mmdet3d_forward(layer, inputs):
    """What PFNLayer computes, as mmdet3d writes it."""
    x = layer.norm(layer.linear(inputs).permute(0, 2, 1).contiguous()).permute(0, 2, 1)
    return torch.relu(x).max(dim=1, keepdim=True)[0]


def pillars(seed=0, number=200, slots=8, counts=None):
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(1, slots + 1, (number,), generator=generator) if counts is None else counts
    inputs = torch.randn(number, slots, 10, generator=generator)
    inputs[torch.arange(slots) >= counts.unsqueeze(1)] = 0
    return inputs, counts.int()


def layers():
    torch.manual_seed(0)
    ours = PFNLayer(10, 16, last_layer=True)
    torch.nn.init.uniform_(ours.norm.weight, -1, 1)  # a negative scale turns the order of the points around
    torch.nn.init.uniform_(ours.norm.bias, -1, 1)
    return ours, copy.deepcopy(ours)


@pytest.mark.parametrize("training", [True, False])
def test_features_are_mmdet3ds(training):
    ours, theirs = (layer.train(training) for layer in layers())
    inputs, counts = pillars()
    torch.testing.assert_close(ours(inputs, counts), mmdet3d_forward(theirs, inputs))


@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_mmdet3ds(training):
    ours, theirs = (layer.train(training).double() for layer in layers())
    inputs, counts = pillars()
    weight = torch.randn(len(inputs), 1, 16, generator=torch.Generator().manual_seed(1)).double()
    (ours(inputs.double(), counts) * weight).sum().backward()
    (mmdet3d_forward(theirs, inputs.double()) * weight).sum().backward()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_running_statistics_are_mmdet3ds():
    ours, theirs = layers()
    for seed in range(3):
        inputs, counts = pillars(seed)
        ours(inputs, counts)
        mmdet3d_forward(theirs, inputs)
    for name, value in theirs.norm.state_dict().items():
        torch.testing.assert_close(ours.norm.state_dict()[name], value)


def test_full_pillars_know_no_padding():
    ours, theirs = layers()
    inputs, counts = pillars(counts=torch.full((50,), 8), number=50)
    torch.testing.assert_close(ours(inputs, counts), mmdet3d_forward(theirs, inputs))


def test_a_layer_that_is_not_the_last_is_left_to_mmdet3d():
    layer = PFNLayer(10, 16, last_layer=False)
    inputs, counts = pillars()
    assert layer(inputs, counts).shape == (200, 8, 16)


@pytest.mark.parametrize("training", [True, False])
def test_the_last_of_two_layers_is_mmdet3ds_though_its_padding_is_not_zero(training):
    torch.manual_seed(0)
    first, ours = PFNLayer(10, 16, last_layer=False).train(training), PFNLayer(16, 16, last_layer=True).train(training)
    torch.nn.init.uniform_(first.norm.bias, 0.5, 1)
    theirs = copy.deepcopy(ours)
    inputs, counts = pillars()
    between = first(inputs, counts).detach()
    torch.testing.assert_close(ours(between, counts), mmdet3d_forward(theirs, between))


def test_counts_above_the_slots_mean_full_pillars():
    ours, theirs = layers()
    inputs, counts = pillars()
    assert (counts == 8).any()
    torch.testing.assert_close(ours(inputs, torch.where(counts == 8, 11, counts)), mmdet3d_forward(theirs, inputs))
