"""Which rows are distilled, of a scan and of a batch."""

import pytest
import torch
from scene import pair

from trainables.distillers.parts.neighbor_graphs import neighbors_of
from trainables.distillers.parts.row_selection import choose, select

SCANS = [14, 11]


CHOICES = [
    ("top", 8, [19, 18, 17, 16, 15, 14, 13, 12]),
    ("bottom", 8, [7, 6, 5, 4, 3, 2, 1, 0]),
    ("mixed", 8, [19, 18, 17, 16, 3, 2, 1, 0]),
    ("mixed", 5, [19, 18, 17, 1, 0]),
    ("mixed", 40, list(range(19, -1, -1))),
]


@pytest.mark.parametrize(("selection", "n", "rows"), CHOICES)
def test_the_selections_without_a_draw_take_the_most_and_the_least_important_rows(selection, n, rows):
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert select(torch.arange(20.0), n, selection, "clamp", generator).tolist() == rows
    assert torch.equal(generator.get_state(), before)


def test_half_of_a_drawn_selection_is_drawn_from_the_rest_and_no_row_twice():
    drawn = [select(torch.arange(20.0), 8, "drawn", "clamp", torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert all(chosen[:4].tolist() == [19, 18, 17, 16] and len(set(chosen.tolist())) == 8 for chosen in drawn)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_of_equally_important_rows_the_first_is_taken():
    assert select(torch.tensor([3.0, 7, 3, 3]), 3, "top", "clamp", torch.Generator()).tolist() == [1, 0, 2]


def test_n_rows_of_a_batch_are_its_most_important_and_their_neighbors_lie_in_their_own_scans():
    features = pair(SCANS)
    importance, scan = features[1].rows[0].count, features[1].rows[0].scan
    chosen = choose([importance], [scan], 2, "batch", lambda i: select(i, 9, "top", "clamp", torch.Generator()))[0]
    assert set(chosen.rows.tolist()) == set(importance.argsort(descending=True, stable=True)[:9].tolist())
    assert chosen.per_scan == torch.bincount(scan[chosen.rows], minlength=2).tolist()
    assert chosen.starts == [0, 14, 25]
    near = neighbors_of(chosen, features[1].rows[0], 20, "scan", "feature")
    assert [each.shape for each in near] == [(chosen.per_scan[0], 14), (chosen.per_scan[1], 11)]
    assert [sorted(set(scan[each].flatten().tolist())) for each in near] == [[0], [1]]
