"""What the comparison, the gains and the compression say of made-up runs whose answers are known."""

import math
from dataclasses import replace

import made_up_study as made_up
import pytest

from analysis.answers import sentences
from analysis.figures import gains, sensitivity, training_curves
from analysis.published import printed_numbers
from analysis.results import tidy
from analysis.tables import ablation, comparison, compression
from study.nouns.overrides import override
from study.nouns.records import RunRecord
from study.nouns.spec import Point

METHODS = ("fitnet", "attention_transfer", "se_ssd", "similarity_preserving", "crd", "ofd", "fbkd")


@pytest.fixture
def whole():
    asked = made_up.whole(seeds=(0, 1, 2))
    return tidy((asked,), made_up.records(asked, fail=("crd",)), made_up.planned(asked))


def compared(scores: dict[str, list[float]], missing: tuple[str, ...] = (), changed=lambda record: record):
    """Rows named like their method, with given moderate 3D mAP per seed; rows in `missing` have failed runs only."""
    points = tuple(Point(label=name, set={"method": name, "parameters": {}}) for name in (*scores, *missing))
    asked = made_up.spec(points=points, seeds=(0, 1, 2))
    kept = []
    for _, run in made_up.planned(asked):
        label, config = run.label, run.config
        if label in missing:
            kept.append(made_up.record(config, label, "failed"))
        elif config.seed < len(scores[label]):
            kept.append(made_up.record(config, label, metrics={"mAP/3d/moderate": scores[label][config.seed]}))
    return tidy((asked,), list(map(changed, kept)), made_up.planned(asked))


def of(summary, row, block="3D"):
    return summary[(summary["row"] == row) & (summary["block"] == block)].iloc[0]


def test_every_methods_gain_is_paired_with_its_interval():
    scores = {"student": [30.0, 42.0, 54.0], "fitnet": [32.0, 45.0, 58.0], "crd": [29.0, 42.0, 55.0]}
    row = of(comparison.summarize(compared(scores)), "fitnet")
    assert (row["gain_n"], row["gain_mean"], row["gain_std"]) == (3, 3.0, 1.0)
    assert (row["gain_low"], row["gain_high"]) == (pytest.approx(0.516, abs=1e-3), pytest.approx(5.484, abs=1e-3))


def test_rows_stand_in_the_order_of_the_study_after_teacher_and_student(whole):
    summary = comparison.summarize(whole)
    rows = summary.loc[summary["block"] == "BEV", "row"].tolist()
    assert rows == ["teacher", "student", "PD, no switch", "LD", "RL", "LD + RL", "fitnet", "crd"]


def test_one_method_alone_is_no_comparison():
    assert comparison.summarize(compared({"student": [30.0], "fitnet": [31.0]})).empty


def test_the_tuned_weight_stands_beside_its_default_and_its_tries(whole):
    row = of(comparison.summarize(whole), "fitnet")
    assert (row["weight"], row["weight_ratio"], row["tuning_runs"], row["tuning_missing"]) == (0.5, 0.5, 2, 1)
    texts = comparison.present(comparison.summarize(whole)).set_index("Row").loc["fitnet"].iloc[0]
    assert texts[["Weight", "× default", "Tuning runs"]].tolist() == ["0.5", "0.5", "2 of 3"]


def test_the_caption_says_on_which_frames_weights_were_chosen(whole):
    assert "chosen on the results' own frames" in comparison.caption(comparison.summarize(whole))
    apart = replace(whole, specs=tuple(spec.model_copy(update={"choose_on": 0.1}) for spec in whole.specs))
    said = comparison.caption(comparison.summarize(apart))
    assert "chosen on a part (10%) of the training split that they left out" in said


def tuned_student(rate: float | None):
    """A student whose tuning chose a learning rate, and two methods with their detector's own."""
    points = [Point(label="student", set={"method": "student", "parameters": {}}, tune=(0.0003, 0.001, 0.003))]
    points += [Point(label=name, set={"method": name, "parameters": {}}) for name in ("fitnet", "crd")]
    asked = made_up.spec(points=tuple(points), seeds=(0, 1, 2))
    kept, planned = [], []
    for name, run in made_up.planned(asked):
        config = override(run.config, {"training.learning_rate": rate} if run.label == "student" else {})
        score = 30.0 + 2 * config.seed + (run.label == "fitnet")
        planned.append((name, run.model_copy(update={"config": config})))
        if config.seed < 2:
            kept.append(made_up.record(config, run.label, metrics={"mAP/3d/moderate": score}))
    tries = [override(kept[0].config, {"seed": seed}) for seed in (1000, 1001)]
    kept += [made_up.record(config, "student", role="tuning") for config in tries]
    return tidy((asked,), kept, planned)


