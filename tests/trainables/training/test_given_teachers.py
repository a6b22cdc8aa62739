"""Teachers given as checkpoints: checked before anything runs, validated once, and refused where they score too low."""

import shutil
from pathlib import Path

import pytest
import tiny_run
import torch

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.records import StudyFiles
from study.planning.plan import too_weak
from tests.command_line import here
from tests.trainables.small_detectors import on_the_street, small
from trainables import run as one_run
from trainables.training import given_teacher
from trainables.training.building import build_detector
from trainables.training.checkpoints.reading import read_weights

from mmdet3d.apis import init_model  # isort: skip  after the operators

DISTILLED = {
    "method": "pointdistiller", "parameters": {"samples": 64, "neighbors": 8}, "teacher__training__epochs": 1
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> StudyFiles:
    return StudyFiles(tmp_path_factory.mktemp("results"), "tiny")


@pytest.fixture(scope="module")
def checkpoint(files, tmp_path_factory) -> Path:
    """A teacher trained for an epoch, as a file of the zoo."""
    teacher = one_run.run(one_run.resolve(tiny_run.config(**DISTILLED).teacher_run()), files)
    path = tmp_path_factory.mktemp("zoo") / "teacher.pth"
    weights = read_weights(files.checkpoint(teacher.key))
    state = {f"module.{name}": tensor for name, tensor in weights.items()}
    torch.save({"meta": {"CLASSES": ("Pedestrian", "Cyclist", "Car")}, "state_dict": state, "optimizer": {}}, path)
    return path


@pytest.fixture(scope="module")
def distilled(files, checkpoint):
    """A run under the given teacher, after the run that measures it."""
    return tiny_run.train(files, **DISTILLED, teacher__checkpoint=str(checkpoint), teacher__minimum=0)


def test_a_given_teacher_scores_what_it_scored_where_it_was_trained(files, distilled):
    given = files.record(distilled.teacher_key)
    trained = files.record(tiny_run.config(**DISTILLED).teacher_run().key)
    assert given.config.measures
    assert not trained.config.measures
    assert given.metrics == trained.metrics
    assert given.epochs == ()


def test_a_given_teacher_lies_as_plain_weights_where_a_trained_one_would(files, distilled, checkpoint):
    kept, given = read_weights(files.checkpoint(distilled.teacher_key)), read_weights(checkpoint)
    assert kept.keys() == given.keys()
    assert all(torch.equal(kept[name], given[name]) for name in given)


def test_a_students_record_holds_its_teachers_metrics(files, distilled):
    teacher = files.record(distilled.teacher_key)
    noted = {name: value for name, value in distilled.facts.items() if name.startswith("teacher/")}
    assert noted == {f"teacher/{name}": value for name, value in teacher.metrics.items()}
    assert len(noted) == 24


@pytest.mark.parametrize("family", on_the_street())
def test_a_checkpoint_of_every_detector_is_measured_and_exported_for_mmdet3d(files, tmp_path, family):
    size = small(family)
    given = build_detector(TrialConfig(detector=size), teacher=True).state_dict()
    torch.save({"meta": {}, "state_dict": dict(given)}, tmp_path / "given.pth")
    run = tiny_run.config(
        method="teacher", teacher__checkpoint=str(tmp_path / "given.pth"), detector=size.model_dump(mode="json")
    )
    assert len(one_run.run(run, files).metrics) == 24
    folder = files.run(run.key)
    plain = init_model(str(folder / "detector.py"), str(folder / "detector.pth"), device="cpu").state_dict()
    assert all(torch.equal(plain[name], given[name]) for name in given)


def test_the_same_teacher_and_data_are_measured_once_whatever_its_path_and_its_students(checkpoint, tmp_path):
    moved = shutil.copy(checkpoint, tmp_path / "moved.pth")
    first = tiny_run.config(**DISTILLED, teacher__checkpoint=str(checkpoint))
    same = tiny_run.config(
        **DISTILLED, teacher__checkpoint=str(moved), teacher__minimum=3, training__epochs=9, detector__compression=16
    )
    other = tiny_run.config(**DISTILLED, teacher__checkpoint=str(moved), dataset__options__seed=5)
    assert first.teacher_run().key == same.teacher_run().key != other.teacher_run().key


def test_the_lowest_ap_allowed_is_no_part_of_a_key(checkpoint):
    keys = {
        tiny_run.config(**DISTILLED, teacher__checkpoint=str(checkpoint), teacher__minimum=floor).key
        for floor in (None, 0, 50)
    }
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("changes", "weak"),
    [
        ({"teacher__checkpoint": "{checkpoint}"}, True),
        ({"teacher__checkpoint": "{checkpoint}", "teacher__minimum": 0}, False),
        ({}, False),
        ({"teacher__minimum": 100}, True),
    ],
    ids=["given", "given, no limit", "trained here", "trained here, limit set"],
)
def test_a_low_teacher_is_too_weak_where_it_is_given_or_a_limit_was_asked_for(
    files, distilled, checkpoint, changes, weak
):
    changes = {name: str(checkpoint) if value == "{checkpoint}" else value for name, value in changes.items()}
    run = tiny_run.config(**DISTILLED, **changes).teacher_run()
    complaint = too_weak(run, files.record(distilled.teacher_key))
    assert bool(complaint) is weak
    if complaint:
        assert "mAP/3d/moderate on the validation split, below teacher.minimum=" in complaint
        assert "--accept-weak-teacher" in complaint


def test_a_teacher_of_another_width_is_refused_before_anything_runs(checkpoint):
    with pytest.raises(InputError, match=r"another architecture than VoxelNet.*in another shape \d+ .*\[\d+"):
        tiny_run.config(**DISTILLED, detector__width=0.5, teacher__checkpoint=str(checkpoint))


def test_a_teacher_that_is_no_file_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match=r"gone\.pth does not exist"):
        tiny_run.config(**DISTILLED, teacher__checkpoint=str(tmp_path / "gone.pth"))


def test_many_runs_read_a_checkpoint_once(checkpoint):
    given_teacher._digest_of_fitting.cache_clear()
    for seed in range(3):
        tiny_run.config(**DISTILLED, teacher__checkpoint=str(checkpoint), seed=seed, detector__compression=4 + seed)
    assert given_teacher._digest_of_fitting.cache_info().misses == 1


def test_a_trial_under_a_teacher_that_scores_too_low_ends_before_its_student_unless_it_is_accepted(
    checkpoint, tmp_path
):
    arguments = ["trial", *tiny_run.options(tmp_path), "--set", "method=pointdistiller",
                 "--set", "parameters.samples=64", "--set", f"teacher.checkpoint={checkpoint}",
                 "--set", "training.epochs=1"]  # fmt: skip
    records = StudyFiles(tmp_path, "trials")
    refused = here(*arguments)
    assert refused.returncode == 2, refused.stderr
    assert f"error: the teacher {checkpoint} reaches " in refused.stderr.splitlines()[-1]
    assert "below teacher.minimum=20" in refused.stderr
    assert "validation of its checkpoint" in refused.stdout
    assert [record.role for record in records.all()] == ["teacher"]
    forced = here(*arguments, "--accept-weak-teacher")
    assert forced.returncode == 0, forced.stderr
    assert "validation of its checkpoint" not in forced.stdout, "it was measured twice"
    assert [(record.role, record.status) for record in records.all()] == [("teacher", "finished"), ("row", "finished")]
