"""The page about Python says what works: its examples run on records, and its columns are those there are."""

import re
from dataclasses import replace
from pathlib import Path

import made_up_study as made_up
import pytest
from planted_inspections import inspected

from analysis import listing, runs
from study.nouns.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "analysis.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
LEFT = ((), ("ablation.tex",), ("training_curves.pdf", "training_curves.png"))
"""The files that each example writes."""


def test_the_page_has_three_examples():
    assert len(EXAMPLES) == len(LEFT) == 3


@pytest.mark.parametrize(("code", "left"), list(zip(EXAMPLES, LEFT, strict=True)), ids=["table", "paper", "figure"])
def test_an_example_runs_as_it_stands_on_the_page(code, left, study_folder, monkeypatch, capsys):
    here = study_folder.parent.parent
    monkeypatch.chdir(here)
    before = set(here.iterdir())
    exec(code, {})
    assert {path.name for path in set(here.iterdir()) - before} == set(left)
    assert capsys.readouterr().out.strip() or left


def test_every_column_of_runs_is_explained(tmp_path):
    asked = made_up.whole(search=made_up.SearchSpec(trials=12, space={"training.learning_rate": {"low": 1, "high": 2}}))
    table = runs.load(made_up.write(tmp_path, asked, made_up.records(asked)))
    said = runs.load.__doc__ or ""
    explained = {name for name in table if re.search(rf"\b{re.escape(name)}\b", said)}
    explained |= {name for name in table if f"{name.partition('.')[0]}.<" in said}
    assert set(table) - explained == {"training.learning_rate"}


def test_a_run_is_one_row_whatever_became_of_it(study_folder):
    table = runs.load(study_folder, str(study_folder))
    assert not table["key"].duplicated().any()
    assert set(table["status"]) == {"finished", "failed"}


def test_runs_of_no_study_are_asked_for_in_one_line():
    with pytest.raises(InputError, match="at least one study folder"):
        runs.load()


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    asked = made_up.whole()
    folder = tmp_path_factory.mktemp("results")
    found = runs.read(made_up.write(folder, asked, made_up.records(asked), importances=made_up.IMPORTANCES))
    return replace(found, inspected=inspected(found))


@pytest.mark.parametrize("name", listing.tables())
def test_a_table_is_made_alone(name, everything):
    table = listing.tables()[name]
    summary = table.summarize(everything)
    assert len(table.present(summary)) == len(summary) > 0
    assert table.caption(summary)


@pytest.mark.parametrize("name", listing.figures())
def test_a_figure_is_drawn_alone(name, everything):
    figure = listing.figures()[name]
    summary = figure.summarize(everything)
    assert figure.draw(summary).axes
    assert figure.caption(summary)
