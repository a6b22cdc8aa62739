"""The CPU operators against mmcv's own compiled ones: golden values of a full mmcv, for every CPU kernel it has."""

import numpy as np
import pytest

from tests.golden.make_operators import FILE, answers
from trainables.ops.bridge import install

KEPT = dict(np.load(FILE))
GOLDEN = {name.removeprefix("answer "): values for name, values in KEPT.items() if name.startswith("answer ")}

# mmcv computes IoUs in single precision; the largest difference is 4.2e-7. Everything else is equal.
LARGEST_DIFFERENCE = {"iou": 1e-6, "iof": 1e-6, "aligned iou": 1e-6}


@pytest.fixture(scope="module")
def found():
    install()
    return answers({name: values for name, values in KEPT.items() if not name.startswith("answer ")})


@pytest.mark.parametrize("name", GOLDEN)
def test_the_answer_is_that_of_the_compiled_operator(name, found):
    expected, got = GOLDEN[name].astype(np.float64), found[name].astype(np.float64)
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= LARGEST_DIFFERENCE.get(name, 0)


def test_the_golden_answers_are_not_trivial():
    assert 0.1 < (GOLDEN["iou"] > 0).mean() < 0.9
    assert 0.001 < GOLDEN["points in boxes"].mean() < 0.5
    assert 0 < (GOLDEN["dynamic second"] < 0).mean() < 0.5
    assert len(GOLDEN["hard second 300 counts"]) == 300
    assert GOLDEN["hard pillars 16000 counts"].max() == 3
    kept = [len(GOLDEN[f"rotated nms {threshold}"]) for threshold in (0.01, 0.1, 0.3, 0.8, 0.85)]
    assert 5 < kept[0] < kept[1] < kept[2] < kept[3] < kept[4] < 300