@pytest.mark.parametrize(
    ("rate", "told"), [(0.002, ("0.002", "2")), (None, ("0.001", "1"))], ids=["another", "its own"]
)
def test_a_student_whose_learning_rate_was_tuned_stays_the_baseline_of_its_methods(rate, told):
    results = tuned_student(rate)
    summary = comparison.summarize(results)
    assert summary["setting"].nunique() == 1
    row = of(summary, "fitnet")
    assert (row["gain_n"], row["gain_mean"], row["missing"]) == (2, 1.0, 1)
    texts = comparison.present(summary).set_index("Row").loc["student"].iloc[0]
    assert texts[["Weight", "× default", "Tuning runs"]].tolist() == [f"learning rate {told[0]}", told[1], "2 of 2"]
    assert "of the student the learning rate" in comparison.caption(summary)


def test_students_of_several_learning_rates_that_were_asked_for_are_several_baselines():
    points = tuple(
        Point(label=f"{method} {rate}", set={"method": method, "parameters": {}, "training.learning_rate": rate})
        for rate in (0.001, 0.002)
        for method in ("student", "fitnet", "crd")
    )
    asked = made_up.spec(points=points, seeds=(0, 1))
    kept = []
    for _, run in made_up.planned(asked):
        score = {"student 0.001": 30.0, "student 0.002": 34.0}.get(run.label, 35.0)
        kept.append(made_up.record(run.config, run.label, metrics={"mAP/3d/moderate": score}))
    summary = comparison.summarize(tidy((asked,), kept))
    assert [of(summary, f"fitnet {rate}")["gain_mean"] for rate in (0.001, 0.002)] == [5.0, 1.0]


def test_losses_are_compared_at_the_last_epoch(whole):
    keys = whole.finished.loc[whole.finished["label"] == "fitnet", "key"]
    last = whole.epochs[whole.epochs["key"].isin(keys) & (whole.epochs["epoch"] == 6)]
    kd = last["losses.kd_loss_local"]
    expected = (kd / (last["losses.loss"] - kd)).mean()
    assert of(comparison.summarize(whole), "fitnet")["loss_ratio"] == pytest.approx(expected)


def test_costs_are_relative_to_the_student_without_distillation(whole):
    row = of(comparison.summarize(whole), "fitnet")
    epochs = whole.epochs.groupby("key")["seconds"].sum()
    rows = whole.finished[whole.finished["role"] == "row"]
    alone = {label: epochs[runs["key"]].mean() for label, runs in rows.groupby("label")}
    assert (row["alone_ratio"], row["memory_ratio"]) == (pytest.approx(alone["fitnet"] / alone["student"]), 1.0)
    texts = comparison.present(comparison.summarize(whole)).set_index("Row").loc["fitnet"].iloc[0]
    assert texts["Time alone"] == f"{row['alone_ratio']:.2f} ×"


def test_a_run_that_shared_its_batches_costs_less_here_than_alone_and_has_no_memory_of_its_own():
    def shared(record: RunRecord) -> RunRecord:
        epochs = [epoch.model_copy(update={"seconds": 10.0, "shared_seconds": 4.0}) for epoch in record.epochs]
        return record.model_copy(update={"epochs": tuple(epochs), "facts": {**record.facts, "cohort": 5.0}})

    alone = compared({"student": [30.0, 31.0], "fitnet": [31.0, 32.0], "crd": [30.0, 31.0]}, changed=shared)
    row = of(comparison.summarize(alone), "fitnet")
    assert (row["alone_ratio"], row["here_ratio"]) == (1.0, pytest.approx(0.4))
    assert math.isnan(row["memory_ratio"])


def test_failed_and_missing_cells_say_so():
    scores = {"student": [30.0, 31.0, 32.0], "fitnet": [31.0], "ofd": []}
    table = comparison.present(comparison.summarize(compared(scores, missing=("crd",)))).set_index("Row")
    of_3d = table[table["Metrics"] == "3D"]
    assert of_3d.loc["fitnet", ["mAP ↑", "Runs"]].tolist() == ["31.0 (n = 1 of 3)", "1 of 3"]
    assert of_3d.loc["ofd", ["mAP ↑", "Gain (same seeds)", "Runs"]].tolist() == ["not run", "not run", "0 of 3"]
    assert of_3d.loc["crd", ["mAP ↑", "Gain (same seeds)", "Runs"]].tolist() == ["failed", "failed", "0 of 3, 3 failed"]


def test_the_papers_row_stands_beside_every_method():
    summary = comparison.summarize(compared({name: [30.0] for name in ("student", *METHODS)}))
    printed = (
        printed_numbers()
        .query("paper == 'PointDistiller' and table == 3 and metric == 'mAP/3d/moderate'")
        .set_index("method")["value"]
    )
    ours = {name: of(summary, name)["paper.mAP"] for name in METHODS}
    assert ours == {name: printed[name] for name in METHODS}
    assert of(summary, "ofd")["paper_gain"] == pytest.approx(60.1 - 58.7)


