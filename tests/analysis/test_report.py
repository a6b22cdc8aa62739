"""The page: whole, self-contained, honest, and safe to open."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import made_up_study as made_up
import pytest
from planted_inspections import inspected

from analysis import listing, report
from analysis.answers import sentences
from analysis.results import tidy
from analysis.study_folders import load
from analysis.tables import comparison
from study.nouns.errors import InputError
from study.nouns.overrides import override
from study.nouns.records import StudyFiles

VOID = {"meta", "img", "br"}


class Outline(HTMLParser):
    """Collects tags and checks that they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.linked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        found = dict(attrs)
        self.loaded += [found["src"] or ""] if "src" in found else []
        self.linked += [found["href"] or ""] if "href" in found else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(index: Path) -> Outline:
    parsed = Outline()
    parsed.feed(index.read_text())
    return parsed


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """The report of the made-up study, written once, to be read only."""
    asked = made_up.spec()
    return report.write([made_up.write(tmp_path_factory.mktemp("written") / "results", asked, made_up.records(asked))])


def test_the_report_holds_every_table_and_figure(written):
    folder = written.parent
    assert (folder.name, folder.parent.name) == ("report", made_up.spec().name)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    tables = {f"tables/{n}.{e}" for n in ("ablation", "all_runs", "search", "failures") for e in ("csv", "md", "tex")}
    names_of_figures = ("class_gains", "search_history", "search_map", "sensitivity", "training_curves")
    figures = {f"figures/{n}{e}" for n in names_of_figures for e in (".pdf", ".png", ".csv", "_column.pdf")}
    assert names == {"index.html"} | tables | figures


def test_a_report_of_everything_holds_every_table_and_figure(tmp_path):
    asked = made_up.whole()
    written = made_up.write(tmp_path, asked, made_up.records(asked), importances=made_up.IMPORTANCES)
    for key, inspection in inspected(load([written])).items():
        inspection.write(StudyFiles(tmp_path, asked.name).inspection_json(key))
    folder = report.write([written]).parent
    for kind, parts, ends in (
        ("tables", listing.tables(), (".csv", ".md", ".tex")),
        ("figures", listing.figures(), (".csv", ".pdf", ".png", "_column.pdf")),
    ):
        assert {path.name for path in (folder / kind).iterdir()} == {f"{name}{end}" for name in parts for end in ends}


def test_what_has_nothing_to_show_is_left_out_and_named_in_one_line_at_the_end(written):
    page = written.read_text()
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    assert heads == [
        "Answer", "What each component adds", "Gain class by class", "History of the search",
        "Where the search found what", "Sensitivity to the method&#x27;s values", "Training curves",
        "Best runs of the search", "Runs that did not finish", "All runs", "Every run in detail",
        "Where this comes from",
    ]  # fmt: skip
    (line,) = re.findall(r"<p.*Left out.*</p>", page)
    assert re.findall(r"<span[^>]*>(.*?)</span>", line) == [
        "How the methods compare", "How small the detectors get", "Detections on a scene", "False positives",
        "The front of the search", "Results and gain at every size", "Gain of each method", "Importance on a scene",
        "Objects found by distance and points", "Importance of the searched values", "Points per voxel",
        "Which searched values mattered",
    ]  # fmt: skip
    assert page.index(line) > page.index("<h2>Where this comes from")
    assert comparison.EMPTY in line
    assert page.count("No setting holds") == line.count("No setting holds")


def test_the_page_loads_nothing_from_outside_itself(written):
    page = outline(written)
    assert page.loaded
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.loaded)
    text = written.read_text()
    assert not re.search(r"https?://|url\(|@import|<link", re.sub(r'base64,[^"]*', "", text))
    assert "default-src 'none'" in text


def test_tags_nest_and_links_lead_to_files_or_sections(written):
    page = outline(written)
    text = written.read_text()
    assert page.open == []
    for link in page.linked:
        assert f'id="{link[1:]}"' in text if link.startswith("#") else (written.parent / link).is_file(), link


def test_text_of_the_study_is_shown_and_never_read_as_markup(written):
    text = written.read_text()
    assert "what does each &lt;component&gt; add?" in text
    assert "<component>" not in text
    assert "<nan>" not in text


def test_the_same_records_make_the_same_files(written, tmp_path):
    first = written.parent
    second = report.write([first.parent], tmp_path / "again").parent
    differing = [
        path.name for path in first.rglob("*.*") if path.read_bytes() != (second / path.relative_to(first)).read_bytes()
    ]
    assert differing == []


