"""What the figures show of a made-up study."""

import made_up_study as made_up
import pytest

from analysis.figures import sensitivity, training_curves
from analysis.intervals import spread
from analysis.results import tidy
from study.nouns.overrides import override

NEIGHBORS = "parameters.neighbors"


def test_every_finished_distilled_run_is_a_point_over_k(full):
    summary = sensitivity.summarize(full)
    points = summary[(summary["value_key"] == NEIGHBORS) & summary["kind"].isin(["fixed", "search"])]
    assert points["kind"].value_counts().to_dict() == {"search": 11, "fixed": 3}


def test_runs_without_rl_have_no_temperature(full):
    summary = sensitivity.summarize(full)
    rows = summary.loc[(summary["value_key"] == "parameters.temperature") & (summary["kind"] == "fixed"), "row"]
    assert set(rows) == {"RL", "LD + RL"}


def test_a_sweep_has_a_median_over_the_seeds_at_each_of_its_values():
    kept = []
    for seed, neighbors, score in ((0, 8, 40.0), (1, 8, 50.0), (2, 8, 41.0), (0, 16, 70.0)):
        config = override(made_up.BASE, {"seed": seed, "parameters.neighbors": neighbors})
        kept.append(made_up.record(config, f"K={neighbors}", metrics={"mAP/3d/moderate": score}))
    summary = sensitivity.summarize(tidy((made_up.spec(),), kept))
    medians = summary[(summary["kind"] == "median") & (summary["value_key"] == NEIGHBORS)]
    assert medians[["value", "score", "n"]].to_numpy().tolist() == [[8, 41.0, 3], [16, 70.0, 1]]


def test_the_student_is_a_level_with_the_interval_of_its_mean(full):
    level = sensitivity.summarize(full).query("kind == 'student'").iloc[0]
    students = full.finished.query("method == 'student'")["metrics.mAP/3d/moderate"]
    expected = spread(students)
    assert (level["n"], level["score"]) == (2, students.mean())
    assert [level["low"], level["high"]] == pytest.approx([expected.low, expected.high])


def test_detectors_do_not_share_panels():
    other = override(made_up.BASE, {"detector.compression": 16})
    kept = [
        made_up.record(override(base, {NEIGHBORS: k}), "LD + RL") for base in (made_up.BASE, other) for k in (8, 16)
    ]
    figure = sensitivity.draw(sensitivity.summarize(tidy((made_up.spec(),), kept)))
    assert len(figure.axes) == 2


def test_parameters_are_on_logarithmic_axes(full):
    assert {axes.get_xscale() for axes in sensitivity.draw(sensitivity.summarize(full)).axes} == {"log"}


def test_distillation_terms_are_summed_in_a_panel_of_their_own(full):
    summary = training_curves.summarize(full)
    key = full.finished.query("label == 'LD + RL' and seed == 0")["key"].iloc[0]
    kd = summary[(summary["key"] == key) & (summary["quantity"] == "distillation loss")]["value"]
    recorded = full.epochs.loc[full.epochs["key"] == key, "losses.kd_loss_local"]
    assert kd.tolist() == recorded.tolist()


def test_the_detection_loss_leaves_distillation_out(full):
    summary = training_curves.summarize(full)
    key = full.finished.query("label == 'LD + RL' and seed == 0")["key"].iloc[0]
    own = summary[(summary["key"] == key) & (summary["quantity"] == "detection loss")]["value"]
    epochs = full.epochs[full.epochs["key"] == key]
    assert own.tolist() == pytest.approx((epochs["losses.loss"] - epochs["losses.kd_loss_local"]).tolist())


def test_the_mean_curve_is_the_mean_over_seeds(full):
    summary = training_curves.summarize(full)
    curve = summary[(summary["row"] == "student") & (summary["quantity"] == "loss_cls") & (summary["epoch"] == 1)]
    runs, mean = curve[curve["kind"] == "run"], curve[curve["kind"] == "mean"].iloc[0]
    assert (len(runs), mean["n"], mean["value"]) == (2, 2, pytest.approx(runs["value"].mean()))


def test_more_rows_than_colors_are_left_out_and_counted():
    kept = []
    for neighbors in range(1, 13):
        kept.append(made_up.record(override(made_up.BASE, {"parameters.neighbors": neighbors}), f"K={neighbors}"))
    summary = training_curves.summarize(tidy((made_up.spec(),), kept))
    assert summary["row"].nunique() == training_curves.ROWS
    assert "4 more rows" in training_curves.caption(summary)


def test_searched_values_that_meet_by_chance_have_no_median():
    configs = [override(made_up.BASE, {"parameters.temperature": tau}) for tau in (1, 2, 3)]
    summary = sensitivity.summarize(
        tidy((made_up.spec(),), [made_up.record(one, "x", role="search") for one in configs])
    )
    assert "median" not in set(summary["kind"])


def test_curves_stand_in_the_order_of_the_question():
    points = tuple(made_up.Point(label=f"K = {k}", set={"parameters.neighbors": k}) for k in (4, 16, 128))
    asked = made_up.spec(points=points)
    summary = training_curves.summarize(tidy((asked,), made_up.records(asked, fail=())))
    assert list(dict.fromkeys(summary["row"])) == ["teacher", "K = 4", "K = 16", "K = 128"]


@pytest.mark.parametrize(("score", "near"), [(46.0, True), (90.0, False)])
def test_a_teacher_far_above_its_students_is_a_number_in_the_legend(score, near):
    students = [override(made_up.BASE, {"method": "student", "parameters": {}, "seed": seed}) for seed in (0, 1)]
    kept = [made_up.record(config, "student") for config in students]
    kept += [made_up.record(override(made_up.BASE, {"parameters.neighbors": k}), "LD + RL") for k in (2, 16, 200)]
    kept.append(made_up.record(made_up.BASE.teacher_run(), "teacher", metrics={"mAP/3d/moderate": score}))
    figure = sensitivity.draw(sensitivity.summarize(tidy((made_up.spec(),), kept)))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert ("teacher" in labels) is near
    assert (f"teacher: {score:.1f}, beyond the axis" in labels) is not near
