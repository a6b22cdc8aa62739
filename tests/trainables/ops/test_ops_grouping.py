"""Gathering and grouping of features against loops, and their gradients against finite differences."""

import pytest
import torch

from trainables.ops.setup.bridge import install

install()

from mmcv.ops import gather_points, grouping_operation  # noqa: E402

pytestmark = pytest.mark.usefixtures("lite")


def example(*shape, batch=2, channels=3, points=7, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(batch, channels, points, generator=generator, dtype=torch.float64).to(dtype)
    return features.requires_grad_(), torch.randint(0, points, (batch, *shape), generator=generator, dtype=torch.int32)


@pytest.mark.parametrize("batch", [1, 2])
def test_gathered_features_are_those_of_the_loop(batch):
    features, indices = example(5, batch=batch)
    gathered = gather_points(features, indices)
    for b in range(batch):
        for m in range(5):
            assert gathered[b, :, m].tolist() == features[b, :, indices[b, m]].tolist()


@pytest.mark.parametrize("batch", [1, 2])
def test_grouped_features_are_those_of_the_loop(batch):
    features, indices = example(5, 4, batch=batch)
    grouped = grouping_operation(features, indices)
    for b in range(batch):
        for m in range(5):
            for k in range(4):
                assert grouped[b, :, m, k].tolist() == features[b, :, indices[b, m, k]].tolist()


def test_a_feature_that_was_taken_often_gets_the_sum_of_the_gradients():
    features, _ = example()
    grouping_operation(features, torch.tensor([[[2, 2, 2], [2, 0, 1]]] * 2, dtype=torch.int32)).sum().backward()
    assert features.grad[0, 0].tolist() == [1, 1, 4, 0, 0, 0, 0]


def test_gradients_of_gathering_are_those_of_finite_differences():
    features, indices = example(9, dtype=torch.float64)
    assert torch.autograd.gradcheck(gather_points, (features, indices))


def test_gradients_of_grouping_are_those_of_finite_differences():
    features, indices = example(5, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(grouping_operation, (features, indices))


def test_an_index_beyond_the_points_is_refused():
    features, _ = example()
    with pytest.raises(RuntimeError, match="out of bounds"):
        gather_points(features, torch.full((2, 1), 7, dtype=torch.int32))


def test_no_points_are_gathered_from_none():
    features, _ = example(points=1)
    assert gather_points(features, torch.zeros(2, 0, dtype=torch.int32)).shape == (2, 3, 0)


def test_nan_features_stay_where_they_are():
    features = torch.tensor([[[1.0, torch.nan, 3.0]]])
    assert gather_points(features, torch.tensor([[2, 0]], dtype=torch.int32)).tolist() == [[[3.0, 1.0]]]
