"""The pillar encoder whose padding is summed, against mmdet3d's own, which stores it."""

import copy

import pytest
import torch

from trainables.ops.setup import bridge

bridge.install()

from mmdet3d.models.voxel_encoders import HardVFE  # noqa: E402

OWN = HardVFE.forward.__closure__[0].cell_contents
"""mmdet3d's forward pass, which the bridge has put aside."""


def pillars(seed=0, number=300, slots=8, counts=None):
    """Pillars of 0.5 m in a range of 10 m, a fifth of them full."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(1, slots + 2, (number,), generator=generator).clamp(max=slots) if counts is None else counts
    cells = torch.randint(0, 20, (number, 2), generator=generator)
    coors = torch.cat([torch.zeros(number, 2, dtype=torch.long), cells], dim=1).int()
    voxels = torch.rand(number, slots, 4, generator=generator)
    voxels[:, :, :2] = (voxels[:, :, :2] + cells.flip(1).unsqueeze(1)) * 0.5 - 5
    voxels[torch.arange(slots) >= counts.unsqueeze(1)] = 0
    return voxels, counts.int(), coors


def encoders(widths=(16, 12), **options):
    torch.manual_seed(0)
    ours = HardVFE(
        4, list(widths), with_cluster_center=True, with_voxel_center=True, voxel_size=(0.5, 0.5, 8),
        point_cloud_range=(-5, -5, -5, 5, 5, 3), **options,
    )  # fmt: skip
    for layer in ours.vfe_layers:
        torch.nn.init.uniform_(layer.norm.weight, -1, 1)  # a negative scale turns the order of the points around
        torch.nn.init.uniform_(layer.norm.bias, -1, 1)
    return ours, copy.deepcopy(ours)


def taught(encoder, forward, data, dtype=torch.float32):
    """Output, gradients and running statistics of one pass forward and back."""
    voxels, counts, coors = data
    encoder.to(dtype).zero_grad()
    output = forward(encoder, voxels.to(dtype).clone(), counts, coors)
    towards = torch.randn(output.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    (output * towards).sum().backward()
    gradients = {f"gradient of {name}": value.grad for name, value in encoder.named_parameters()}
    return {"output": output.detach(), **gradients, **dict(encoder.named_buffers())}


def largest_difference(one, other):
    """Over all tensors, relative to the largest value of each."""
    assert one.keys() == other.keys()
    return max(float((one[n] - other[n]).abs().max() / other[n].abs().max().clamp(min=1e-9)) for n in one)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 2e-6), (torch.float64, 1e-12)])
def test_outputs_gradients_and_running_statistics_are_mmdet3ds(training, dtype, most):
    ours, theirs = (encoder.train(training) for encoder in encoders())
    for seed in range(3):  # the averages follow
        data = pillars(seed)
        found = taught(ours, HardVFE.forward, data, dtype), taught(theirs, OWN, data, dtype)
        assert largest_difference(*found) < most


@pytest.mark.parametrize("options", [{}, {"with_distance": True}, {"widths": (8,)}, {"widths": (8, 8, 8)}], ids=str)
def test_any_number_of_layers_and_every_decoration_is_mmdet3ds(options):
    ours, theirs = encoders(**options)
    found = (taught(*each, pillars(), torch.float64) for each in ((ours, HardVFE.forward), (theirs, OWN)))
    assert largest_difference(*found) < 1e-11


@pytest.mark.parametrize("count", [1, 7, 8])
def test_pillars_without_padding_and_with_most_of_it_are_mmdet3ds(count):
    ours, theirs = encoders()
    data = pillars(counts=torch.full((50,), count), number=50)
    assert largest_difference(taught(ours, HardVFE.forward, data), taught(theirs, OWN, data)) < 2e-6


def test_padding_counts_in_the_maximum_and_in_the_statistics():
    """Otherwise the tests above would show nothing: the same points in pillars twice as deep give something else."""
    voxels, counts, coors = pillars()
    deeper = torch.cat([voxels, torch.zeros_like(voxels)], dim=1), counts, coors
    for training in (True, False):
        ours, theirs = (encoder.train(training) for encoder in encoders())
        found = taught(ours, HardVFE.forward, (voxels, counts, coors)), taught(theirs, HardVFE.forward, deeper)
        assert largest_difference(*found) > 1e-2


def test_batch_statistics_without_averages_leave_the_averages_alone():
    ours, theirs = encoders()
    for encoder in (ours, theirs):
        for layer in encoder.vfe_layers:
            layer.norm.track_running_stats = False
    before = copy.deepcopy(ours.state_dict())
    assert largest_difference(taught(ours, HardVFE.forward, pillars()), taught(theirs, OWN, pillars())) < 2e-6
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())


def test_the_voxels_stay_as_they_are():
    voxels, counts, coors = pillars()
    before = voxels.clone()
    encoders()[0](voxels, counts, coors)
    assert torch.equal(voxels, before)


def test_norms_that_join_processes_are_left_to_mmdet3d():
    ours, theirs = encoders(norm_cfg={"type": "naiveSyncBN1d", "eps": 1e-3, "momentum": 0.01})
    data = pillars()
    assert largest_difference(taught(ours, HardVFE.forward, data), taught(theirs, OWN, data)) == 0
