"""Graphs over rows: neighbors, selection, and the convolution that projects rows before it gathers them."""

import pytest
import torch

from trainables.distillers.parts.neighbor_graphs import GraphConvolution
from trainables.ops.neighbors import nearest, nearest_in_space


def test_nearest_agrees_with_sorting_every_distance():
    generator = torch.Generator().manual_seed(0)
    rows, queries = torch.rand(50, 16, generator=generator), torch.rand(2000, 16, generator=generator)
    expected = torch.stack([(rows - query).norm(dim=1).argsort()[:7] for query in queries.double().float()])
    assert torch.equal(nearest(queries, rows, 7), expected)


def test_nearest_in_space_agrees_with_sorting_every_distance():
    generator = torch.Generator().manual_seed(0)
    rows, queries = torch.rand(300, 3, generator=generator) * 50, torch.rand(40, 3, generator=generator) * 50
    expected = torch.stack([(rows - query).norm(dim=1).argsort()[:5] for query in queries])
    assert torch.equal(nearest_in_space(queries, rows, 5), expected)


@pytest.mark.parametrize("search", [nearest, nearest_in_space])
def test_a_row_is_its_own_nearest_neighbor(search):
    rows = torch.rand(30, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(search(rows, rows, 1).squeeze(1), torch.arange(30))


@pytest.mark.parametrize("search", [nearest, nearest_in_space])
@pytest.mark.parametrize("k", [0, 5])
def test_more_neighbors_than_rows_are_refused(search, k):
    with pytest.raises(ValueError, match=f"got k={k}, rows=4"):
        search(torch.rand(2, 3), torch.rand(4, 3), k)


@pytest.mark.parametrize("search", [nearest, nearest_in_space])
def test_no_query_finds_no_neighbor(search):
    assert search(torch.rand(0, 3), torch.rand(4, 3), 2).shape == (0, 2)


@pytest.mark.parametrize("edge", ["concat", "difference"])
def test_projecting_before_gathering_equals_the_convolution_on_whole_edges(edge):
    torch.manual_seed(0)
    values, chosen, near = torch.rand(20, 6), torch.tensor([3, 7, 1]), torch.randint(0, 20, (3, 4))
    convolution = GraphConvolution(6, 5, edge)
    whole = torch.nn.Conv2d(12, 5, 1, bias=False)
    with torch.no_grad():
        whole.weight[:, :, 0, 0] = torch.cat([convolution.center.weight, convolution.neighbor.weight], 1)
    center, neighbor = values[chosen].unsqueeze(1).expand(-1, 4, -1), values[near]
    edges = torch.cat([center, neighbor if edge == "concat" else center - neighbor], 2)
    expected = torch.relu(torch.nn.BatchNorm2d(5)(whole(edges.permute(2, 0, 1).unsqueeze(0))))[0].permute(1, 2, 0)
    torch.testing.assert_close(convolution(values, chosen, [near])[0], expected)
