"""Colors and sizes that everybody can read."""

import itertools

import pytest
from eyes import distance, lightness, without_green
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from analysis import style


def test_the_colors_of_the_palette_are_apart_for_eyes_that_see_no_green():
    seen = [without_green(to_rgb(color)) for color in style.PALETTE]
    assert min(distance(one, other) for one, other in itertools.combinations(seen, 2)) >= 8


def test_in_gray_each_color_has_a_marker_of_its_own_and_can_be_seen_on_white():
    assert len({marker for _, marker in style.CYCLE}) == len(style.PALETTE)
    assert max(lightness(to_rgb(color)) for color in style.PALETTE) < 75


def test_colors_that_follow_each_other_differ_in_gray():
    levels = [lightness(to_rgb(color)) for color in style.PALETTE]
    assert min(abs(one - other) for one, other in itertools.pairwise(levels)) >= 8


def test_eyes_without_the_pigment_for_green_take_red_and_green_of_one_lightness_for_near():
    red, green = to_rgb("#C00000"), to_rgb("#6E7A00")
    assert distance(without_green(red), without_green(green)) < 0.6 * distance(red, green)
    assert distance(without_green((0.5, 0.5, 0.5)), (0.5, 0.5, 0.5)) < 1


def test_scores_get_lighter_all_the_way_to_any_eyes():
    colors = [colormaps[style.SCORES](at / 20)[:3] for at in range(21)]
    for seen in (colors, [without_green(color) for color in colors]):
        levels = [lightness(color) for color in seen]
        assert levels == sorted(levels)
        assert levels[-1] - levels[0] > 60


@pytest.mark.parametrize(("width", "lines"), [(style.PAGE_WIDTH, 2), (style.COLUMN_WIDTH, 5)])
def test_panels_take_as_many_lines_as_the_width_asks(width, lines):
    figure = Figure(figsize=(width, 1), layout="constrained")
    found = style.panels(figure, [1.0, 2.0, 1.0, 1.5, 1.0], 2.0)
    assert len(found) == len(figure.axes) == 5
    assert found[-1].get_subplotspec().rowspan.start == lines - 1
    assert figure.get_figheight() == (3.5 if lines == 2 else 6.5)


def test_a_legend_makes_the_figure_higher_and_never_wider():
    figure = Figure(figsize=(style.COLUMN_WIDTH, 1), layout="constrained")
    (axes,) = style.panels(figure, [2.0], 2.0)
    for number in range(4):
        axes.plot([0, 1], [0, number], label=f"a label that takes its place, number {number}")
    with style.applied():
        style.legend_below(figure, 4)
    assert figure.get_figheight() > 2.4
    assert figure.legends[0].get_window_extent().width <= figure.bbox.width
    assert len(figure.legends) == 1


@pytest.mark.parametrize("ends", [(850, 1420), (4, 16), (4, 256), (0.5, 50), (256, 12000), (1, 1), (-1, 3)])
def test_an_axis_of_values_has_two_to_seven_ticks_whatever_its_ends(ends):
    axes = Figure().subplots()
    style.value_axis(axes, *ends)
    low, high = axes.get_xlim()
    assert 2 <= len([tick for tick in axes.get_xticks() if low <= tick <= high]) <= 7
