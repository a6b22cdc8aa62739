"""Runs that open on the page: what is told of each, and of how many."""

import re
from pathlib import Path

import made_up_study as made_up
import pytest

from analysis.page import run_details
from analysis.page.small_curve import MOST_POINTS, curve
from analysis.results import Results
from analysis.study_folders import load
from study.nouns.overrides import override
from study.nouns.records import StudyFiles
from study.nouns.run_in_words import LOG_LINES


def text_of(results: Results, key: str) -> str:
    """What is told of a run, without the markup."""
    part = re.search(
        rf'<details class="run" id="run-{key}">.*?(?=<details class="run"|\Z)', run_details.details(results), re.S
    )
    assert part is not None
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part[0]))


@pytest.fixture
def files(study_folder: Path) -> StudyFiles:
    return StudyFiles(study_folder.parent, study_folder.name)


def test_only_what_differs_from_the_base_is_named_with_both_values(study_folder):
    run = override(made_up.BASE, {**made_up.POINTS[2].set, "seed": 0})
    told = text_of(load([study_folder]), run.key).partition("Training")[0]
    assert "parameters.reweight false (base: true)" in told
    assert "parameters.temperature null (base: 5.0)" in told
    assert "parameters.neighbors" not in told


def test_what_a_student_without_a_teacher_would_ask_of_one_is_not_told(study_folder):
    asked = made_up.spec(base=override(made_up.BASE, {"teacher.training.epochs": 9}))
    teacher = override(made_up.BASE.teacher_run(), {"seed": 0})
    assert asked.base.teacher != teacher.teacher
    assert "teacher.training" not in text_of(load([study_folder]), teacher.key).partition("Training")[0]


def test_an_error_and_the_end_of_the_log_are_shown_as_text(study_folder, files):
    failed = load([study_folder]).runs.query("status == 'failed' and role == 'row'")["key"].iloc[0]
    (files.run(failed) / "train.log").write_text("first\n" * 40 + "<script>alert(1)</script>\n")
    text = run_details.details(load([study_folder]))
    assert "loss is not finite at step 12 (&lt;nan&gt; &amp; so on)" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>" not in text
    assert f"The last {LOG_LINES} lines of its log" in text


def test_results_and_the_whole_config_are_told(study_folder):
    told = text_of(load([study_folder]), made_up.BASE.key)
    assert "Results (AP40, %)" in told
    assert re.search(r"Moderate 3D mAP \d\d\.\d\d", told)
    assert "training.validate_every=2" in told


def test_failed_runs_and_rows_come_first_where_not_all_are_shown(study_folder, monkeypatch):
    results = load([study_folder])
    monkeypatch.setattr(run_details, "MOST_RUNS", 5)
    shown = run_details.shown(results)
    assert list(shown["status"].head(2)) == ["failed", "failed"]
    assert set(shown["role"].iloc[2:]) == {"teacher", "row"}
    text = run_details.details(results)
    assert text.count('<details class="run"') == 5
    assert f"5 of {len(results.runs)} recorded runs" in text


def test_a_record_that_is_being_replaced_is_passed_over(study_folder, files):
    results = load([study_folder])
    files.record_json(made_up.BASE.key).unlink()
    assert f"run-{made_up.BASE.key}" not in run_details.details(results)


def test_results_in_memory_have_no_runs_to_open(full):
    assert run_details.details(full) == ""


def test_a_curve_says_in_words_where_it_begins_and_ends():
    drawn = curve("a < b", [(1, 4.0), (2, 2.0), (3, float("nan")), (4, -1.5)])
    assert 'aria-label="a &lt; b: 4 in epoch 1, −1.5 in epoch 4"' in drawn
    assert drawn.count("NaN") == drawn.count("nan") == 0


def test_a_long_curve_keeps_its_ends_and_few_points():
    drawn = curve("loss", [(epoch, 1 / epoch) for epoch in range(1, 1001)])
    (points,) = re.findall(r'points="([^"]*)"', drawn)
    assert len(points.split()) <= MOST_POINTS + 1
    assert "in epoch 1000" in drawn


def test_one_value_is_no_curve():
    assert curve("loss", [(3, 1.0)]) == curve("loss", []) == ""


def test_a_value_that_never_changes_is_a_flat_line():
    (points,) = re.findall(r'points="([^"]*)"', curve("loss", [(1, 2.0), (2, 2.0)]))
    assert len({point.split(",")[1] for point in points.split()}) == 1
