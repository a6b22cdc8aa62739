"""The room knows no metric and no parameter: it reads them from records, whatever they are."""

import re
from pathlib import Path

import made_up_study as made_up
import pytest

from analysis import report
from analysis.answers import sentences
from analysis.figures import gains, sensitivity
from analysis.results import Results, tidy
from analysis.study_folders import load
from analysis.tables import ablation, comparison, search
from study.nouns.metrics import Metric
from study.nouns.overrides import override
from study.nouns.parameters import Called
from study.nouns.spec import Point

ROOM = Path(report.__file__).parent
NAMES = re.compile(r"\b(KITTI|kitti|mAP|AP40|[Cc]ars?|[Pp]edestrians?|[Cc]yclists?|bev|BEV|3[dD]|moderate)\b")
PARAMETERS = re.compile(r"neighbors|samples|temperature")
PAPERS_OWN = {"published.py"}
"""Holds what one paper printed of KITTI and of one method, and says so."""

ERROR = Metric(
    name="error/near", title="near error", unit="cm", direction="min", block="Near", column="error", headline=True
)
DECLARED = (
    ERROR,
    Metric(name="hits/near", title="near hits", direction="max", block="Near", column="hits"),
    Metric(name="error/far", title="far error", unit="cm", direction="min", block="Far", column="error", headline=True),
    Metric(name="hidden", title="a metric of no table", direction="max"),
)
CALLED = {
    "parameters.reach": Called(symbol="R", title="reach", unit="m"),
    "parameters.damped": Called(symbol="DA", title="damping", switch=True),
}
SCORES = {"student": 9.0, "plain": 8.0, "damped": 5.0, "wide": 7.0, "other": 10.0}
"""Errors of the rows: less is better."""


def lengths(search_errors: tuple[float, ...] = (6.0, 4.0, 8.5)) -> Results:
    """Rows of two made-up methods judged by an error, on three seeds, and a search; the teacher's error is 3."""
    base = override(made_up.BASE, {"method": "spring", "parameters": {"reach": 1.0, "damped": True}})
    points = (
        Point(label="student", set={"method": "student", "parameters": {}}),
        Point(label="plain", set={"parameters.damped": False}),
        Point(label="damped"),
        Point(label="wide", set={"parameters.reach": 4.0}),
        Point(label="other", set={"method": "fitnet", "parameters": {}}),
    )
    asked = made_up.spec(name="lengths", base=base, points=points, metric="error/near", seeds=(0, 1, 2))

    def measured(error: float) -> dict[str, object]:
        metrics = {"error/near": error, "hits/near": 2 * error, "error/far": error + 1, "hidden": 0.0}
        return {"metrics": metrics, "declared": DECLARED, "study": "lengths"}

    kept = [made_up.record(base.teacher_run(), "teacher", **measured(3.0))]
    for _, run in made_up.planned(asked):
        called = CALLED if run.config.method == "spring" else {}
        error = SCORES[run.label] + 0.1 * run.config.seed
        kept.append(made_up.record(run.config, run.label, called=called, **measured(error)))
    for reach, error in zip((2.0, 3.0, 5.0), search_errors, strict=False):
        config = override(base, {"parameters.reach": reach})
        kept.append(made_up.record(config, "found", role="search", called=CALLED, **measured(error)))
    return tidy((asked,), kept, made_up.planned(asked))


@pytest.mark.parametrize("path", sorted(ROOM.rglob("*.py")), ids=lambda path: path.stem)
def test_no_file_names_a_metric_a_class_or_a_parameter(path):
    found = {match.group() for rule in (NAMES, PARAMETERS) for match in rule.finditer(path.read_text())}
    assert bool(found) is (path.name in PAPERS_OWN), found


def test_blocks_and_columns_are_those_that_the_evaluator_declares():
    summary = ablation.summarize(lengths())
    assert list(dict.fromkeys(summary["block"])) == ["Near", "Far"]
    table = ablation.present(summary)
    assert list(table.columns) == ["Metrics", "Row", "DA", "error ↓", "hits ↑", "Gain (same seeds)", "Runs"]
    assert table.loc[table["Metrics"] == "Far", "hits ↑"].unique().tolist() == ["–"]
    assert "Results are cm" in ablation.caption(summary)


def test_a_smaller_error_is_a_gain():
    summary = comparison.summarize(lengths())
    near = summary[summary["block"] == "Near"].set_index("row")["gain_mean"]
    assert near.drop(["teacher", "student"]).round(6).to_dict() == {
        "plain": 1.0, "damped": 4.0, "wide": 2.0, "other": -1.0
    }  # fmt: skip
    distance = summary[summary["block"] == "Near"].set_index("row")["from_teacher"]
    assert distance["damped"] == pytest.approx(-2.1)


def test_the_row_with_the_least_error_comes_first():
    said = " ".join(sentences(lengths()))
    assert "damped comes first of 4 (damped +4.0 ± 0.0, wide +2.0" in said
    assert "The teacher reaches 3.0 near error (lower is better), 6.1 better than its student" in said
    assert "spring with DA (row “damped”) changed near error (lower is better) by −4.0" in said
    assert "fall beyond the spread" in said


def test_the_search_ranks_the_least_error_first():
    summary = search.summarize(lengths())
    assert summary["score"].tolist() == [4.0, 6.0, 8.5]
    assert summary["gain"].tolist() == pytest.approx([5.0, 3.0, 0.5])
    table = search.present(summary)
    assert list(table.columns) == ["Rank", "Near error (cm)", "Gain (same seed)", "R", "DA", "Seed", "Key"]
    assert (table["DA"].iloc[0], table["R"].iloc[0]) == ("✓", "3")


def test_the_figures_bear_the_declared_names():
    figure = sensitivity.draw(sensitivity.summarize(lengths()))
    assert [axes.get_xlabel() for axes in figure.axes] == ["R: reach (m)"]
    assert figure.axes[0].get_ylabel() == "near error (cm)"
    panels = gains.draw(gains.summarize(lengths())).axes
    assert [axes.get_xlabel() for axes in panels] == ["gain in near error (cm)", "gain in far error (cm)"]


def test_a_page_about_a_made_up_metric_says_nothing_of_any_other(tmp_path):
    results = lengths()
    asked = results.specs[0]
    base = override(asked.base, {"seed": 0})
    kept = [made_up.record(base, "damped", metrics={"error/near": 5.0}, declared=DECLARED, called=CALLED, epochs=())]
    page = report.write([made_up.write(tmp_path, asked, kept)]).read_text()
    assert not re.findall(r"\b(mAP|BEV|AP40|3D)\b", re.sub(r'base64,[^"]*', "", page))


def test_a_metric_that_no_record_declares_is_called_by_its_name(tmp_path):
    assert lengths().metric == ERROR
    assert load([made_up.write(tmp_path, lengths().specs[0], [])]).metric.title == "error/near"
