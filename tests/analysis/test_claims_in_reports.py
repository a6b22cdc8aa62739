"""Planted answers come out of the report: in the table, in the pictures, in sentences, and as data."""

import json
import re
from pathlib import Path

import made_up_study as made_up
import pandas as pd
import pytest
from planted_claims import plant
from typer.testing import CliRunner

import run_study
import study
from analysis import report
from analysis.answers import sentences
from analysis.claim_notes import notes
from analysis.figures import claim_intervals, claim_looks
from analysis.study_folders import load
from analysis.tables import claimed
from analysis.verdict_marks import MARKS
from study.evidence.statements import Answers
from study.evidence.verdicts import Word
from study.nouns.claims import Claim
from study.nouns.errors import InputError

ROWS = {"student": 58.0, "LD": 58.4, "RL": 60.0, "all": 62.0, "twin": 62.05}
CLAIMS = (
    Claim(row="LD", over=("student",), value=2.5, published=2.5, source="Table 5"),
    Claim(row="RL", over=("student",), published=1.9, source="Table 5"),
    Claim(kind="best", row="all", over=("LD", "RL")),
    Claim(kind="same", row="all", over=("twin",)),
    Claim(kind="teacher", row="all"),
    Claim(row="all", over=("student",), value=4.0),
    Claim(row="RL", over=("LD",), exploratory=True),
)
TRUTH = {Word.LESS: {0}, Word.SUPPORTED: {1, 2, 3, 4, 6}}
"""Places of the claims above; of the sixth the truth is its value, so that either, both or nothing may be shown."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seeds of every row."""
    return plant(tmp_path_factory.mktemp("planted"), ROWS, CLAIMS)


@pytest.fixture(scope="module")
def results(folder):
    """The same, read."""
    return load([folder])


@pytest.fixture(scope="module")
def page(folder) -> str:
    """Its report, without the pictures' data."""
    return re.sub(r'src="data[^"]*"', "", report.write([folder]).read_text())


def table_of(folder: Path) -> pd.DataFrame:
    """The table of claims as people see it."""
    return claimed.present(claimed.summarize(load([folder])))


def test_a_known_truth_is_the_verdict_in_the_table_and_both_pictures(results):
    for part in (claimed, claim_intervals, claim_looks):
        found = part.summarize(results).groupby("place")["verdict"].first()
        for word, places in TRUTH.items():
            assert set(found[found == word].index) - {5} == places, part.__name__


def test_the_table_holds_claims_as_stated_with_the_papers_values(results):
    texts = claimed.present(claimed.summarize(results))
    assert list(texts["Claim"][:2]) == ["LD gains 2.5 over student", "RL gains 0.5 over student"]
    assert list(texts["Verdict"][:2]) == ["less than 2.5 shown", "supported: more than 0 shown"]
    assert texts[["Paper", "Source"]].to_numpy()[:3].tolist() == [["+2.5", "Table 5"], ["+1.9", "Table 5"], ["–", "–"]]
    assert texts["Estimate (95 % interval)"][2].endswith("over RL")
    assert re.fullmatch(r"\d+ of 12", texts["Seeds"][0])
    assert "Diverged" not in texts


def test_intervals_hold_the_truth_and_agree_with_the_verdict(results):
    table = claimed.summarize(results)
    truth = [0.4, 2.0, 2.0, -0.05, 1.7, 4.0, 1.6]
    assert (table["low"].lt(truth) & table["high"].gt(truth)).all()
    supported = table[(table["verdict"] == "supported") & (table["kind"] != "same")]
    assert (supported["claim_low"] >= supported["least"] - 1e-9).all()
    assert (table.loc[table["verdict"] == "less", "claim_high"] <= 2.5).all()
    assert (table["claim_high"] - table["claim_low"] > table["high"] - table["low"])[:6].all()


def test_the_look_that_decided_is_marked_and_is_the_one_in_the_table(results):
    looks = claim_looks.summarize(results)
    marked = looks[looks["decided"]].set_index("place")
    table = claimed.summarize(results).set_index("place")
    assert marked["n"].to_dict() == table["n"].to_dict()
    assert marked["estimate"].to_numpy() == pytest.approx(table["estimate"].to_numpy())
    assert looks.groupby("place")["n"].max().eq(12).all()


