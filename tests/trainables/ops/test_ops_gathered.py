"""Rows of a table: values and gradients are those of indexing with one thread, with any number of threads."""

from collections.abc import Iterator

import pytest
import torch

from trainables.distillers.parts.neighbor_graphs import GraphConvolution
from trainables.ops.gathered import gathered


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_values_and_gradients_are_to_the_bit_those_of_indexing_with_one_thread():
    torch.set_num_threads(1)
    values = torch.randn(500, 16)
    for shape in ((256, 8), (300,), (0, 4)):
        rows, found = torch.randint(500, shape), []
        for take in (gathered, lambda table, rows: table[rows]):
            table = values.clone().requires_grad_()
            taken = take(table, rows)
            (taken * torch.linspace(-1, 1, taken.numel()).view_as(taken)).sum().backward()
            found.append((taken.detach(), table.grad))
        assert torch.equal(found[0][0], found[1][0])
        assert torch.equal(found[0][1], found[1][1])


def test_the_gradient_of_graphs_repeats_itself_with_two_threads():
    """As many edges as PointDistiller has of PointRCNN's points and of full-size pillars: torch would split them."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    graphs, values = GraphConvolution(16, 16), torch.randn(2000, 16)
    chosen, near = torch.randint(2000, (500,)), [torch.randint(2000, (500, 32))]

    def gradient() -> torch.Tensor:
        table = values.clone().requires_grad_()
        graphs(table, chosen, near)[0].amax(1).square().sum().backward()
        assert table.grad is not None
        return table.grad

    first = gradient()
    assert all(torch.equal(gradient(), first) for _ in range(10))
