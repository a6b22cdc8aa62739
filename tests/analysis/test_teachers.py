"""Every student stands below the teacher that it was distilled from, and below no other."""

import made_up_study as made_up
import pytest

from analysis.answers import sentences
from analysis.figures import sensitivity
from analysis.results import tidy
from analysis.tables import ablation, compression
from study.nouns.overrides import override

METRIC = "mAP/3d/moderate"


def measured(config, label, score, **changes):
    return made_up.record(config, label, metrics={METRIC: score}, **changes)


def two_teachers():
    """A strong teacher with a student at 4x, and a weak one of the same detector and data with a student at 16x."""
    kept = []
    for seed, ratio, above, score in ((0, 4, 70.0, 60.0), (1, 16, 50.0, 45.0)):
        config = override(made_up.BASE, {"teacher.seed": seed, "detector.compression": ratio})
        kept.append(measured(config.teacher_run(), f"teacher {seed}", above))
        kept.append(measured(config, f"distilled {ratio}x", score))
        kept.append(measured(override(config, {"method": "student", "parameters": {}}), f"student {ratio}x", score - 2))
    return tidy((made_up.spec(),), kept)


def test_the_distance_is_that_from_the_own_teacher():
    summary = compression.summarize(two_teachers())
    distance = summary[summary["block"] == "3D"].set_index("row")["from_teacher"].dropna().to_dict()
    assert distance == {"distilled 4x": -10.0, "distilled 16x": -5.0, "student 4x": -12.0, "student 16x": -7.0}


def test_a_setting_shows_its_own_teacher_only():
    summary = ablation.summarize(two_teachers())
    by_setting = summary[summary["block"] == "3D"].groupby("setting", sort=False)["row"].agg(set).tolist()
    assert {"teacher 0", "student 4x", "distilled 4x"} in by_setting
    assert {"teacher 1", "student 16x", "distilled 16x"} in by_setting


def test_the_answer_compares_with_the_own_teacher():
    said = [text for text in sentences(two_teachers()) if "The teacher" in text]
    assert [text.split("reaches ")[1].split(",")[0] for text in said] == [
        "50.0 moderate 3D mAP", "70.0 moderate 3D mAP"
    ]  # fmt: skip
    assert all("12.0 better" in text or "7.0 better" in text for text in said)


def test_a_setting_of_two_teachers_names_both_and_measures_no_student_against_their_mean():
    kept = []
    for seed, above in ((0, 70.0), (1, 50.0)):
        config = override(made_up.BASE, {"teacher.seed": seed})
        kept += [measured(config.teacher_run(), f"T{seed}", above), measured(config, f"from T{seed}", 48.0)]
    kept.append(measured(override(made_up.BASE, {"method": "student", "parameters": {}}), "student", 40.0))
    summary = ablation.summarize(tidy((made_up.spec(),), kept))
    rows = summary[summary["block"] == "3D"].set_index("row")["from_teacher"]
    assert (rows["from T0"], rows["from T1"]) == (-22.0, -2.0)
    assert rows[["student"]].isna().all()
    said = " ".join(sentences(tidy((made_up.spec(),), kept)))
    assert "The teacher “T0” reaches 70.0" in said
    assert "The teacher “T1” reaches 50.0" in said


def test_the_level_of_a_figure_is_the_own_teachers():
    kept = list(two_teachers().runs["key"])
    assert len(kept) == 6
    results = []
    for seed, ratio, above in ((0, 4, 70.0), (1, 16, 50.0)):
        config = override(made_up.BASE, {"teacher.seed": seed, "detector.compression": ratio})
        results.append(measured(config.teacher_run(), "teacher", above))
        results += [measured(override(config, {"parameters.neighbors": k}), f"K {k}", 45.0) for k in (8, 16)]
    summary = sensitivity.summarize(tidy((made_up.spec(),), results))
    assert sorted(summary.loc[summary["kind"] == "teacher", "score"]) == [50.0, 70.0]


@pytest.mark.parametrize("facts", [{f"teacher/{METRIC}": 60.3}, {}])
def test_a_given_teacher_is_known_by_what_its_own_students_noted(facts):
    kept = [measured(made_up.BASE, "x", 50.0, teacher_key="given", facts=facts)]
    summary = ablation.summarize(tidy((made_up.spec(),), kept))
    assert ("teacher (given checkpoint)" in set(summary["row"])) is bool(facts)
