"""Configs, keys, overrides and records: what decides a run's key, and what wrong input is told."""

import json
from pathlib import Path

import pytest

from study.nouns.config import TeacherConfig, TrialConfig
from study.nouns.errors import InputError
from study.nouns.overrides import override, parse, validated
from study.nouns.promised import Plan, PlannedRun
from study.nouns.records import RunRecord, StudyFiles, read_record
from study.nouns.spec import Budget, StudySpec

BASE = TrialConfig(method="pointdistiller", parameters={"neighbors": 8})


def record(config: TrialConfig = BASE, **changes) -> RunRecord:
    return RunRecord(**{"key": config.key, "study": "s", "config": config, "status": "finished", **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"parameters.neighbors": 9},
        {"parameters.samples": 9},
        {"seed": 1},
        {"training.epochs": 3},
        {"training.amp": True},
        {"detector.compression": 16},
        {"detector.range": [0, -1, -3, 1, 1, 1]},
        {"dataset.options.seed": 7},
        {"dataset.digest": "abc"},
        {"teacher.training.epochs": 3},
        {"teacher.seed": 4},
        {"training.devices": 2},
        {"teacher.training.devices": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_decides_the_result_changes_the_key(change):
    assert override(BASE, change).key != BASE.key


@pytest.mark.parametrize(
    "change",
    [
        {"training.workers": 0},
        {"teacher.training.workers": 0},
        {"teacher.minimum": 30},
        {"training.sync_batch_norm": True},
        {"dataset.root": "/elsewhere"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_only_this_machine_knows_leaves_the_key_alone(change):
    assert override(BASE, change).key == BASE.key


def test_batch_norm_over_several_devices_changes_the_key_of_a_run_on_several():
    several = override(BASE, {"training.devices": 2})
    assert override(several, {"training.sync_batch_norm": True}).key != several.key


def test_a_run_on_one_device_is_named_without_a_word_about_devices():
    training = TrialConfig().identity()["training"]
    assert not {"devices", "sync_batch_norm"} & training.keys()


@pytest.mark.parametrize("gpus", [0, 0.5, 1, 4])
def test_a_run_may_have_a_share_of_a_gpu_or_several_whole_ones(gpus):
    assert Budget(gpus_per_trial=gpus).gpus_per_trial == gpus


def test_a_run_cannot_have_one_and_a_half_gpus():
    with pytest.raises(ValueError, match=r"gpus_per_trial must be at most 1 or a whole number, got 1\.5"):
        Budget(gpus_per_trial=1.5)


def test_a_student_without_distillation_does_not_depend_on_the_teacher():
    student = TrialConfig(method="student")
    assert override(student, {"teacher.seed": 5}).key == student.key


def test_students_of_every_compression_share_one_teacher_run():
    keys = {override(BASE, {"detector.compression": ratio}).teacher_run().key for ratio in (2, 4, 16)}
    assert len(keys) == 1


def test_the_path_of_a_teacher_checkpoint_does_not_matter_but_its_content_does():
    first, second = (
        override(BASE, {"teacher.checkpoint": f"/{name}.pth", "teacher.digest": "d"}) for name in ("a", "b")
    )
    assert first.key == second.key
    assert override(first, {"teacher.digest": "e"}).key != first.key


def test_a_key_does_not_depend_on_the_order_of_the_parameters():
    ways = [{"a": 1, "b": 2}, {"b": 2, "a": 1}]
    assert len({TrialConfig(method="m", parameters=way).key for way in ways}) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=3", 3),
        ("a.b=0.5", 0.5),
        ("a.b=true", True),
        ("a.b=null", None),
        ("a.b=[1, 2]", [1, 2]),
        ("a.b=x=y", "x=y"),
    ],
)
def test_the_value_of_a_setting_is_yaml(text, value):
    assert parse(text) == ("a.b", value)


@pytest.mark.parametrize("text", ["novalue", "=3", "a=[1"])
def test_a_setting_that_cannot_be_read_is_refused(text):
    with pytest.raises(InputError, match="--set"):
        parse(text)


def test_a_mistyped_key_gets_the_nearest_one():
    with pytest.raises(InputError, match=r"Did you mean 'training\.epochs'"):
        override(BASE, {"training.epoch": 3})


def test_a_value_out_of_range_is_answered_in_one_line_with_field_rule_and_value():
    with pytest.raises(InputError, match=r"training\.epochs: .*greater than or equal to 1.*\(got 0\)") as caught:
        override(BASE, {"training.epochs": 0})
    assert "\n" not in str(caught.value)


def test_a_parameter_of_a_method_need_not_exist_before():
    assert override(BASE, {"parameters.temperature": 2.0}).parameters == {"neighbors": 8, "temperature": 2.0}


def test_what_is_overridden_with_is_left_as_it_was():
    changes = {"parameters": {}, "parameters.weight": 2.0}
    assert override(BASE, changes).parameters == {"weight": 2.0}
    assert changes == {"parameters": {}, "parameters.weight": 2.0}


def test_a_study_asks_something():
    with pytest.raises(InputError, match="asks nothing"):
        validated(StudySpec, {"name": "x", "question": "?"})


def test_a_record_comes_back_as_it_was_written(tmp_path):
    files = StudyFiles(tmp_path, "s")
    files.write(record(metrics={"mAP/3d/moderate": 12.5}))
    assert files.record(BASE.key) == record(metrics={"mAP/3d/moderate": 12.5})


def test_a_study_has_the_records_of_its_plan_under_its_own_names(tmp_path):
    files = StudyFiles(tmp_path, "s")
    files.write(record(study="another", label="theirs"))
    assert list(files.all()) == []
    files.write_plan(Plan(runs=(PlannedRun(label="ours", config=BASE),)))
    assert list(files.all()) == [record(study="s", label="ours")]


def test_a_teacher_of_the_run_s_own_seed_is_the_one_that_names_this_seed():
    own, named = (TrialConfig(method="kd", seed=3, teacher=TeacherConfig(seed=seed)) for seed in (None, 3))
    assert own.key == named.key
    assert own.teacher_run() == named.teacher_run()
    assert own.model_copy(update={"seed": 4}).teacher_run().key != own.teacher_run().key


def test_a_copy_with_other_content_has_another_key():
    assert BASE.model_copy(update={"seed": 7}).key == override(BASE, {"seed": 7}).key != BASE.key


@pytest.mark.parametrize("old", ["s/records", "teachers/records"])
def test_results_of_a_version_that_kept_runs_elsewhere_are_refused(tmp_path, old):
    (tmp_path / old).mkdir(parents=True)
    with pytest.raises(InputError, match=f"{old}: of a version .*choose another --results"):
        StudyFiles(tmp_path, "s").read_study()


def test_a_record_that_cannot_be_written_whole_leaves_the_old_one(tmp_path, monkeypatch):
    files = StudyFiles(tmp_path, "s")
    files.write(record(seconds=1.0))

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        files.write(record(seconds=2.0))
    assert [read_record(path).seconds for path in files.run(BASE.key).iterdir()] == [1.0]


def test_a_record_of_a_newer_version_is_refused(tmp_path):
    files = StudyFiles(tmp_path, "s")
    files.write(record())
    path = files.record_json(BASE.key)
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
    with pytest.raises(InputError, match="schema version 99"):
        read_record(path)


def test_a_truncated_record_is_named(tmp_path):
    path = Path(tmp_path / "abc.json")
    path.write_text('{"schema_version": 1, "key"')
    with pytest.raises(InputError, match=r"abc\.json: not JSON"):
        read_record(path)


def test_a_metric_that_is_not_finite_is_no_record():
    with pytest.raises(ValueError, match="finite"):
        record(metrics={"mAP/3d/moderate": float("nan")})


def test_a_failed_run_is_not_finished_and_can_be_set_aside(tmp_path):
    files = StudyFiles(tmp_path, "s")
    files.write(record(status="failed", error="boom", started="2030-01-01T10:00"))
    assert files.finished(BASE.key) is None
    files.retry(BASE.key)
    assert files.record(BASE.key) is None
    assert [read_record(path).error for path in files.attempts(BASE.key)] == ["boom"]
