"""Which rows are distilled: the most important, the least, a draw."""

import pytest
import torch

from trainables.distillers.parts.row_selection import select

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
