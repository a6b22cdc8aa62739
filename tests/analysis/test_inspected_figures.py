"""Figures of inspected runs give back what was planted in the arrays."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.figures import detections_scene, false_positives, importance_map, recall_by_object, voxel_points
from analysis.inspected import inside
from analysis.results import Results, tidy
from analysis.study_folders import load
from tests.analysis import made_up_study as made_up
from tests.analysis.planted_inspections import FILLED, inspected, planted


@pytest.fixture(scope="module")
def results() -> Results:
    asked = made_up.spec(points=(made_up.POINTS[0], made_up.POINTS[-1]), search=None)
    found = tidy((asked,), made_up.records(asked, search=0), made_up.planned(asked))
    return replace(found, inspected=inspected(found))


def test_a_planted_rate_of_false_positives_comes_out_at_every_score_and_class(results):
    table = false_positives.summarize(results)
    means = table[table["kind"] == "mean"].set_index(["row", "class", "least"])["per_frame"]
    for row, rate in (("student", 5), ("LD + RL", 2)):
        for name, expected in (("all classes", rate), ("Pedestrian", rate), ("Car", 0)):
            assert means[row, name].tolist() == [expected, expected, 0]  # all of them have a score of 0.5
    runs = table[(table["kind"] == "run") & (table["class"] == "all classes")]
    assert (runs["recall"] - 200 / 3).abs().max() < 1e-9, "two of three cars are found"
    assert set(runs["seed"]) == {0, 1}


def test_planted_points_per_voxel_come_out(results):
    table = voxel_points.summarize(results)
    assert table["voxels"].tolist()[:4] == [*FILLED[1:], 0]
    assert table["share"].tolist()[:3] == [60, 30, 10]
    assert "One point: 60 %" in voxel_points.caption(table)


def test_planted_importances_come_out_where_they_were_with_the_objects(results):
    table = importance_map.summarize(results)
    rows = table[table["kind"] == "row"]
    assert set(rows.loc[rows["x"] < 10, "importance"]) == {20}
    assert set(rows.loc[rows["x"] >= 10, "importance"]) == {1}
    assert table.loc[table["kind"] == "object", "x"].tolist() == [5, 15, 35]


def test_what_is_found_depends_on_distance_and_points_as_planted(results):
    table = recall_by_object.summarize(results)
    by_bin = table[table["row"] == "student"].set_index("bin")["recall"].to_dict()
    assert by_bin == {"0–10": 100, "10–20": 100, "30–40": 0, "0–4": 0, "20–49": 100, "≥200": 100}
    assert set(table["n"]) == {2}


def test_a_scene_shows_one_seed_of_student_and_distilled_student_with_their_false_positives(results):
    table = detections_scene.summarize(results)
    wrong = table[table["fate"] == "false positive"].groupby("row").size()
    assert wrong.to_dict() == {"student": 5, "LD + RL": 2}
    assert table["seed"].nunique() == 1
    assert (table[table["kind"] == "object"].groupby("row").size() == 3).all()


def test_points_are_inside_of_the_boxes_that_hold_them():
    box = [[10.0, 0, 0, 4, 2, 2, 1.5707963]]  # turned by a quarter: 2 m long along x
    points = np.array([[10, 1.9, 0], [11.9, 0, 0], [10, 0, 1.1]])
    assert inside(points, np.array(box)).tolist() == [True, False, False]


def test_scenes_of_other_frames_are_not_put_side_by_side(results):
    student = results.runs.loc[results.runs["method"] == "student", "key"].iloc[0]
    other = replace(results, inspected={**results.inspected, student: planted(student, scene=2)})
    table = detections_scene.summarize(other)
    assert table["scene"].nunique() == 1


def test_inspections_lie_beside_records_and_a_damaged_one_is_named_and_left_out(tmp_path):
    asked = made_up.spec(points=(made_up.POINTS[0],), search=None)
    kept = made_up.records(asked, search=0)
    folder = made_up.write(tmp_path, asked, kept)
    first, second = [one.key for one in kept if one.label == "student"]
    for key in (first, second):
        planted(key).write(tmp_path / "runs" / key / "inspection.json")
    (tmp_path / "runs" / second / "inspection.npz").write_bytes(b"")
    found = load([folder])
    assert set(found.inspected) == {first}
    assert [text for text in found.unreadable if "inspection.npz" in text]
    table = false_positives.summarize(found)
    assert set(table["missing"]) == {1}
    assert "1 of 2 runs are missing" in false_positives.caption(table)


def test_a_row_looks_the_same_in_all_panels_and_no_two_rows_look_alike():
    asked = made_up.whole(search=None, claims=())
    found = tidy((asked,), made_up.records(asked, search=0), made_up.planned(asked))
    table = false_positives.summarize(replace(found, inspected=inspected(found)))
    drawn = false_positives.draw(table)
    marks: dict[str, set[str]] = {}
    for line in (line for axes in drawn.axes for line in axes.lines if not line.get_label().startswith("_")):
        marks.setdefault(line.get_label(), set()).add(line.get_marker())
    assert all(len(each) == 1 for each in marks.values())
    assert len(set.union(*marks.values())) == len(marks) == 8
    assert "Rows that are in the CSV only: 1." in false_positives.caption(table)
