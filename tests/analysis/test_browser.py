"""The page in a real browser: it loads nothing, works by mouse and keyboard, fits every screen, shuts nobody out."""

import os
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import made_up_study as made_up
import pytest

from analysis import report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; `make test` installs it")

WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with every table and figure."""
    asked = made_up.whole()
    results = tmp_path_factory.mktemp("results")
    return report.write([made_up.write(results, asked, made_up.records(asked), importances=made_up.IMPORTANCES)])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium, or a skip; where REQUIRE_BROWSER is set it has to be there."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None and "REQUIRE_BROWSER" not in os.environ:
        pytest.skip("no Chromium on PATH (on Debian the package chromium)")
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def opened(browser: Any, index: Path) -> Iterator[Any]:
    """Opens the page at a width; whatever a browser complains of or asks the outside for fails the test."""
    complaints: list[str] = []

    def show(width: int = 1280, **options: Any) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 800}, **options)
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda one: complaints.append(one.url) if not one.url.startswith(("data:", local)) else None)
        page.goto(local)
        return page

    local = index.as_uri()
    yield show
    assert not complaints
    for context in browser.contexts:
        context.close()


def column(page: Any, table: str, place: int) -> list[str]:
    """The texts of a column as they are seen, from the top."""
    cells = page.locator(f"section#{table} tbody tr:visible td:nth-child({place})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_the_page_asks_for_nothing_and_complains_of_nothing(opened: Any) -> None:
    page = opened()
    pictures = page.locator("figure img")
    assert pictures.count() > 3
    assert all(pictures.nth(at).evaluate("img => img.naturalWidth > 0") for at in range(pictures.count()))


def test_a_script_that_is_not_the_pages_own_is_not_run(browser: Any, index: Path, tmp_path: Path) -> None:
    changed = index.read_text().replace("</main>", "</main><script>document.title = 'taken'</script><img src=x.png>")
    (tmp_path / "index.html").write_text(changed)
    shutil.copyfile(next(index.parent.glob("figures/*.png")), tmp_path / "x.png")
    page, refused = browser.new_page(), []
    page.on("requestfailed", lambda one: refused.append((one.url.rpartition("/")[2], one.failure)))
    page.goto((tmp_path / "index.html").as_uri())
    assert page.title() != "taken"
    assert refused == [("x.png", "csp")]
    page.context.close()


def test_links_lead_to_files_and_places_that_are_there(opened: Any, index: Path) -> None:
    page = opened()
    links = page.locator("a[href]").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    ids = set(page.locator("[id]").evaluate_all("found => found.map(one => one.id)"))
    assert links
    assert not [to for to in links if not (to[1:] in ids if to.startswith("#") else (index.parent / to).is_file())]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen_and_axe_finds_no_grave_fault(opened: Any, width: int, scheme: str) -> None:
    page = opened(width, color_scheme=scheme, bypass_csp=True)  # axe comes from outside the page
    page.evaluate("document.querySelectorAll('details').forEach((one, place) => { one.open = place < 4; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    grave = [fault for fault in found if fault["impact"] in ("serious", "critical")]
    assert not [(fault["id"], [node["html"][:120] for node in fault["nodes"][:3]]) for fault in grave]


def test_a_click_on_a_heading_sorts_up_down_and_back(opened: Any) -> None:
    page = opened()
    head = page.locator("section#all-runs th", has_text="Seconds")
    place = page.locator("section#all-runs th").all_inner_texts().index(head.inner_text()) + 1
    before = column(page, "all-runs", place)
    assert head.evaluate("head => getComputedStyle(head).textAlign") == "right"
    numbers = [float(text) for text in before]
    assert numbers != sorted(numbers)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert [float(text) for text in column(page, "all-runs", place)] == sorted(numbers)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(text) for text in column(page, "all-runs", place)] == sorted(numbers, reverse=True)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") is None
    assert column(page, "all-runs", place) == before


def test_cells_that_say_nothing_come_last_and_keys_are_no_numbers(opened: Any) -> None:
    page = opened()
    names = page.locator("section#all-runs th").all_inner_texts()
    metric = next(place for place, name in enumerate(names, 1) if name.startswith("Moderate 3D"))
    for _ in ("ascending", "descending"):
        page.locator(f"section#all-runs th:nth-child({metric}) button").click()
        known = [text == "–" for text in column(page, "all-runs", metric)]
        assert any(known)
        assert known == sorted(known)
    page.locator("section#all-runs th:first-child button").click()
    keys = column(page, "all-runs", 1)
    assert [key for key in keys if key[0].isdigit()] == keys[: sum(key[0].isdigit() for key in keys)]


def test_words_in_the_field_leave_the_rows_that_hold_all_of_them(opened: Any) -> None:
    page = opened()
    field = page.get_by_label("Filter rows: All runs")
    rows = page.locator("section#all-runs tbody tr")
    field.fill("FITNET failed")
    shown = page.locator("section#all-runs tbody tr:visible").all_inner_texts()
    assert shown
    assert all("fitnet" in text and "failed" in text for text in shown)
    assert page.locator("section#all-runs .filter [role=status]").inner_text() == f"{len(shown)} of {rows.count()} rows"
    field.fill("")
    assert page.locator("section#all-runs tbody tr:visible").count() == rows.count()


def test_everything_works_by_keyboard(opened: Any) -> None:
    page = opened()
    page.locator("section#all-runs th button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("section#all-runs th").first.get_attribute("aria-sort") == "ascending"
    page.locator("figure .open").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("dialog[open] img").evaluate("img => img.naturalWidth > 0 && img.alt.length > 0")
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert page.locator("figure .open").first.evaluate("link => link === document.activeElement")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_figure_opens_larger_than_on_the_page(opened: Any, width: int) -> None:
    page = opened(width)
    link = page.locator("figure .open").first
    small = link.locator("img").bounding_box()["width"]
    link.click()
    assert page.locator("dialog[open] img").bounding_box()["width"] > small
    page.get_by_role("button", name="Close").click()
    assert page.locator("dialog[open]").count() == 0


def test_a_key_in_the_table_opens_the_run(opened: Any) -> None:
    page = opened()
    link = page.locator("section#all-runs td a", has_text=made_up.BASE.key)
    run = page.locator(f"details#run-{made_up.BASE.key}")
    assert link.get_attribute("href") == f"#run-{made_up.BASE.key}"
    assert run.get_attribute("open") is None
    link.click()
    assert run.get_attribute("open") is not None
    assert "What differs from the base run" in run.inner_text()
    assert run.locator("svg.curve").count() == 2


def test_without_scripts_every_table_figure_and_run_is_there(opened: Any) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator("th button, .filter").count() == 0
    assert page.locator("section#all-runs tbody tr:visible").count() > 10
    page.locator("details.run summary").first.click()
    assert page.locator("details.run[open] dl").first.is_visible()


def test_on_paper_there_are_no_controls_and_no_table_is_cut_off(opened: Any) -> None:
    page = opened(700)
    page.emulate_media(media="print")
    assert page.locator("nav:visible, .filter:visible").count() == 0
    cut = "boxes => boxes.filter(box => getComputedStyle(box).overflowX !== 'visible').length"
    assert page.locator(".wide").evaluate_all(cut) == 0
