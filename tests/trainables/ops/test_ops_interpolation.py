"""Three nearest points and interpolation against loops, and gradients against finite differences."""

import math

import numpy as np
import pytest
import torch

from trainables.ops.interpolation import three_nearest
from trainables.ops.setup.bridge import install

install()

from mmcv.ops import three_interpolate, three_nn  # noqa: E402

pytestmark = pytest.mark.usefixtures("lite")


def nearest_by_loop(target, sources):
    """(square, index) of the three nearest; of equally near ones the first comes first, as `sorted` is stable."""
    squares = [sum((float(a) - float(b)) ** 2 for a, b in zip(target, source, strict=True)) for source in sources]
    found = sorted(range(len(sources)), key=lambda i: squares[i])[:3]
    return [squares[i] for i in found], found


def cloud(number, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).uniform(-5, 5, (number, 3)).astype(dtype)


@pytest.mark.parametrize(("number", "dtype"), [(1500, np.float64), (1500, np.float32), (3, np.float64)])
def test_nearest_points_of_random_targets_are_those_of_the_loop(number, dtype):
    targets, sources = cloud(30, 1, dtype), cloud(number, 2, dtype)
    squares, indices = three_nearest(targets, sources)
    assert squares.dtype == dtype
    for n, target in enumerate(targets):
        expected_squares, expected = nearest_by_loop(target, sources)
        assert indices[n].tolist() == expected
        np.testing.assert_allclose(squares[n], expected_squares, rtol=1e-5)


def test_of_equally_near_points_the_first_comes_first():
    sources = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 0.5]] * 2, np.float32)
    assert three_nearest(np.zeros((1, 3)), sources)[1].tolist() == [[4, 9, 0]]


def test_among_points_on_a_grid_the_first_of_many_equal_ones_is_nearest():
    sources = np.random.default_rng(3).integers(-3, 4, (2000, 3)).astype(np.float32)
    targets = sources[:20] + np.float32(0.5)
    assert three_nearest(targets, sources)[1].tolist() == [nearest_by_loop(t, sources)[1] for t in targets]


def test_missing_points_are_infinitely_far_and_have_index_zero():
    squares, indices = three_nearest(np.zeros((1, 3)), np.array([[9.0, 0, 0], [1.0, 0, 0]]))
    assert squares.tolist() == [[1.0, 81.0, math.inf]]
    assert indices.tolist() == [[1, 0, 0]]


def test_broken_points_are_near_to_nothing():
    sources = cloud(6)
    sources[0, 0], sources[1, 2] = np.nan, np.nan
    assert not {0, 1} & set(three_nearest(np.zeros((1, 3)), sources)[1][0].tolist())
    assert three_nearest(np.full((1, 3), np.nan), sources)[0].tolist() == [[math.inf] * 3]


def test_mmcvs_three_nn_gives_distances_of_each_scene_and_no_gradient():
    targets, sources = (torch.from_numpy(np.stack([cloud(9, s), cloud(9, s + 1)])).float() for s in (0, 5))
    distances, indices = three_nn(targets, sources)
    for scene in range(2):
        squares, expected = three_nearest(targets[scene].numpy(), sources[scene].numpy())
        np.testing.assert_allclose(distances[scene].numpy(), np.sqrt(squares), rtol=1e-6)
        assert indices[scene].tolist() == expected.tolist()
    assert indices.dtype == torch.int32


def example(batch=2, channels=3, sources=6, targets=8, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(batch, channels, sources, generator=generator, dtype=dtype, requires_grad=True)
    indices = torch.randint(0, sources, (batch, targets, 3), generator=generator, dtype=torch.int32)
    return features, indices, torch.rand(batch, targets, 3, generator=generator, dtype=dtype)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_interpolated_features_are_those_of_the_loop(dtype, batch):
    features, indices, weights = example(batch, dtype=dtype)
    interpolated = three_interpolate(features, indices, weights)
    for b in range(batch):
        for n in range(8):
            expected = sum(weights[b, n, j] * features[b, :, indices[b, n, j]] for j in range(3))
            torch.testing.assert_close(interpolated[b, :, n], expected)


def test_gradients_of_interpolation_are_those_of_finite_differences():
    assert torch.autograd.gradcheck(three_interpolate, example())


def test_an_index_beyond_the_sources_is_refused():
    features, indices, weights = example()
    with pytest.raises(ValueError, match="from 0 to 5"):
        three_interpolate(features, indices + 6, weights)


def test_without_targets_nothing_is_interpolated():
    assert three_interpolate(*example(targets=0)).shape == (2, 3, 0)