def test_the_verdicts_are_the_first_sentences_and_single_rows_are_not_judged_beside_them(results):
    said = sentences(results)
    pattern = (
        r"LD gains 2\.5 over student: less than 2\.5 shown: \+0\.\d \(95 % [−+]\d\.\d to \+\d\.\d, valid at any stop; "
        r"\d+ seeds\); 6 claims, error ≤ 5 %\."
    )
    assert re.fullmatch(pattern, said[0]), said[0]
    assert said[6].endswith("; 1 exploratory claim, error ≤ 5 %.")
    assert not [text for text in said if "spread of the seeds" in text or "95 % interval" in text]
    assert "The teacher reaches 60.3" in said[7]


def test_the_page_leads_with_the_claims_and_tells_how_they_were_decided(page):
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    assert heads[:3] == ["Claims", "How the claims were decided", "Answer"]
    assert page.index("All claims in one picture") < page.index("How the claims were decided</h2>")
    assert "5 fixed rows on up to 12 seeds" in page
    for part in ("claimed", "claim_intervals", "claim_looks"):
        assert f"{part}.csv" in page


def test_the_notes_hold_noise_pairing_and_the_grid_that_was_saved(results):
    answers, said = results.answers["quickstart"], " ".join(notes(results))
    (noise,) = answers.noise
    assert noise.sd_of_differences == pytest.approx(0.3, rel=0.3)
    assert f"standard deviation of {noise.sd_of_differences:.2f} (AP40, %), with 44 degrees of freedom" in said
    assert f"would take {noise.pairing:.1f} times the seeds" in said
    assert "60 runs of rows answered 7 claims as far as is said here; a grid of all rows" in said
    assert f"takes {answers.grid_seeds} seeds of each row, {answers.grid_runs} runs." in said
    for words in ("is at most 5 % over all claims and all looks, however", "overstated", "not about new scenes"):
        assert words in said


def test_exploratory_claims_are_marked(results):
    assert claimed.summarize(results)["claim"][6] == "RL gains 0.5 over LD (exploratory)"
    assert "and 1 exploratory one" in claimed.caption(claimed.summarize(results))


def test_a_program_gets_the_answers_of_the_report(folder, results):
    assert study.verdicts(str(folder)) == results.answers["quickstart"]


