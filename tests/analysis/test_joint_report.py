"""Several studies on one page: each judged by its own metric; and what all of it cost."""

import made_up_study as made_up
import pytest

from analysis import report
from analysis.answers import sentences
from analysis.figures import sensitivity, training_curves
from analysis.provenance import device_seconds, origins
from analysis.study_folders import load
from analysis.tables import search
from study.nouns.overrides import override
from study.nouns.records import StudyFiles

BEV, VOLUME = "mAP/bev/moderate", "mAP/3d/moderate"


@pytest.fixture
def folders(tmp_path):
    """One study asked about 3D, one about BEV, with the same runs."""
    found = []
    for name, metric in (("first", VOLUME), ("second", BEV)):
        asked = made_up.spec(name=name, metric=metric)
        found.append(made_up.write(tmp_path, asked, made_up.records(asked)))
    return found


def test_every_study_is_judged_by_its_own_metric(folders):
    both = load(folders)
    assert [study.metric.name for study in both.studies] == [VOLUME, BEV]
    said = sentences(both)
    assert any(text.startswith("first: The teacher reaches 52.0 moderate 3D mAP") for text in said)
    assert any(text.startswith("second: The teacher reaches 58.0 moderate BEV mAP") for text in said)


def test_what_two_studies_say_together_is_what_each_says_alone(folders):
    both = sentences(load(folders))
    for folder in folders:
        alone = sentences(load([folder]))[:-1]
        assert [text.removeprefix(f"{folder.name}: ") for text in both if text.startswith(folder.name)] == alone


def test_each_search_is_ranked_by_the_metric_of_its_study(folders):
    summary = search.summarize(load(folders))
    first, second = (summary[summary["study"] == name] for name in ("first", "second"))
    assert second["score"].tolist() == pytest.approx((first["score"] + 6).tolist())
    assert search.present(summary).columns[:3].tolist() == ["Study", "Rank", "Score"]


def test_figures_have_a_panel_for_each_metric(folders):
    both = load(folders)
    assert {"Moderate 3D mAP", "Moderate BEV mAP"} <= set(training_curves.summarize(both)["quantity"])
    assert sensitivity.summarize(both)["axis"].unique().tolist() == [
        "moderate 3D mAP (AP40, %)", "moderate BEV mAP (AP40, %)"
    ]  # fmt: skip
    assert "BEV mAP (AP40, %)" in report.write(folders).read_text()


def test_a_run_on_four_devices_costs_four_times_its_seconds(tmp_path):
    asked = made_up.spec()
    wide = override(made_up.BASE, {"training.devices": 4})
    kept = [made_up.record(made_up.BASE, "one", seconds=10.0), made_up.record(wide, "four", seconds=10.0)]
    assert device_seconds(load([made_up.write(tmp_path, asked, kept)])) == (50.0, 0.0)


def test_attempts_that_were_repeated_are_counted(tmp_path):
    asked = made_up.spec()
    wide = override(made_up.BASE, {"training.devices": 2})
    files = StudyFiles(tmp_path, asked.name)
    for seconds in (3.0, 4.0):
        files.write(made_up.record(wide, "x", "failed", seconds=seconds, started=f"at {seconds}"))
        files.retry(wide.key)
    folder = made_up.write(tmp_path, asked, [made_up.record(wide, "x", seconds=10.0)])
    assert device_seconds(load([folder])) == (20.0, 14.0)
    assert "34 s), every device of a run counted" in dict(origins(load([folder])))["Device time of all runs"]
    assert "14 s of them in 2 failed attempts" in dict(origins(load([folder])))["Device time of all runs"]


def test_an_attempt_at_a_shared_teacher_is_counted_once(tmp_path):
    folders = []
    teacher = made_up.BASE.teacher_run()
    shared = StudyFiles(tmp_path, "first")
    shared.write(made_up.record(teacher, "teacher", "failed", seconds=5.0))
    shared.retry(teacher.key)
    for name in ("first", "second"):
        asked = made_up.spec(name=name)
        kept = [made_up.record(teacher, "teacher", seconds=7.0), made_up.record(made_up.BASE, "x", seconds=1.0)]
        folders.append(made_up.write(tmp_path, asked, kept))
    assert device_seconds(load(folders)) == (8.0, 5.0)
