"""Records become tidy tables, whole and fast."""

import json
import re
import time
from pathlib import Path

import made_up_study as made_up
import pytest

from analysis.answers import sentences
from analysis.not_run import NOT_RUN
from analysis.results import tidy
from analysis.study_folders import load
from analysis.tables import search
from analysis.teachers import all_teachers
from study.nouns.errors import InputError
from study.nouns.overrides import override
from study.nouns.promised import Plan, Promise
from study.nouns.records import StudyFiles


def test_every_run_is_one_row_named_by_the_records_paths(full):
    run = full.runs[(full.runs["label"] == "LD + RL") & (full.runs["seed"] == 0)].iloc[0]
    assert (run["parameters.neighbors"], run["method"], run["versions.torch"]) == (16, "pointdistiller", "2.13.0")
    assert run["metrics.mAP/3d/moderate"] == pytest.approx(run["metrics.mAP/bev/moderate"] - 6)


def test_failed_runs_stay_with_their_reason(full):
    failed = full.runs[full.runs["status"] == "failed"]
    assert list(failed["label"]) == ["LD", "search"]
    assert failed["error"].str.contains("not finite").all()


def test_a_row_that_never_ran_is_named_as_not_run():
    asked = made_up.spec(seeds=(0, 1, 2))
    runs = tidy((asked,), made_up.records(made_up.spec(seeds=(0, 1))), made_up.planned(asked)).runs
    missing = runs[runs["status"] == NOT_RUN]
    assert sorted(missing["label"]) == sorted(point.label for point in asked.points)
    assert set(missing["seed"]) == {2}


def test_a_missing_seed_counts_to_the_variant_of_its_row():
    asked = made_up.spec(seeds=(0, 1))
    kept = [one for one in made_up.records(asked) if (one.label, one.config.seed) != ("student", 1)]
    runs = tidy((asked,), kept, made_up.planned(asked)).runs
    student = runs[runs["label"] == "student"]
    assert list(student["status"]) == ["finished", NOT_RUN]
    assert student[["family", "setting", "variant"]].nunique().tolist() == [1, 1, 1]


def test_a_fixed_row_whose_run_bears_another_label_is_not_missing():
    asked = made_up.spec(seeds=(0,))
    kept = [one for one in made_up.records(asked, fail=()) if one.label != "LD + RL"]
    kept.append(made_up.record(made_up.BASE, "found", role="search"))
    assert not (tidy((asked,), kept, made_up.planned(asked)).runs["status"] == NOT_RUN).any()


def test_a_missing_run_that_two_studies_share_counts_once():
    first, second = made_up.spec(), made_up.spec(name="again")
    runs = tidy((first, second), [], made_up.planned(first) + made_up.planned(second)).runs
    assert len(runs) == len(made_up.planned(first))


def test_a_folder_without_a_plan_has_and_misses_no_run(study_folder):
    (study_folder / "plan.json").unlink()
    assert load([study_folder]).runs.empty


@pytest.fixture
def interrupted(tmp_path):
    """A study of five rows that promised twelve search runs and asked for three, and six tuning runs of a row."""
    asked = made_up.spec()
    promises = (
        Promise(role="search", label="search", runs=12, around=made_up.BASE),
        Promise(role="tuning", label="RL", runs=6, around=made_up.BASE),
    )
    return load([made_up.write(tmp_path, asked, made_up.records(asked, fail=(), search=3), promises)])


def test_runs_that_the_search_has_not_chosen_yet_are_missing(interrupted):
    missing = interrupted.runs[interrupted.runs["status"] == NOT_RUN]
    assert missing["role"].value_counts().to_dict() == {"search": 9, "tuning": 6}
    assert missing["parameters.neighbors"].isna().all()
    assert sentences(interrupted)[-1].startswith("15 of 29 runs are missing")
    assert "9 of 12 runs are missing" in search.caption(search.summarize(interrupted))


def test_a_promise_that_was_kept_misses_nothing(tmp_path):
    asked = made_up.spec()
    promises = (Promise(role="search", label="search", runs=3, around=made_up.BASE),)
    whole = load([made_up.write(tmp_path, asked, made_up.records(asked, fail=(), search=3), promises)])
    assert not (whole.runs["status"] == NOT_RUN).any()


@pytest.mark.parametrize(
    ("content", "wrong"),
    [("[", "not JSON"), ("[]", "not a plan: Input"), ('{"runs": [{"label": "x"}]}', "not a plan: runs.0.config: ")],
)
def test_a_plan_that_is_none_is_refused_with_its_path(study_folder, content, wrong):
    (study_folder / "plan.json").write_text(content)
    with pytest.raises(InputError, match=re.escape(f"{study_folder / 'plan.json'}: {wrong}")):
        load([study_folder])


