"""Sparse convolutions on the CPU equal dense ones, with their gradients, whatever the number of threads."""

import pytest
import torch

from trainables.ops.setup import bridge

bridge.install()

import spconv.pytorch as spconv  # noqa: E402  after the bridge

SHAPE = (9, 33, 33)


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def voxels(scans: int, each: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    places = [torch.randint(0, size, (scans * each,), generator=generator) for size in (scans, *SHAPE)]
    places = torch.stack(places, dim=1).unique(dim=0)
    return torch.randn(len(places), 8, generator=generator), places.int()


def dense(values: torch.Tensor, places: torch.Tensor, scans: int) -> torch.Tensor:
    """scans x C x depth x height x width, zero where there is no voxel."""
    grid = values.new_zeros(scans, *SHAPE, values.shape[1])
    return grid.index_put(tuple(places.long().T), values).permute(0, 4, 1, 2, 3)


LAYERS = {
    "submanifold": lambda: spconv.SubMConv3d(8, 16, 3, padding=1, bias=False),
    "strided": lambda: spconv.SparseConv3d(8, 16, 3, stride=2, padding=1, bias=False),
    "along z alone": lambda: spconv.SparseConv3d(8, 16, (3, 1, 1), stride=(2, 1, 1), bias=False),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_values_and_gradients_are_those_of_a_dense_convolution(kind, threads):
    torch.manual_seed(0)
    layer = LAYERS[kind]()
    values, places = voxels(scans=2, each=3000)
    values.requires_grad_()
    sparse = layer(spconv.SparseConvTensor(values, places, list(SHAPE), 2))
    weight = layer.weight.detach().permute(0, 4, 1, 2, 3).clone().requires_grad_()
    inputs = values.detach().clone().requires_grad_()
    expected = torch.nn.functional.conv3d(dense(inputs, places, 2), weight, stride=layer.stride, padding=layer.padding)
    where = tuple(sparse.indices.long().T)
    expected = expected.permute(0, 2, 3, 4, 1)[where]
    torch.testing.assert_close(sparse.features, expected, rtol=1e-4, atol=1e-5)
    gradient = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    sparse.features.backward(gradient)
    expected.backward(gradient)
    torch.testing.assert_close(values.grad, inputs.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.weight.grad.permute(0, 4, 1, 2, 3), weight.grad, rtol=1e-3, atol=1e-4)


def test_an_inverse_convolution_leads_back_to_the_voxels_it_came_from(threads):
    torch.manual_seed(0)
    down = spconv.SparseConv3d(8, 16, 3, stride=2, padding=1, bias=False, indice_key="key")
    up = spconv.SparseInverseConv3d(16, 8, 3, bias=False, indice_key="key")
    values, places = voxels(scans=1, each=500)
    out = up(down(spconv.SparseConvTensor(values, places, list(SHAPE), 1)))
    assert torch.equal(out.indices, places)
    weight = up.weight.detach().permute(4, 0, 1, 2, 3)
    coarse = down(spconv.SparseConvTensor(values, places, list(SHAPE), 1)).dense().detach()
    expected = torch.nn.functional.conv_transpose3d(coarse, weight, stride=2, padding=1)
    torch.testing.assert_close(
        out.features, expected.permute(0, 2, 3, 4, 1)[tuple(places.long().T)], rtol=1e-4, atol=1e-5
    )


def test_every_pass_gives_the_same_bits(threads):
    torch.manual_seed(0)
    layer = LAYERS["submanifold"]()
    values, places = voxels(scans=1, each=3000)
    first, *others = [layer(spconv.SparseConvTensor(values, places, list(SHAPE), 1)).features for _ in range(4)]
    assert all(torch.equal(first, other) for other in others)
