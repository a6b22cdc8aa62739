"""A detector over its validation split again: its arrays are those of the run's own data, network and evaluation."""

import numpy as np
import pytest
import tiny_run

from study.nouns.errors import InputError
from study.nouns.inspections import ARRAYS, NEITHER, RIGHT, WRONG, Inspected
from study.nouns.records import RunRecord, StudyFiles
from tests.trainables.small_detectors import on_the_street, small
from trainables import detectors
from trainables.training import inspecting
from trainables.training.building import build_detector
from trainables.training.checkpoints.writing import export_detector

DISTILLED = {"method": "pointdistiller", "parameters": {"samples": 64, "neighbors": 8}}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> StudyFiles:
    files = StudyFiles(tmp_path_factory.mktemp("results"), "tiny")
    files.root.mkdir()
    return files


def untrained(files: StudyFiles, **changes) -> RunRecord:
    """The record and the detector that a run would leave that learns nothing, and those of its teacher."""
    config = tiny_run.config(**changes)
    for run in [config.teacher_run(), config] if config.distills else [config]:
        files.run(run.key).mkdir(parents=True, exist_ok=True)
        export_detector(run, build_detector(run, teacher=run.method == "teacher"), files.run(run.key))
    teacher = config.teacher_run().key if config.distills else None
    return RunRecord(key=config.key, study="tiny", config=config, status="finished", teacher_key=teacher)


@pytest.mark.parametrize("family", on_the_street())
def test_every_detector_leaves_the_same_arrays(files, family):
    record = untrained(files, detector=small(family).model_dump(mode="json"))
    told = []
    inspecting.inspect([record], files, lambda *found: told.append(found))
    found = Inspected.read(files.inspection_json(record.key))
    assert [(one.key, seen.facts) for one, seen in told] == [(record.key, found.facts)]
    assert set(found.arrays) == set(ARRAYS)
    assert len(found.facts.frames) == tiny_run.SIMULATION.val_frames
    assert found.facts.rows == detectors.load(family).kind
    assert bool(len(found.arrays["voxels"])) is (found.facts.voxel is not None) is (family != "pointrcnn")
    assert len(found.arrays["scene_position"]) == len(found.arrays["scene_importance"]) > 0
    steps, detections = found.arrays["detection_fate"].shape
    assert steps == len(found.facts.least)
    assert detections == len(found.arrays["detection_box"]) == len(found.arrays["detection_points"])
    assert set(np.unique(found.arrays["object_fate"])) <= {RIGHT, WRONG, NEITHER}


def test_importances_of_pillars_are_their_points_and_all_points_of_objects_are_counted(files):
    found = inspecting.inspected(untrained(files, **DISTILLED), files)
    arrays = found.arrays
    assert found.facts.importance == "LiDAR points in the pillar"
    assert arrays["scene_importance"].sum() <= len(arrays["scene_points"])
    counts = inspecting.points_per_voxel(arrays["scene_points"], (0, -12.8, -3, 25.6, 12.8, 1), (0.8, 0.8, 4))
    assert len(arrays["scene_importance"]) == counts.sum()
    scene = arrays["object_frame"] == found.facts.frames.index(found.facts.scene)
    assert arrays["object_points"][scene].sum() > 0
    most = np.bincount(arrays["object_frame"][arrays["object_fate"][0] != NEITHER]).max()
    assert (arrays["object_fate"][0][scene] != NEITHER).sum() == most


def test_points_per_voxel_are_counted_as_planted_and_those_beyond_the_grid_are_not():
    points = np.array([[0.1, 0.1, 0], [0.15, 0.1, 0], [0.19, 0.19, 0.9], [0.5, 0.5, 0], [9, 9, 0], [-0.1, 0, 0]])
    counts = inspecting.points_per_voxel(points, (0, 0, -1, 1, 1, 1), (0.2, 0.2, 2))
    assert counts.tolist() == [0, 1, 0, 1]
    assert inspecting.points_per_voxel(points[:0], (0, 0, -1, 1, 1, 1), (0.2, 0.2, 2)).sum() == 0


def test_what_is_gone_or_unknown_is_said_in_one_line(files):
    record = untrained(files, seed=3)
    with pytest.raises(InputError, match="unknown frame 'nowhere'"):
        inspecting.inspected(record, files, "nowhere")
    files.checkpoint(record.key).unlink()
    with pytest.raises(InputError, match=r"detector.pth does not exist"):
        inspecting.inspected(record, files)
