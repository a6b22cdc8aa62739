"""What the README says works as it stands there."""

import re
from pathlib import Path

import pytest
import tiny_run
import yaml
from typer.testing import CliRunner

import run_study
import trainables.distillers
from study.nouns.overrides import validated
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec
from study.planning.offered import Offered
from study.planning.plan import expand
from study.planning.preview import preview
from trainables import run

REPOSITORY = Path(__file__).resolve().parent.parent
README = (REPOSITORY / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_every_command_and_option_it_names_exists():
    lines = re.sub(r"\\\n", " ", README.replace("\n--", " --"))
    named = re.findall(r"run_study\.py ((?:prepare )?[a-z]+)([^`\n#]*)", lines)
    assert len(named) >= 8
    for name, rest in named:
        help_ = CliRunner().invoke(run_study.app, [*name.split(), "--help"], env={"COLUMNS": "300"})
        assert help_.exit_code == 0, name
        for option in re.findall(r"(?<!\S)--[a-z-]+", rest):
            assert option in help_.output, f"{name} {option}"


def test_every_file_and_picture_it_names_exists():
    named = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README) + re.findall(
        r"`((?:study|trainables|tests|analysis)/[\w./]*)`", README
    )
    assert named
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


def test_every_make_target_it_names_exists():
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.M)
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.M)) <= set(targets)


def test_its_study_is_a_study_whose_runs_can_be_planned():
    spec = StudySpec.model_validate(yaml.safe_load(blocks("yaml")[0]))
    assert len(expand(spec, run.resolve)) == 9


def test_its_search_is_a_study_that_can_be_run():
    spec = validated(StudySpec, yaml.safe_load(blocks("yaml")[1]))
    offered = Offered(*(getattr(run, name) for name in Offered._fields))
    *_, last = preview(spec, offered)
    assert last == "and 40 runs chosen by Optuna (gp) among detector.compression, parameters.temperature"


def test_its_method_is_complete_and_trains(tmp_path, monkeypatch):
    example = blocks("python")[0]
    assert len(example.strip().splitlines()) <= 35
    (tmp_path / "neck_imitation.py").write_text(example)
    monkeypatch.setattr(trainables.distillers, "__path__", [*trainables.distillers.__path__, str(tmp_path)])
    once = {"training__epochs": 1, "teacher__training__epochs": 1}
    files = StudyFiles(tmp_path, "example")
    record = tiny_run.train(files, method="neck_imitation", parameters={"weight": 2.0}, **once)
    assert record.status == "finished"
    assert record.epochs[-1].losses["kd_loss"] > 0


@pytest.mark.parametrize("word", ["TO" + "DO", "@" + "@"])
def test_nothing_in_it_is_left_open(word):
    assert word not in README
