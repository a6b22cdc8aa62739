"""`clean`: what may go is listed, deleted only on request, and never where somebody is at work."""

from pathlib import Path

import pytest
from other_processes import driving, training

from study.nouns.lease_places import PREFIX
from study.nouns.records import StudyFiles
from study.planning.removable import no_driver, removable
from tests.analysis import made_up_study as made_up
from tests.command_line import here


def scratch(files: StudyFiles) -> Path:
    file = files.tune / "20260101-000000" / "progress.csv"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(5000))
    return file


@pytest.fixture
def files(tmp_path) -> StudyFiles:
    """A study with all that may go: it failed, was retried and pruned, and finished runs have kept a checkpoint."""
    files = made_up.with_detectors(tmp_path, size=2000)
    for record in files.all():
        files.latest(record.key).write_bytes(bytes(3000))
    scratch(files)
    student = made_up.key_of(files, "student", 0)
    files.write(files.record(student).model_copy(update={"status": "failed", "error": "boom"}))
    files.retry(student)
    files.record_json(student).write_text("{")
    files.set_unreadable_aside([student])
    pruned = made_up.key_of(files, "student", 1)
    files.write(files.record(pruned).model_copy(update={"status": "pruned"}))
    return files


def everything(files: StudyFiles) -> set[str]:
    """All files, without the leases, whose numbers grow."""
    return {
        str(path.relative_to(files.results))
        for path in files.results.rglob("*")
        if path.is_file() and not path.name.startswith(PREFIX)
    }


def cleaned(*arguments: str) -> str:
    said = here("clean", *arguments)
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_what_may_go_is_listed_with_its_size_and_nothing_is_deleted(files):
    before = everything(files)
    text = cleaned(str(files.root))
    assert f"5.0 kB  {files.tune}  (Tune's scratch)" in text
    assert f"{files.run(made_up.key_of(files, 'student', 0)) / 'retried'}  (records of failed tries)" in text
    assert f"{files.run(made_up.key_of(files, 'student', 0)) / 'unreadable'}  (records that could not be read)" in text
    assert f"3.0 kB  {files.latest(made_up.key_of(files, 'student', 1))}  (checkpoint of a pruned run)" in text
    assert f"{files.latest(made_up.key_of(files, 'LD + RL', 1))}  (checkpoint of a finished run)" in text
    assert "nothing was deleted: --yes deletes them" in text
    assert everything(files) == before


def test_with_yes_it_goes_and_what_a_run_or_a_study_needs_stays(files):
    before = everything(files)
    listed = cleaned(str(files.root)).splitlines()[:-1]
    text = cleaned(str(files.root), "--yes")
    assert text.splitlines()[:-1] == listed, "it is listed before it is deleted"
    assert f"deleted {len(listed)}" in text
    gone = before - everything(files)
    others = [path for path in gone if not {"latest.pth", "retried", "unreadable", "tune"} & set(Path(path).parts)]
    assert not others
    open_, failed = made_up.key_of(files, "student", 0), made_up.key_of(files, "LD", 1)
    assert files.latest(open_).exists(), "an open run goes on from it"
    assert files.latest(failed).exists(), "a retry goes on from it"
    assert cleaned(str(files.root), "--yes") == "nothing to delete\n"


def test_a_finished_run_whose_detector_is_lost_keeps_its_checkpoint(files):
    key = made_up.key_of(files, "LD + RL", 0)
    files.checkpoint(key).unlink()
    cleaned(str(files.root), "--yes")
    assert files.latest(key).exists()


def test_nothing_goes_of_a_study_that_another_process_runs(files):
    before = everything(files)
    with driving(files):
        for where in ([str(files.root)], ["--results", str(files.results)]):
            text = cleaned(*where, "--yes")
            assert f"kept: {files.root}: another process is running this study" in text
            assert "nothing to delete" in text
    assert everything(files) == before


def test_runs_that_a_study_under_way_shares_stay_when_another_is_cleaned(files):
    other = StudyFiles(files.results, "other")
    runs = [run for run in files.read_plan().runs if run.label == "student"]
    other.write_study(files.read_study().model_copy(update={"name": "other"}))
    other.write_plan(files.read_plan().model_copy(update={"runs": tuple(runs)}))
    scratch(other)
    with driving(other):
        cleaned(str(files.root), "--yes")
    assert not files.tune.exists()
    assert other.tune.exists()
    assert files.latest(made_up.key_of(files, "student", 1)).exists()
    assert not files.latest(made_up.key_of(files, "LD + RL", 1)).exists()
    cleaned(str(files.root), "--yes")
    assert not files.latest(made_up.key_of(files, "student", 1)).exists()
    assert other.tune.exists(), "only the study that is named is cleaned"


def test_nothing_goes_of_a_run_that_another_process_holds_nor_the_scratch_of_its_study(files):
    key = made_up.key_of(files, "student", 1)
    with training(files, key):
        cleaned("--results", str(files.results), "--yes")
    assert files.latest(key).exists()
    assert files.tune.exists()
    assert not files.latest(made_up.key_of(files, "LD + RL", 1)).exists()


def test_a_run_that_was_taken_up_since_it_was_listed_is_left_alone(files):
    with no_driver([files]) as held:
        found = {one.path: one for one in removable([files], held)}
    pruned, finished = (made_up.key_of(files, *run) for run in (("student", 1), ("LD + RL", 1)))
    with training(files, pruned):
        assert not found[files.latest(pruned)].remove()
    files.go_on(pruned)
    assert not found[files.latest(pruned)].remove(), "it goes on from its checkpoint"
    assert files.latest(pruned).exists()
    assert found[files.latest(finished)].remove()


def test_all_results_include_runs_that_no_study_plans(files):
    key = made_up.key_of(files, "LD + RL", 1)
    files.plan_json.unlink()
    assert str(files.latest(key)) not in cleaned(str(files.root))
    assert str(files.latest(key)) in cleaned("--results", str(files.results))


def test_a_link_to_a_folder_elsewhere_is_not_followed(files, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").touch()
    (files.run(made_up.key_of(files, "LD", 0)) / "retried").symlink_to(elsewhere)
    cleaned(str(files.root), "--yes")
    assert (elsewhere / "precious").exists()


def test_what_is_no_study_is_refused(tmp_path):
    said = here("clean", str(tmp_path))
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert "holds no study.json" in said.stderr
