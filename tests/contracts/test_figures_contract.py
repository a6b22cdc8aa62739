"""Every table and figure, found by listing the folders, faces the same questions."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import matplotlib
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from pandas.testing import assert_frame_equal

from analysis import listing, rendering, style
from analysis.results import Results, tidy
from tests.analysis import made_up_study as made_up
from tests.analysis.eyes import distance, lightness, seen, shape, without_green
from tests.analysis.planted_inspections import inspected

FIGURES = sorted(listing.figures())
TABLES = sorted(listing.tables())
ALL = listing.tables() | listing.figures()
OF_ONE_RUN = ("detections_scene", "importance_map", "voxel_points")
"""Figures of one scene or one split: whichever run was inspected, nothing behind them is missing."""


def _full() -> Results:
    asked = made_up.whole()
    kept = made_up.records(asked, fail=("LD", "crd", "LD + RL 16x"))
    found = tidy((asked,), kept, made_up.planned(asked), importances={asked.name: made_up.IMPORTANCES})
    return replace(found, inspected=inspected(found))


def _single() -> Results:
    asked = made_up.spec(seeds=(0,), points=(made_up.POINTS[-1],), search=None)
    found = tidy((asked,), [made_up.record(made_up.BASE, "LD + RL")])
    return replace(found, inspected=inspected(found))


def _without_metrics() -> Results:
    asked = made_up.spec(seeds=(0,))
    kept = [made_up.record(one.config, one.label, metrics={}, epochs=()) for one in made_up.records(asked)]
    return tidy((asked,), kept)


def _empty() -> Results:
    asked = made_up.spec(points=(), trials=5)
    return tidy((asked,), [])


DATA: dict[str, Callable[[], Results]] = {
    "full": _full,
    "single": _single,
    "without metrics": _without_metrics,
    "empty": _empty,
}


@pytest.fixture(params=sorted(ALL))
def part(request: pytest.FixtureRequest) -> ModuleType:
    """One table or figure."""
    return ALL[request.param]


@pytest.fixture(params=FIGURES)
def figure(request: pytest.FixtureRequest) -> ModuleType:
    """One figure."""
    return ALL[request.param]


@pytest.mark.parametrize("data", sorted(DATA))
def test_a_summary_is_a_table_that_can_be_saved_and_read_again(part, data, tmp_path):
    summary = part.summarize(DATA[data]())
    path = tmp_path / "summary.csv"
    path.write_text(rendering.to_csv(summary))
    assert pd.read_csv(path).shape == summary.shape


def test_no_data_make_an_empty_summary_and_a_reason(part):
    assert part.summarize(_empty()).empty
    assert part.EMPTY.endswith(".")


def test_the_same_data_in_another_order_make_the_same_csv(part):
    asked = made_up.whole()
    kept, runs = made_up.records(asked), made_up.planned(asked)
    texts = {rendering.to_csv(part.summarize(tidy((asked,), order, runs))) for order in (kept, kept[::-1])}
    assert len(texts) == 1


def test_the_input_is_left_as_it_was(part):
    given, untouched = _full(), _full()
    part.summarize(given)
    assert_frame_equal(given.runs, untouched.runs)
    assert_frame_equal(given.epochs, untouched.epochs)


def test_the_caption_counts_the_missing_runs(part):
    if part in [ALL[name] for name in OF_ONE_RUN]:
        pytest.skip("one inspected run is all that it needs")
    summary = part.summarize(_full())
    assert summary["missing"].sum() > 0
    assert "missing" in part.caption(summary)


def test_every_part_names_itself(part):
    assert part.TITLE
    assert part.__doc__


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("data", ["full", "single", "without metrics"])
def test_a_table_becomes_texts_without_holes(name, data):
    summary = ALL[name].summarize(DATA[data]())
    if summary.empty:
        pytest.skip(f"{name} has nothing to show of {data} data")
    texts = ALL[name].present(summary)
    assert len(texts) == len(summary)
    assert not texts.isin(["nan", "NaN", "None", ""]).any().any()
    assert not texts.isna().any().any()


def drawing(figure: ModuleType, data: str, width: float = style.PAGE_WIDTH) -> Figure:
    """A figure of some data, or a skip where it has nothing to show of them."""
    summary = figure.summarize(DATA[data]())
    if summary.empty:
        pytest.skip(f"{figure.__name__} has nothing to show of {data} data")
    drawn: Figure = figure.draw(summary, width)
    return drawn


@pytest.mark.parametrize("data", ["full", "single"])
def test_every_axis_is_labeled(figure, data):
    drawn = drawing(figure, data)
    panels = [axes for axes in drawn.axes if axes.get_subplotspec() is not None]
    first_of_row = {axes.get_subplotspec().rowspan.start: axes for axes in reversed(panels)}
    assert all(axes.get_xlabel() for axes in panels)
    assert all(axes.get_ylabel() for axes in first_of_row.values())


def texts_of(drawn: Figure) -> list[Text]:
    """Every text that is seen: of axes, of their ticks within the frame, within them, and of the legend."""
    found = list(drawn.legends[0].get_texts())
    for axes in drawn.axes:
        found += [*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            ticks = [tick for tick in axis.get_major_ticks() if min(limits) <= tick.get_loc() <= max(limits)]
            found += [text for tick in ticks for text in (tick.label1, tick.label2)]
    return [text for text in found if text.get_text().strip() and text.get_visible()]


@pytest.mark.parametrize("width", [style.PAGE_WIDTH, style.COLUMN_WIDTH])
@pytest.mark.parametrize("data", ["full", "single"])
def test_at_both_widths_texts_can_be_read_and_none_overlaps_another_or_leaves_the_figure(figure, data, width):
    drawn = drawing(figure, data, width)
    assert drawn.get_figwidth() == width
    with style.applied():
        drawn.draw_without_rendering()
        boxes = [(text.get_text(), text.get_fontsize(), text.get_window_extent()) for text in texts_of(drawn)]
    legend = drawn.legends[0].get_window_extent()
    assert 0 <= legend.x0 < legend.x1 <= drawn.bbox.x1
    for index, (text, size, box) in enumerate(boxes):
        assert size >= style.SMALLEST, text
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= drawn.bbox.x1 + 0.5, text
        assert box.y1 <= drawn.bbox.y1 + 0.5, text
        assert [other for other, _, its in boxes[index + 1 :] if box.overlaps(its)] == [], text


def test_what_a_legend_tells_apart_is_told_apart_in_gray_and_by_eyes_that_see_no_green(figure):
    drawn = drawing(figure, "full")
    handles = drawn.legends[0].legend_handles
    for one, other in itertools.combinations(handles, 2):
        if shape(one) != shape(other):
            continue
        colors = [seen(handle) for handle in (one, other)]
        assert abs(lightness(colors[0]) - lightness(colors[1])) >= 10, (one.get_label(), other.get_label())
        assert distance(*map(without_green, colors)) >= 10, (one.get_label(), other.get_label())


def test_drawing_leaves_the_global_style_alone(figure):
    before = dict(matplotlib.rcParams)
    figure.draw(figure.summarize(_full()))
    assert dict(matplotlib.rcParams) == before
