"""The real command line, through a real Ray, to a real report; and what it says to wrong input."""

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import tiny_run
import yaml

from study.nouns.records import StudyFiles
from tests.command_line import REPOSITORY, command, here


def tiny_study(name: str) -> dict:
    """A study of seconds: a student, its distilled twin, one that diverges, and a search of two."""
    base = tiny_run.BASE.model_dump(mode="json")
    base.update(method="pointdistiller", parameters={"neighbors": 8, "samples": 64})
    return {
        "name": name,
        "question": "Does a study run from a file to a report?",
        "base": base,
        "points": [
            {"label": "student", "set": {"method": "student", "parameters": {}}},
            {"label": "LD + RL"},
            {"label": "diverges", "set": {"parameters.weight": 1e39}},
        ],
        "search": {
            "trials": 2,
            "startup": 2,
            "space": {"parameters.neighbors": {"low": 2, "high": 8, "integer": True}},
        },
        "seeds": [0],
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A whole study, run once: its folder and what the command printed."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny_study("tiny")))
    return folder, command("run", "tiny.yaml", "--results", "results", cwd=folder)


def test_a_study_leaves_one_record_per_run_and_shares_its_teacher(study):
    folder, _ = study
    records = list(StudyFiles(folder / "results", "tiny").all())
    labels = ["LD + RL", "diverges", "search", "search", "student", "teacher"]
    assert sorted(record.label for record in records) == labels
    assert len({record.teacher_key for record in records} - {None}) == 1


def test_a_study_prints_its_progress_and_where_the_report_is(study):
    _, done = study
    assert "about" in done.stdout
    assert "5 runs finished, 1 failed" in done.stdout
    assert "report: " in done.stdout


def test_the_report_is_one_file_with_the_tables_and_figures_beside_it(study):
    report = study[0] / "results/tiny/report"
    page = (report / "index.html").read_text()
    assert "Does a study run from a file to a report?" in page
    assert 'src="http' not in page
    assert {path.suffix for path in (report / "tables").iterdir()} == {".csv", ".md", ".tex"}
    assert {".pdf", ".png", ".csv"} >= {path.suffix for path in (report / "figures").iterdir()}
    assert (report / "figures" / "training_curves.png").stat().st_size > 10_000


def test_a_run_that_diverges_fails_alone_and_the_study_ends_with_status_1(study):
    folder, done = study
    assert done.returncode == 1
    assert "the loss is not finite" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    records = StudyFiles(folder / "results", "tiny").all()
    assert [record.label for record in records if record.status != "finished"] == ["diverges"]
    assert "the loss is not finite" in (folder / "results/tiny/report/index.html").read_text()


def test_running_a_study_again_needs_resume_and_trains_nothing_that_is_finished(study):
    folder, _ = study
    refused = here("run", "tiny.yaml", "--results", "results", cwd=folder)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    resumed = here("run", "tiny.yaml", "--results", "results", "--resume", "--rows", "student", cwd=folder)
    assert resumed.returncode == 1, "a row of the study has failed"
    assert "nothing is missing" in resumed.stdout


def test_rows_that_another_study_has_trained_are_not_trained_again(study):
    folder, _ = study
    content = tiny_study("partly")
    content["points"][2] = {"label": "another", "set": {"parameters.weight": 2.0}}
    (folder / "partly.yaml").write_text(yaml.safe_dump(content))
    part = here("run", "partly.yaml", "--results", "results", "--rows", "student, LD + RL", cwd=folder)
    assert part.returncode == 0, part.stderr
    assert "nothing is missing" in part.stdout, "what the other study has trained was trained again"
    assert "3 of 6 runs are missing" in (folder / "results/partly/report/index.html").read_text()


def test_a_dry_run_names_the_runs_and_starts_nothing(tmp_path):
    done = here("run", "quickstart", "--dry-run", "--results", str(tmp_path / "results"))
    assert done.returncode == 0
    assert "LD + RL" in done.stdout
    assert not (tmp_path / "results").exists()


def test_a_dry_run_prints_its_plan_as_one_json_document(tmp_path):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny_study("tiny")))
    plan = json.loads(here("run", "tiny.yaml", "--dry-run", "--json", cwd=tmp_path).stdout)
    assert Counter(run["role"] for run in plan["runs"]) == {"teacher": 1, "row": 3}
    assert len({run["key"] for run in plan["runs"]}) == 4
    assert [(promise["role"], promise["runs"]) for promise in plan["promised"]] == [("search", 2)]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_an_interrupted_run_says_so_and_ends_with_status_130(tmp_path):
    once = signal.signal(signal.SIGINT, signal.SIG_DFL)  # in a shell's background it is ignored, and handed on
    arguments = ["trial", *tiny_run.options(tmp_path), "--set", "training.epochs=500"]
    try:
        trial = subprocess.Popen(
            [sys.executable, "run_study.py", *arguments],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, once)
    with trial:
        assert trial.stdout is not None
        next(line for line in trial.stdout if "epoch 1:" in line)
        trial.send_signal(signal.SIGINT)
        _, said = trial.communicate(timeout=60)
    assert trial.returncode == 130
    assert said.splitlines()[-1] == "error: interrupted; what was finished is kept"
    assert "Traceback" not in said


