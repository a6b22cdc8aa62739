"""Regions of a bird's-eye view: where their places are, how large Gaussians are, and what a map holds there."""

import math

import pytest
import scene
import torch

from trainables.distillers.parts.regions import cell_size, gaussian_radius, places_over, sampled
from trainables.ops.setup.bridge import install

BOX = torch.tensor([[4.0, 3.0, 0.0, 4.0, 2.0, 1.5, math.pi / 2]], dtype=torch.float64)
"""On cells of 0.5 m its center is in column 8 and line 6; it is turned by a quarter."""


def test_places_of_a_box_are_the_centers_of_its_parts_in_its_own_order():
    read = scene.map_of(2, (20, 20), cell=0.5)
    places = places_over(BOX, "box", 2, read, 0)
    # Along the box first, which points along y: parts of 2 m by 1 m, in cells of 0.5 m.
    expected = [[9, 4], [9, 8], [7, 4], [7, 8]]
    torch.testing.assert_close(places[0], torch.tensor(expected, dtype=torch.float64))


def test_an_upright_rectangle_holds_the_turned_box():
    read = scene.map_of(2, (20, 20), cell=0.5)
    places = places_over(BOX, "upright", 2, read, 0)
    torch.testing.assert_close(places[0], torch.tensor([[7.0, 4], [9, 4], [7, 8], [9, 8]], dtype=torch.float64))
    slanted = BOX.clone()
    slanted[:, 6] = math.pi / 4
    (first, *_, last) = places_over(slanted, "upright", 2, read, 0)[0].tolist()
    assert last[0] - first[0] == pytest.approx((4 + 2) / math.sqrt(2) / 2 / 0.5)


def test_a_gaussian_is_a_square_of_whole_cells_around_the_cell_of_the_center():
    read = scene.map_of(2, (40, 40), cell=0.5)
    boxes = BOX.repeat(2, 1)
    boxes[:, 0] += 0.24  # still in column 8
    boxes[1, 3:5] = 0.4  # so small that the least radius counts
    places = places_over(boxes, "gaussian", 5, read, 0)
    torch.testing.assert_close(places[1, [0, -1]], torch.tensor([[6.0, 4], [10, 8]], dtype=torch.float64))
    radius = math.floor(gaussian_radius(torch.tensor([8.0]), torch.tensor([4.0])).item())
    assert places[0, 2, 1] == pytest.approx(6 - 2 / 5 * (2 * radius + 1))


@pytest.mark.parametrize("overlap", [0.1, 0.5, 0.7])
def test_the_radius_is_mmdet3ds(overlap):
    install()
    from mmdet3d.models.utils import gaussian_radius as of_mmdet3d

    length, width = torch.rand(2, 20, dtype=torch.float64) * 30 + 0.1
    expected = [float(of_mmdet3d(pair, min_overlap=overlap)) for pair in zip(length, width, strict=True)]
    torch.testing.assert_close(gaussian_radius(length, width, overlap).tolist(), expected)


def test_a_map_is_read_between_its_cells_and_is_nothing_beyond_them():
    read = scene.map_of(3, (4, 5))
    values = read.values[1]
    places = torch.tensor([[[2.0, 1.0], [2.5, 1.0], [2.0, 1.25], [-0.5, 0.0], [7.0, 1.0]]], dtype=torch.float64)
    found = sampled(read, 1, places)[0].T
    expected = [values[:, 1, 2], (values[:, 1, 2] + values[:, 1, 3]) / 2,
                0.75 * values[:, 1, 2] + 0.25 * values[:, 2, 2], values[:, 0, 0] / 2, 0 * values[:, 0, 0]]  # fmt: skip
    torch.testing.assert_close(found, torch.stack(expected))


def test_an_axis_of_one_cell_has_every_place_on_it():
    read = scene.map_of(2, (1, 6), cell=0.5)
    assert cell_size(read, 0).tolist() == [0.5, math.inf]
    for shape in ("box", "upright"):
        places = places_over(BOX, shape, 3, read, 0)
        assert (places[..., 1] == 0).all()
        assert sampled(read, 0, places).isfinite().all()
    assert sampled(read, 0, places_over(BOX, "gaussian", 3, read, 0)).isfinite().all()