def test_a_failed_teacher_is_read_although_no_student_names_it(tmp_path: Path):
    teacher = made_up.record(made_up.BASE.teacher_run(), "teacher", "failed")
    runs = load([made_up.write(tmp_path, made_up.spec(), [teacher])]).runs
    assert runs.loc[runs["method"] == "teacher", "status"].tolist() == ["failed"]


def test_seeds_share_a_variant_and_methods_share_a_setting(full):
    fixed = full.runs[full.runs["label"].isin(["student", "LD + RL"])]
    assert fixed["setting"].nunique() == 1
    assert fixed.groupby("label")["variant"].nunique().tolist() == [1, 1]


def test_one_label_for_two_detectors_makes_two_row_names():
    small = override(made_up.BASE, {"detector.compression": 16})
    kept = [made_up.record(made_up.BASE, "all"), made_up.record(small, "all")]
    names = set(tidy((made_up.spec(),), kept).finished["row"])
    assert names == {"all (pointpillars 4x)", "all (pointpillars 16x)"}


def test_epochs_are_one_row_each_with_losses_and_metrics(full):
    teacher = full.runs.loc[full.runs["method"] == "teacher", "key"].iloc[0]
    epochs = full.epochs[full.epochs["key"] == teacher]
    assert list(epochs["epoch"]) == [1, 2, 3, 4, 5, 6]
    assert epochs["metrics.mAP/3d/moderate"].notna().tolist() == [False, True, False, True, False, True]
    assert epochs["losses.kd_loss_local"].isna().all()


def test_the_teachers_records_are_read(study_folder):
    assert all_teachers(load([study_folder]).runs)["metrics.mAP/3d/moderate"].tolist() == [52.0]


def test_runs_of_other_studies_are_left_alone(study_folder):
    other = override(made_up.BASE, {"detector.width": 0.5})
    for run in (other, other.teacher_run()):
        StudyFiles(study_folder.parent, "any").write(made_up.record(run, "x"))
    assert not {other.key, other.teacher_run().key} & set(load([study_folder]).runs["key"])


def test_a_study_calls_its_runs_by_its_own_names_alone_and_beside_others(tmp_path):
    one = made_up.spec(name="one", points=[{"label": "ours", "set": {}}], seeds=(0,))
    other = made_up.spec(name="other", points=[{"label": "theirs", "set": {}}], seeds=(0,))
    kept = [made_up.record(made_up.BASE, "ours", study="one")]
    folders = [made_up.write(tmp_path, asked, kept) for asked in (one, other)]
    for results in (load(folders[1:]), load(folders).studies[1]):
        runs = results.runs[results.runs["method"] == "pointdistiller"]
        assert runs[["study", "label", "row", "role"]].to_numpy().tolist() == [["other", "theirs", "theirs", "row"]]
    assert load(folders).runs["label"].tolist() == ["ours"]


def test_a_record_is_no_result_of_a_row_whose_weight_is_still_to_be_chosen(tmp_path):
    asked = made_up.spec(seeds=(0,), points=[{"label": "fitnet", "set": {"method": "fitnet"}}])
    (run,) = [run for _, run in made_up.planned(asked)]
    folder = made_up.write(tmp_path, asked, [made_up.record(run.config, "fitnet")])
    StudyFiles(tmp_path, asked.name).write_plan(Plan(runs=(run.model_copy(update={"final": False}),)))
    assert load([folder]).runs["status"].tolist() == [NOT_RUN]


def test_a_teacher_given_as_a_checkpoint_is_known_from_its_students_facts():
    facts = {"teacher/mAP/3d/moderate": 60.3, "teacher/3d/Car/moderate": 75.9}
    kept = [made_up.record(made_up.BASE, "LD + RL", teacher_key="given", facts=facts)]
    teacher = all_teachers(tidy((made_up.spec(),), kept).runs)
    assert teacher[["key", "metrics.mAP/3d/moderate"]].to_numpy().tolist() == [["given", 60.3]]