def test_the_command_line_prints_the_answers_by_study(folder, tmp_path):
    done = CliRunner().invoke(run_study.app, ["report", str(folder), "--into", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    claims = json.loads(done.output)["claims"]
    assert {name: Answers.model_validate(answers) for name, answers in claims.items()} == {
        "quickstart": study.verdicts(folder)
    }


def test_a_metric_that_is_better_small_gives_the_same_verdicts_mirrored(folder, tmp_path):
    mirrored = plant(tmp_path, {row: -mean for row, mean in ROWS.items()}, CLAIMS, direction="min", teacher=-60.3)
    found, expected = study.verdicts(mirrored), study.verdicts(folder)
    words = [answer.verdict for answer in found.claims]
    assert {place for place, word in enumerate(words) if word is Word.LESS} - {5} == TRUTH[Word.LESS]
    assert {place for place, word in enumerate(words) if word is Word.SUPPORTED} - {5} == TRUTH[Word.SUPPORTED]
    assert found.claims[1].differences[0].estimate == pytest.approx(2.0, abs=0.5)
    assert [answer.text for answer in found.claims] == [answer.text for answer in expected.claims]


def test_a_run_that_diverged_is_said_and_supports_no_claim_of_its_row(tmp_path):
    folder = plant(tmp_path, ROWS, CLAIMS, diverged=[("RL", 0)])
    table = table_of(folder)
    assert table["Diverged"][1] == "1 of 12 runs of RL"
    assert not table["Verdict"][1].startswith("supported")
    text = sentences(load([folder]))[1]
    assert "1 run of RL diverged, so “more than 0 shown” cannot be said any more" in text


def test_a_row_that_diverged_whenever_it_ran_is_said_too(tmp_path):
    folder = plant(tmp_path, ROWS, CLAIMS, upto={"RL": 2}, diverged=[("RL", 0), ("RL", 1)])
    assert "undecided: 0 common seeds so far; 2 runs of RL diverged" in sentences(load([folder]))[1]
    assert table_of(folder)["Estimate (95 % interval)"][1] == "–"


def test_what_is_undecided_says_how_many_seeds_it_would_take(tmp_path):
    claims = (Claim(row="RL", over=("student",), value=2.2, tolerance=0.5),)
    results = load([plant(tmp_path, {"student": 58.0, "RL": 60.0}, claims, upto={"student": 4, "RL": 4})])
    assert claimed.present(claimed.summarize(results))["Verdict"].tolist() == ["undecided"]
    assert re.search(r"undecided: .* 4 seeds\); about \d+ seeds would answer it", sentences(results)[0])
    assert "What is undecided: “RL gains 2.2 over student” would take about" in " ".join(notes(results))


def test_what_was_given_up_is_called_so(tmp_path):
    claims = (Claim(row="RL", over=("student",), value=2.2, tolerance=0.4),)
    rows = {"student": 58.0, "RL": 60.0}
    folder = plant(tmp_path, rows, claims, noise=3.0, seeds=10, upto={"student": 6, "RL": 6})
    assert table_of(folder)["Verdict"].tolist() == ["undecided, given up"]
    assert claim_intervals.summarize(load([folder]))["verdict"].tolist() == ["given up"]
    assert "given up: " in sentences(load([folder]))[0]


def test_what_all_seeds_left_open_is_undecided_and_not_given_up(tmp_path):
    claims = (Claim(row="RL", over=("student",), value=2.2, tolerance=0.4),)
    folder = plant(tmp_path, {"student": 58.0, "RL": 60.0}, claims, noise=3.0, seeds=6)
    assert table_of(folder)["Verdict"].tolist() == ["undecided"]
    assert "seeds would answer it if the means stayed" in sentences(load([folder]))[0]


def test_a_noisy_row_is_named(tmp_path):
    said = " ".join(notes(load([plant(tmp_path, ROWS, CLAIMS, noisy={"RL": 4})])))
    assert re.search(r"The runs of RL are noisy, with \d\.\d times the variance of all rows: its claims may err", said)


def test_claims_are_there_before_any_run_is(tmp_path):
    folder = plant(tmp_path, ROWS, CLAIMS, upto=dict.fromkeys(ROWS, 0))
    assert set(table_of(folder)["Verdict"]) == {"undecided"}
    page = report.write([folder]).read_text()
    assert claim_intervals.EMPTY in page
    assert "The first wave of runs is not over yet" in page


def test_of_many_claims_twelve_have_a_panel_and_the_caption_counts_the_others(tmp_path):
    rows = {f"row {number}": 58.0 + number for number in range(16)}
    claims = [Claim(row=row, over=("row 0",)) for row in list(rows)[1:]]
    summary = claim_looks.summarize(load([plant(tmp_path, rows, claims, seeds=3)]))
    assert len(claim_looks.draw(summary).axes) == 12
    assert "3 more claims" in claim_looks.caption(summary)


def test_two_studies_have_a_panel_each(tmp_path):
    folders = [plant(tmp_path, ROWS, CLAIMS, seeds=3, name=name) for name in ("one", "two")]
    results = load(folders)
    drawn = claim_intervals.draw(claim_intervals.summarize(results))
    assert [axes.get_title(loc="left") for axes in drawn.axes] == ["one", "two"]
    assert set(claimed.present(claimed.summarize(results))["Study"]) == {"one", "two"}
    assert sentences(results)[0].startswith("one: LD gains 2.5")


def test_a_study_without_claims_says_nothing_of_them(study_folder):
    assert "laim" not in re.sub(r"<pre>.*?</pre>", "", report.write([study_folder]).read_text(), flags=re.S)
    with pytest.raises(InputError, match="the study quickstart makes no claims"):
        study.verdicts(study_folder)


def test_a_folder_that_is_no_study_has_no_verdicts(tmp_path):
    with pytest.raises(InputError, match=r"no study\.json"):
        study.verdicts(tmp_path)


def test_every_verdict_has_a_shape_of_its_own():
    assert set(MARKS) == {*map(str, Word), "given up"}
    assert len({(mark.marker, mark.filled) for mark in MARKS.values()}) == len(MARKS)


def test_a_made_up_study_has_something_to_say_of_every_kind_of_claim():
    kinds = {claim.kind for claim in made_up.CLAIMS}
    assert kinds == {"gain", "best", "same", "teacher"}


def test_rows_that_no_other_beats_are_named(tmp_path):
    rows = {"student": 58.0, "a": 61.0, "b": 61.0, "c": 59.0}
    folder = plant(tmp_path, rows, [Claim(row="a", over=("student",))], seeds=10)
    (said,) = [note for note in notes(load([folder])) if "beaten by no other" in note]
    assert said.startswith("Of 4 rows of one setting, a and b are beaten by no other, at an error of 5 % of its own")