def test_a_given_teacher_has_a_row_from_what_its_students_noted():
    config = override(made_up.BASE, {"teacher.checkpoint": "/zoo.pth", "teacher.digest": "d"})
    facts = {"teacher/mAP/3d/moderate": 60.3, "teacher/3d/Car/moderate": 75.9}
    kept = [
        made_up.record(override(config, {"method": name, "parameters": {}}), name, teacher_key="given", facts=facts)
        for name in ("fitnet", "crd")
    ]
    summary = comparison.summarize(tidy((made_up.spec(),), kept))
    assert of(summary, "teacher (given checkpoint)")["metrics.mAP_mean"] == 60.3


def test_runs_that_only_chose_a_weight_count_for_nothing_else(whole):
    tries = (whole.runs["label"] == "fitnet") & (whole.runs["role"] == "tuning")
    assert tries.sum() == 3
    keys = set(whole.runs.loc[tries, "key"])
    assert not keys & set(whole.rows["key"])
    assert not keys & set(training_curves.summarize(whole)["key"].dropna())
    assert not keys & set(sensitivity.summarize(whole)["key"].dropna())
    for table in (comparison, ablation, compression):
        assert not table.summarize(whole)["row"].str.startswith("tuning").any()


def test_the_figure_draws_every_seed_and_the_tables_mean(whole):
    summary = gains.summarize(whole)
    fitnet = summary[(summary["row"] == "fitnet") & (summary["block"] == "3D")]
    row = of(comparison.summarize(whole), "fitnet")
    assert fitnet.loc[fitnet["kind"] == "run", "gain"].mean() == pytest.approx(row["gain_mean"])
    mean = fitnet[fitnet["kind"] == "mean"].iloc[0]
    assert (mean["low"], mean["high"]) == (row["gain_low"], row["gain_high"])
    assert fitnet.loc[fitnet["kind"] == "paper, other setting", "gain"].tolist() == [0.0]


def test_a_comparison_without_a_student_has_no_gains_to_draw():
    assert gains.summarize(compared({"fitnet": [31.0], "crd": [32.0]})).empty


def test_the_answer_names_the_method_that_comes_first():
    scores = {"student": [30.0, 31.0, 32.0], "fitnet": [32.0, 33.5, 34.0], "crd": [30.0, 33.0, 30.0]}
    said = [text for text in sentences(compared(scores)) if "comes first" in text]
    assert said == [
        "By mean gain in moderate 3D mAP over the student of the same seed, fitnet comes first of 2 "
        "(fitnet +2.2 ± 0.3, crd +0.0 ± 2.0); 1 of 2 gains lie beyond the spread of the seeds."
    ]


def test_the_compression_holds_teachers_students_and_the_whole_method_by_size(whole):
    summary = compression.summarize(whole)
    rows = summary.loc[summary["block"] == "3D", ["compression", "row"]]
    assert rows.to_numpy().tolist() == [
        [1, "teacher"], [4, "student"], [4, "LD + RL"], [16, "student 16x"], [16, "LD + RL 16x"]
    ]  # fmt: skip


def test_the_distance_from_the_teacher_is_a_difference_of_means(whole):
    for block, teacher in (("3D", 52.0), ("BEV", 58.0)):
        row = of(compression.summarize(whole), "student 16x", block)
        assert row["from_teacher"] == pytest.approx(row["metrics.mAP_mean"] - teacher)


def test_the_papers_sizes_and_gains_stand_beside_ours(whole):
    row = of(compression.summarize(whole), "LD + RL 16x", "BEV")
    assert (row["paper.gflops"], row["paper.params_m"]) == (2.5, 0.3)
    assert row["paper_gain"] == pytest.approx(63.5 - 61.8)


def test_one_size_alone_is_no_compression(full):
    assert compression.summarize(full).empty


@pytest.mark.parametrize(
    ("units", "label"),
    [
        (["points per pillar"], "τ: temperature (points per pillar)"),
        (["feature's unit"], "τ: temperature (feature's unit)"),
        (["points per pillar", "feature's unit"], "τ: temperature"),
    ],
)
def test_an_axis_names_the_unit_that_all_of_its_runs_share(units, label):
    kept = []
    for unit in units:
        for tau in (1, 2):
            config = override(made_up.BASE, {"parameters.importance": unit, "parameters.temperature": tau})
            tau_called = made_up.CALLED["parameters.temperature"].model_copy(update={"unit": unit})
            kept.append(made_up.record(config, "x", called=made_up.CALLED | {"parameters.temperature": tau_called}))
    figure = sensitivity.draw(sensitivity.summarize(tidy((made_up.spec(),), kept)))
    assert figure.axes[-1].get_xlabel() == label