def test_list_prints_one_json_document():
    content = json.loads(here("list", "--json").stdout)
    assert set(content) == {"studies", "detectors", "methods", "data sets", "metrics", "tables", "figures"}
    assert "quickstart" in {entry["name"] for entry in content["studies"]}
    assert all(entry["description"] for entries in content.values() for entry in entries)


def test_list_prints_what_a_study_file_may_hold():
    schema = json.loads(here("list", "--schema").stdout)
    assert set(schema["required"]) == {"name", "question"}
    assert tiny_study("any").keys() <= schema["properties"].keys()


def test_single_runs_can_be_reported_and_seeds_of_one_row_stand_together(tmp_path):
    for seed in ("0", "1"):
        done = here("trial", *tiny_run.options(tmp_path), "--set", "training.epochs=1", "--set", f"seed={seed}")
        assert done.returncode == 0, done.stderr
    other = here("trial", *tiny_run.options(tmp_path))
    assert f"run_study.py report {tmp_path / 'trials'}" in other.stdout
    done = here("report", str(tmp_path / "trials"), "--json")
    assert done.returncode == 0, done.stderr
    written = json.loads(done.stdout)
    assert Path(written["report"]).stat().st_size > 10_000
    assert all(Path(path).is_file() for path in [*written["tables"], *written["figures"]])
    labels = [record.label for record in StudyFiles(tmp_path, "trials").all()]
    assert Counter(label == "student" for label in labels) == {True: 2, False: 1}


def test_a_study_whose_time_is_up_ends_with_status_3_and_says_how_to_go_on(study):
    folder, _ = study
    done = command(
        "run", "tiny.yaml", "--results", "results", "--name", "short", "--set", "budget.hours=1e-6", cwd=folder
    )
    assert done.returncode == 3, done.stderr
    assert "stopped: the limit of budget.hours=1e-06 is reached" in done.stdout
    assert "--resume goes on" in done.stdout


def test_the_help_says_what_an_exit_status_means():
    for name in ([], ["run"]):
        words = " ".join(here(*name, "--help").stdout.split())
        assert "0 done; 1 runs failed; 2 wrong input; 3 stopped early" in words
        assert "130 interrupted" in words
        assert "PDSTUDY_DEBUG=1" in words


