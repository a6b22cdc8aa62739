"""What the tables say of a made-up study whose answers are known."""

import math

import made_up_study as made_up
import pytest

from analysis.results import tidy
from analysis.tables import ablation, all_runs, failures, search
from study.nouns.overrides import override


def study(scores: dict[str, list[float]]):
    """Fixed rows with given moderate 3D mAP per seed."""
    asked = made_up.spec(seeds=(0, 1, 2))
    sets = {point.label: point.set for point in asked.points}
    kept = [
        made_up.record(override(asked.base, {**sets[row], "seed": seed}), row, metrics={"mAP/3d/moderate": score})
        for row, of_row in scores.items()
        for seed, score in enumerate(of_row)
    ]
    asked = asked.model_copy(update={"points": tuple(p for p in asked.points if p.label in scores)})
    return tidy((asked,), kept, made_up.planned(asked))


def of(summary, row, block="3D"):
    return summary[(summary["row"] == row) & (summary["block"] == block)].iloc[0]


def test_a_gain_is_paired_on_the_seed():
    # Means are 45 and 42; paired differences 2, 3, 4 have std 1, while the rows' own stds are 10 and more.
    summary = ablation.summarize(study({"student": [30.0, 42.0, 54.0], "LD + RL": [32.0, 45.0, 58.0]}))
    row = of(summary, "LD + RL")
    assert (row["gain_n"], row["gain_mean"], row["gain_std"]) == (3, 3.0, 1.0)


def test_a_seed_without_its_student_leaves_the_gain():
    summary = ablation.summarize(study({"student": [30.0], "LD + RL": [32.0, 45.0, 58.0]}))
    row = of(summary, "LD + RL")
    assert (row["n"], row["gain_n"], row["gain_mean"]) == (3, 1, 2.0)
    assert math.isnan(row["gain_std"])


def test_missing_seeds_are_counted_in_their_row():
    summary = ablation.summarize(study({"student": [30.0], "LD + RL": [32.0, 45.0, 58.0]}))
    assert (of(summary, "student")["n"], of(summary, "student")["missing"]) == (1, 2)


def test_one_seed_is_shown_without_a_spread():
    table = ablation.present(ablation.summarize(study({"student": [30.0], "LD": [32.0]})))
    assert set(table["mAP ↑"]) == {"–", "30.0 (n = 1 of 3)", "32.0 (n = 1 of 3)"}


def test_rows_stand_in_the_order_of_the_papers_table(full):
    summary = ablation.summarize(full)
    rows = summary.loc[summary["block"] == "3D", "row"]
    assert list(rows) == ["teacher", "student", "PD, no switch", "LD", "RL", "LD + RL"]


def test_the_papers_values_stand_beside_their_rows_and_say_where_they_come_from(full):
    summary = ablation.summarize(full)
    assert of(summary, "RL")["paper.mAP"] == 60.6
    assert of(summary, "RL")["paper_gain"] == pytest.approx(1.9)
    assert of(summary, "teacher")["paper.mAP"] == 60.3
    assert "mAP (paper, other setting)" in ablation.present(summary)
    assert not ablation.present(summary)["mAP ↑"].str.contains("paper").any()


def test_runs_of_the_search_are_no_rows_of_the_ablation(full):
    assert "search" not in set(ablation.summarize(full)["row"])


def test_switches_are_shown_as_check_marks(full):
    table = ablation.present(ablation.summarize(full)).set_index("Row")
    assert table.loc["LD", ["LD", "RL"]].to_numpy().tolist() == [["✓", "×"]] * 2


def test_costs_are_shown_only_where_records_hold_them(full):
    asked = made_up.spec()
    kept = [made_up.record(made_up.BASE, "LD + RL", facts={"gflops": 9.0, "params_m": 1.3})]
    with_costs = ablation.present(ablation.summarize(tidy((asked,), kept)))
    assert with_costs["GFLOPs ↓"].iloc[-1] == "9.00\npaper 9.0 (+0.00)"
    assert "GFLOPs ↓" not in ablation.present(ablation.summarize(full))


def test_every_class_and_difficulty_has_its_column_and_the_mean_stands_last(full):
    columns = list(ablation.present(ablation.summarize(full)).columns)
    classes = [f"{name} {at} ↑" for name in ("Car", "Pedestrian", "Cyclist") for at in ("easy", "moderate", "hard")]
    start = columns.index("Car easy ↑")
    assert columns[start : start + 10] == [*classes, "mAP ↑"]


def test_the_search_ranks_by_the_studys_metric(full):
    scores = search.summarize(full)["score"]
    searched = full.finished.loc[full.finished["role"] == "search", "metrics.mAP/3d/moderate"]
    assert scores.tolist() == sorted(searched, reverse=True)[:10]


def test_a_failed_run_is_listed_with_its_reason(full):
    reasons = failures.summarize(full)["error"]
    assert reasons.str.contains("loss is not finite").tolist() == [True, True]


def test_all_runs_hold_every_parameter_and_metric(full):
    table = all_runs.summarize(full)
    assert {"parameters.temperature", "metrics.bev/Car/hard", "facts.steps", "error"} <= set(table.columns)
    assert len(table) == 23
