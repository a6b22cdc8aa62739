"""The questions that every CPU twin in trainables/ops answers.

Modules are found by listing the folder. A module is known here with examples of its public functions, or it is named in
`PLUMBING` or `TENSOR_CODE`; a new file without any of them fails the first test. An example is a function that takes a
random generator and a size, and returns the operator's arguments: arrays first, of `size` rows, then settings.
"""

import copy
import importlib
import inspect
import pkgutil
from collections.abc import Callable

import numpy as np
import pytest
import torch

from trainables import ops

PLUMBING = {"setup", "tiles"}  # they serve operators; they are none
# Plain torch; their own tests compare them with references.
TENSOR_CODE = {
    "anchors", "gathered", "grouping", "neighbors", "padded_slots", "pillar_canvas", "pillar_features",
    "sparse_convolution", "sync_batch_norm",
}  # fmt: skip


def bev_boxes(generator, size):
    low, high = [-9, -9, 1, 1, -7], [9, 9, 4, 4, 7]
    return generator.uniform(low, high, (size, 5)).astype(np.float32)


def lidar_boxes(generator, size):
    low, high = [-9, -9, -2, 1, 1, 1, -7], [9, 9, 0, 4, 4, 3, 7]
    return generator.uniform(low, high, (size, 7)).astype(np.float32)


def points(generator, size, columns=4):
    return generator.uniform(-9, 9, (size, columns)).astype(np.float32)


def scores(generator, size):
    return generator.random(size).astype(np.float32)


GRID = ((0.5, 0.5, 4.0), (-8.0, -8.0, -3.0, 8.0, 8.0, 1.0))

EXAMPLES: dict[str, dict[str, Callable]] = {
    "ball_query": {"balls": lambda g, n: (points(g, 3 * n, 3), points(g, n, 3), 4.0, 5, 1.0)},
    "iou3d": {"aligned_nms": lambda g, n: (np.cumsum(scores(g, 4 * n).reshape(n, 4), 1), scores(g, n), 0.3)},
    "interpolation": {"three_nearest": lambda g, n: (points(g, n, 3), points(g, 3 * n, 3))},
    "point_sampling": {
        "furthest_points": lambda g, n: (points(g, n, 3), min(n, 20)),
        "furthest_rows": lambda g, n: (points(g, n, n), min(n, 20)),
    },
    "points_in_boxes": {
        "points_in_boxes": lambda g, n: (points(g, 3 * n, 3), lidar_boxes(g, n)),
        "first_boxes": lambda g, n: (points(g, 3 * n, 3), lidar_boxes(g, n)),
    },
    "roi_points": {"first_points": lambda g, n: (points(g, 3 * n, 3), lidar_boxes(g, n), 5)},
    "rotated_boxes": {
        "intersection_areas": lambda g, n: (bev_boxes(g, n), bev_boxes(g, n)),
        "rotated_iou": lambda g, n: (bev_boxes(g, n), bev_boxes(g, n)),
        "rotated_nms": lambda g, n: (bev_boxes(g, n), scores(g, n), 0.3),
    },
    "voxelization": {
        "hard_voxelize": lambda g, n: (points(g, n), *GRID, 5, 20),
        "dynamic_voxelize": lambda g, n: (points(g, n), *GRID),
    },
}
OPERATORS = [(module, name) for module, functions in EXAMPLES.items() for name in functions]
each_operator = pytest.mark.parametrize(("module", "name"), OPERATORS, ids=[name for _, name in OPERATORS])


def loaded(module):
    return importlib.import_module(f"trainables.ops.{module}")


def arguments(module, name, size=60, seed=0):
    return EXAMPLES[module][name](np.random.default_rng(seed), size)


def call(module, name, values):
    result = getattr(loaded(module), name)(*values)
    return result if isinstance(result, tuple) else (result,)