def test_fonts_in_pdfs_are_embedded_as_truetype(written):
    pdf = (written.parent / "figures" / "sensitivity.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf


def test_provenance_names_commit_versions_machine_and_every_key(written):
    text = written.read_text()
    keys = [path.name for path in (written.parents[2] / "runs").iterdir()]
    assert all(text.count(word) for word in ["0123abc", "torch 2.13.0", "node-a", *keys])


def test_a_damaged_record_is_named_on_the_page(tmp_path):
    (kept,) = [one for one in made_up.records(made_up.spec()) if one.key == made_up.BASE.key]
    folder = made_up.write(tmp_path, made_up.spec(), [kept])
    (tmp_path / "runs" / kept.key / "record.json").write_text("{")
    text = report.write([folder]).read_text()
    assert "1 record could not be read" in text
    assert f"{made_up.BASE.key}/record.json: not JSON" in text


def test_tables_and_figures_are_made_again_one_by_one(study_folder, tmp_path):
    written = report.items(load([study_folder]), tmp_path / "report", ["failures", "gains", "training_curves"])
    assert [path.name for path in written] == [
        "failures.csv", "failures.md", "failures.tex",
        "training_curves.csv", "training_curves.pdf", "training_curves.png", "training_curves_column.pdf",
    ]  # fmt: skip
    assert not (tmp_path / "report" / "index.html").exists()


def test_a_name_of_no_table_or_figure_is_refused_with_the_one_that_is_meant(study_folder, tmp_path):
    with pytest.raises(InputError, match=r"unknown table or figure 'gain'\. Did you mean 'gains'"):
        report.items(load([study_folder]), tmp_path, ["search", "gain"])


def test_the_page_names_what_makes_each_item_again_and_where_its_numbers_come_from(written):
    text = re.sub(r"<[^>]+>", "", written.read_text())
    assert text.count("Made by python run_study.py report results/quickstart --only ") == 9
    assert "--only training_curves" in text
    assert text.count("From 21 finished runs of quickstart on simulated data, seeds 0 and 1, commit 0123abc.") == 9


def test_a_study_without_any_run_makes_sentences_and_no_pictures(tmp_path):
    folder = made_up.write(tmp_path, made_up.spec(), [])
    index = report.write([folder])
    assert outline(index).loaded == []
    assert "10 of 10 runs are missing" in index.read_text()
    assert list((index.parent / "figures").glob("*.p*")) == []


def test_pictures_of_an_earlier_report_do_not_outlive_their_data(written, tmp_path):
    folder = made_up.write(tmp_path, made_up.spec(), [])
    shutil.copytree(written.parent / "figures", folder / "report" / "figures")
    index = report.write([folder])
    assert not (index.parent / "figures" / "sensitivity.pdf").exists()


def test_two_studies_share_a_page_beside_them(tmp_path):
    kept = made_up.records(made_up.spec())
    folders = [made_up.write(tmp_path, made_up.spec(name=name), kept) for name in ("one", "two")]
    assert report.write(folders) == tmp_path / "report" / "index.html"


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no study\.json"):
        report.write([tmp_path])


def said(scores: dict[str, list[float]]) -> str:
    asked = made_up.spec(seeds=(0, 1, 2))
    sets = {point.label: point.set for point in asked.points}
    kept = [
        made_up.record(override(asked.base, {**sets[row], "seed": seed}), row, metrics={"mAP/3d/moderate": score})
        for row, of_row in scores.items()
        for seed, score in enumerate(of_row)
    ]
    return " ".join(sentences(tidy((asked,), kept)))


def test_one_seed_concludes_nothing():
    assert "by +2.0 ± n/a (one seed" in said({"student": [30.0], "LD + RL": [32.0]})


def test_an_interval_over_zero_shows_no_difference():
    text = said({"student": [30.0, 30.0, 30.0], "LD + RL": [32.0, 29.0, 31.0]})
    assert "on the same 3 seeds" in text
    assert "includes zero: no difference shown" in text


def test_a_loss_beyond_the_spread_is_called_a_fall():
    text = said({"student": [30.0, 30.0, 30.0], "LD + RL": [28.0, 27.9, 28.1]})
    assert "by −2.0 ± 0.1 (95 % interval −2.2 to −1.8: a fall beyond" in text


def test_without_a_student_no_gain_is_claimed():
    text = said({"LD + RL": [32.0, 29.0, 31.0]})
    assert "No student without distillation has finished" in text
    assert "changed" not in text


def test_the_whole_question_is_on_the_page(written):
    text = written.read_text()
    asked = json.loads((written.parents[1] / "study.json").read_text())
    assert f"&quot;startup&quot;: {asked['search']['startup']}" in text