def test_a_damaged_record_is_named_and_the_others_are_read(study_folder):
    damaged = StudyFiles(study_folder.parent, study_folder.name).record_json(made_up.BASE.key)
    damaged.write_text('{"key": ')
    loaded = load([study_folder])
    assert loaded.runs.loc[loaded.runs["key"] == made_up.BASE.key, "status"].tolist() == [NOT_RUN]
    assert len(loaded.runs) == 23
    assert [str(damaged) in text for text in loaded.unreadable] == [True]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\x00garbage", "not JSON"),
        (b"[1, 2]", "not a run record"),
        (b'{"schema_version": 99}', "record of schema version 99; this version reads up to 1"),
        (b'{"schema_version": 0, "key": "x"}', "not a run record: study: Field required"),
    ],
)
def test_what_is_no_record_of_this_version_is_listed_with_the_reason(study_folder, content, reason):
    path = StudyFiles(study_folder.parent, study_folder.name).record_json(made_up.BASE.key)
    path.write_bytes(content)
    loaded = load([study_folder])
    assert len(loaded.finished) == 20
    (said,) = loaded.unreadable
    assert str(path) in said
    assert reason in said


def test_the_record_of_another_run_in_a_runs_folder_is_listed_and_not_counted(study_folder):
    files = StudyFiles(study_folder.parent, study_folder.name)
    files.record_json(made_up.BASE.key).write_bytes(files.record_json(made_up.BASE.teacher_run().key).read_bytes())
    loaded = load([study_folder])
    assert loaded.runs.loc[loaded.runs["key"] == made_up.BASE.key, "status"].tolist() == [NOT_RUN]
    (said,) = loaded.unreadable
    assert f"the record of another run, {made_up.BASE.teacher_run().key}" in said


def test_a_record_from_before_roles_and_declarations_is_read(study_folder):
    path = StudyFiles(study_folder.parent, study_folder.name).record_json(made_up.BASE.key)
    content = json.loads(path.read_text())
    later = ("role", "declared", "called", "diverged", "peak_memory_mb", "commit", "versions", "teacher_key", "facts")
    path.write_text(json.dumps({name: value for name, value in content.items() if name not in later}))
    loaded = load([study_folder])
    assert loaded.unreadable == ()
    run = loaded.runs.loc[loaded.runs["key"] == made_up.BASE.key].iloc[0]
    assert (run["status"], run["role"], run["epochs_done"]) == ("finished", "row", 6)


def test_a_failed_run_of_one_folder_gives_way_to_the_finished_one_of_another_with_its_epochs(tmp_path):
    asked = made_up.spec(seeds=(0,), points=made_up.POINTS[-1:], search=None)
    ended = {status: [made_up.record(made_up.BASE, "LD + RL", status)] for status in ("failed", "finished")}
    folders = [made_up.write(tmp_path / status, asked, kept) for status, kept in ended.items()]
    loaded = load(folders)
    assert loaded.runs.loc[loaded.runs["key"] == made_up.BASE.key, "status"].tolist() == ["finished"]
    assert loaded.epochs["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert loaded.epochs["losses.loss"].notna().all()


def test_claims_that_look_at_several_validations_still_see_them(tmp_path):
    asked = made_up.spec(claims=made_up.CLAIMS[:1], search=None)
    several = made_up.spec(claims=made_up.CLAIMS[:1], search=None, rule={"validations": 3})
    kept = made_up.records(asked, search=0)
    means = [
        load([made_up.write(tmp_path / str(place), spec, kept)]).answers["quickstart"].claims[0].sentence
        for place, spec in enumerate((asked, several))
    ]
    assert means[0] != means[1]


def test_a_run_that_two_studies_share_counts_once(tmp_path: Path):
    first, second = made_up.spec(), made_up.spec(name="again")
    kept = made_up.records(first)
    folders = [made_up.write(tmp_path, asked, kept) for asked in (first, second)]
    assert len(load(folders).runs) == len(kept)


def test_a_folder_that_is_no_study_is_refused_with_its_path(study_folder):
    (study_folder / "study.json").unlink()
    with pytest.raises(InputError, match=rf"{study_folder}.*no study.json"):
        load([study_folder])


def test_a_study_json_that_is_no_study_is_refused_with_the_field(study_folder):
    (study_folder / "study.json").write_text('{"name": "x", "question": "?", "trials": 3}')
    with pytest.raises(InputError, match=r"study\.json: not a study: trials"):
        load([study_folder])


def test_a_thousand_records_of_forty_epochs_are_read_in_six_seconds(tmp_path: Path):
    training = made_up.TRAINING.model_copy(update={"epochs": 40})
    base = made_up.BASE.model_copy(update={"training": training})
    kept = [made_up.record(base.model_copy(update={"seed": seed}), "found", role="search") for seed in range(1000)]
    folder = made_up.write(tmp_path, made_up.spec(), kept)
    start = time.process_time()
    assert len(load([folder]).epochs) == 40_000
    assert time.process_time() - start < 6