def assert_equal(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_module_of_the_folder_has_examples_here_or_is_plumbing():
    assert {found.name for found in pkgutil.iter_modules(ops.__path__)} == EXAMPLES.keys() | PLUMBING | TENSOR_CODE


@pytest.mark.parametrize("module", EXAMPLES)
def test_the_docstring_names_source_and_benchmark(module):
    text = loaded(module).__doc__
    assert "mmcv" in text or "mmdet3d" in text
    assert "bench_operators.py" in text


@pytest.mark.parametrize("module", EXAMPLES)
def test_every_public_function_states_what_it_returns_or_whose_twin_it_is(module):
    functions = [f for _, f in inspect.getmembers(loaded(module), inspect.isfunction) if not f.__name__.startswith("_")]
    own = [f for f in functions if f.__module__ == f"trainables.ops.{module}"]
    assert own
    for function in own:
        text = inspect.getdoc(function) or ""
        assert "Returns:" in text or "`mmcv._ext." in text, function.__name__


@pytest.mark.parametrize("module", EXAMPLES)
def test_served_names_are_names_of_mmcv_with_the_parameters_of_a_function(module):
    for name, operator in getattr(loaded(module), "EXTENSION", {}).items():
        assert operator.__name__ == name


@each_operator
def test_example_gives_a_finite_result(module, name):
    for part in call(module, name, arguments(module, name)):
        assert np.isfinite(part).all()


@each_operator
def test_empty_input_gives_an_empty_result(module, name):
    for part in call(module, name, arguments(module, name, size=0)):
        assert part.size == 0


@each_operator
def test_one_row_is_enough(module, name):
    for part in call(module, name, arguments(module, name, size=1)):
        assert np.isfinite(part).all()


@each_operator
def test_the_same_input_gives_the_same_result_twice(module, name):
    values = arguments(module, name)
    assert_equal(call(module, name, values), call(module, name, values))


@each_operator
def test_the_input_is_left_as_it_was(module, name):
    values = arguments(module, name)
    before = copy.deepcopy(values)
    call(module, name, values)
    assert_equal(values, before)


@each_operator
def test_input_that_is_not_contiguous_gives_the_same_result(module, name):
    values = arguments(module, name)
    strided = [
        np.repeat(np.asfortranarray(value), 2, axis=0)[::2] if isinstance(value, np.ndarray) else value
        for value in values
    ]
    assert any(isinstance(value, np.ndarray) and not value.flags.c_contiguous for value in strided)
    assert_equal(call(module, name, values), call(module, name, strided))


@each_operator
def test_read_only_input_is_accepted(module, name):
    values = arguments(module, name)
    for value in values:
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    assert_equal(call(module, name, values), call(module, name, arguments(module, name)))


@each_operator
def test_double_precision_input_gives_the_same_result(module, name):
    values = arguments(module, name)
    double = [value.astype(np.float64) if isinstance(value, np.ndarray) else value for value in values]
    for single, precise in zip(call(module, name, values), call(module, name, double), strict=True):
        np.testing.assert_allclose(single, precise, rtol=1e-6, atol=1e-6)


@each_operator
def test_input_of_a_wrong_shape_is_refused_in_one_line(module, name):
    first, *others = arguments(module, name)
    with pytest.raises(ValueError, match="must be") as refused:
        call(module, name, (first[:, :2], *others))
    assert "\n" not in str(refused.value)


@each_operator
def test_nan_rows_do_not_make_the_result_nan(module, name):
    first, *others = arguments(module, name)
    first[::3] = np.nan
    for part in call(module, name, (first, *others)):
        assert not np.isnan(part).any()


@each_operator
def test_threads_do_not_disturb_each_other(module, name):
    from concurrent.futures import ThreadPoolExecutor

    inputs = [arguments(module, name, seed=seed) for seed in range(8)]
    alone = [call(module, name, values) for values in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda values: call(module, name, values), inputs))
    for one, other in zip(alone, together, strict=True):
        assert_equal(one, other)


def test_no_operator_asks_for_torch_gradients():
    from trainables.ops.voxelization import dynamic_voxelize_forward

    cloud, cells = torch.rand(5, 4, requires_grad=True), torch.zeros(5, 3, dtype=torch.int32)
    dynamic_voxelize_forward(cloud, torch.tensor(GRID[0]), torch.tensor(GRID[1]), cells, NDim=3)
    assert not cells.requires_grad
