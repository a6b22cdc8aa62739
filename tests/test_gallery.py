"""The gallery is made by its command, and shows what lies beside it."""

import re
from dataclasses import replace
from pathlib import Path

from analysis import listing
from analysis.results import tidy
from tests import gallery
from tests.analysis import made_up_study as made_up
from tests.analysis.planted_inspections import inspected

LARGEST = 60_000


def test_the_command_draws_every_figure_that_the_runs_fill_in_small_files(tmp_path):
    asked = made_up.whole()
    kept = made_up.records(asked)
    bare = tidy((made_up.spec(points=()),), [])
    full = tidy((asked,), kept, made_up.planned(asked), importances={asked.name: made_up.IMPORTANCES})
    full = replace(full, inspected=inspected(full))
    assert gallery.write([bare, full], tmp_path) == []
    page = (tmp_path / "gallery.md").read_text()
    assert re.findall(r"\(gallery/(\w+)\.png\)", page) == list(listing.figures())
    sizes = {path.stem: path.stat().st_size for path in (tmp_path / "gallery").iterdir()}
    assert sorted(sizes) == sorted(listing.figures())
    assert max(sizes.values()) < LARGEST


def test_what_no_study_fills_is_left_out(tmp_path):
    assert gallery.write([tidy((made_up.spec(points=()),), [])], tmp_path) == list(listing.figures())
    assert "![" not in (tmp_path / "gallery.md").read_text()


def test_the_gallery_shows_every_picture_that_lies_there_and_no_other():
    shown = re.findall(r"\(gallery/(\w+\.png)\)", (gallery.DOCS / "gallery.md").read_text())
    there = [path.name for path in Path(gallery.DOCS / "gallery").glob("*.png")]
    assert sorted(shown) == sorted(there)
    assert {path.removesuffix(".png") for path in shown} <= set(listing.figures())