FEW = ["--set", "base.dataset.options.train_frames=1", "--set", "base.dataset.options.val_frames=1"]
WRONG = [
    (["inspect", "{tmp}/nothing"], "{tmp}/nothing: not the folder of a study"),
    (["run", "quickstrat"], "Did you mean 'quickstart'?"),
    (["run", "no_such_file.yaml"], "no_such_file.yaml"),
    (["run", "quickstart", "--seeds", "one"], "--seeds expects whole numbers"),
    (
        ["run", "quickstart", "--rows", "student,fitnett", "--results", "{tmp}"],
        "unknown row 'fitnett'. Did you mean 'fitnet'?",
    ),
    (["run", "quickstart", "--set", "base.training.epoch=3"], "Did you mean 'base.training.epochs'?"),
    (["run", "quickstart", *FEW, "--set", "budget.gpus_per_trial=64", "--results", "{tmp}"], "budget.gpus_per_trial"),
    (["run", "quickstart", *FEW, "--address", "127.0.0.1:1", "--results", "{tmp}"], "127.0.0.1:1"),
    (["trial", "--set", "method=pointdistiler"], "Did you mean 'pointdistiller'?"),
    (["trial", "--set", "detector.name=pointpilars"], "Did you mean 'pointpillars'?"),
    (["trial", "--set", "method=pointdistiller", "--set", "parameters.neighbors=0"], "parameters.neighbors"),
    (["trial", "--set", "method=pointdistiller", "--set", "parameters.temperature=0"], "parameters.temperature"),
    (["trial", "--set", "training.epochs=many"], "training.epochs"),
    (["trial", "--set", "epochs"], "expects key.path=value"),
    (["trial", "--set", "method=pointdistiller", "--set", "teacher.checkpoint=gone.pth"], "gone.pth does not exist"),
    (["trial", "--data", "{tmp}/nowhere"], "nowhere"),
    (["run", "quickstart", "--data", "{tmp}"], "{tmp}"),
    (["report", "{tmp}"], "study.json"),
    (["prepare", "kitti", "{tmp}"], "{tmp}"),
    (["prepare", "simulated", "{tmp}", "--set", "train_frames=0"], "train_frames"),
    (["trial", "--no-such-option"], "--no-such-option"),
    (["run", "ablation", "--results", "{tmp}"], "the study ablation asks for kitti: give its root with --data DIR"),
    (["run", "ablation", "--simulated", "--data", "{tmp}"], "leave one of them out"),
    (["run", "quickstart", "--results", "ftp://host/x"], "expected s3://, gs:// or az://"),
    (
        ["run", "quickstart", "--results", "s3://bucket/results", "--mirror", "s3://bucket/copy"],
        "the results lie in a store already",
    ),
    (["report", "s3://bucket/results/toy", "--watch"], "--watch looks at folders"),
    (["run", "quickstart", "--mirror", "ftp://host/x", "--results", "{tmp}"], "expected s3://, gs:// or az://"),
    (
        ["trial", "--results", "s3://bucket/results"],
        "results in an object store are for run, plan",
    ),
    (["run", "quickstart", "--set", "training.epochs=3"], "Did you mean 'base.training.epochs'"),
    (["run", "quickstart", "--set", "train_frames=3"], "Did you mean 'base.dataset.options.train_frames'?"),
    (["trial", "--set", "base.training.epochs=3"], "Did you mean 'training.epochs'?"),
    (["trial", "--name", "../../x", "--results", "{tmp}/a/b/c"], "'../../x'"),
    (["run", "quickstart", "--name", "../../x", "--results", "{tmp}/a/b/c"], "'../../x'"),
]


@pytest.mark.parametrize(
    ("arguments", "says"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_wrong_input_ends_with_status_2_and_one_line(arguments, says, tmp_path):
    done = here(*(part.replace("{tmp}", str(tmp_path)) for part in arguments))
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.endswith(" frames")]  # data was made on the way
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert says.replace("{tmp}", str(tmp_path)) in lines[0]
    left = [path for path in tmp_path.iterdir() if path.name != "data"]
    assert left == [], "a study that was refused left something behind"
