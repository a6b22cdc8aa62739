"""Figures of records whose truth was planted draw that truth, and nothing that the records do not hold."""

from dataclasses import replace

import made_up_study as made_up
import pytest

from analysis.figures import class_gains, gain_by_size, search_history, search_importances, search_map
from analysis.results import Results, tidy
from study.nouns.importances import Importance, Importances
from study.nouns.metrics import Metric
from study.nouns.overrides import override
from study.nouns.spec import Point, SearchSpec

K, N, TAU = "parameters.neighbors", "parameters.samples", "parameters.temperature"
STUDENT = {"method": "student", "parameters": {}}
VOLUME = "mAP/3d/moderate"


def sized(scores: dict[float, tuple[float, float]], seeds: tuple[int, ...] = (0, 1), **base) -> Results:
    """Student and distilled scores by compression, alike on every seed but for what the seed adds to both."""
    points, planted = [], {}
    for size, both in scores.items():
        for label, changes, score in zip(("student", "LD + RL"), (STUDENT, {}), both, strict=True):
            points.append(Point(label=f"{label} {size:g}x", set={**changes, "detector.compression": size}))
            planted[points[-1].label] = score
    asked = made_up.spec(base=override(made_up.BASE, base), points=tuple(points), seeds=seeds, search=None)
    kept = [made_up.record(asked.base.teacher_run(), "teacher", metrics={VOLUME: 70.0})]
    for _, run in made_up.planned(asked):
        values = {VOLUME: planted[run.label] + 10 * run.config.seed}
        kept.append(made_up.record(run.config, run.label, metrics=values))
    return tidy((asked,), kept, made_up.planned(asked))


def test_a_planted_gain_stands_hatched_on_top_of_the_student_at_each_size_and_a_loss_hangs_below():
    summary = gain_by_size.summarize(sized({4: (50.0, 52.0), 8: (45.0, 45.0), 16: (40.0, 37.0)}))
    summary = summary[summary["block"] == "3D"]
    boxes = summary[summary["kind"] == "distilled"]
    assert boxes["size"].tolist() == [4, 8, 16]
    assert boxes["base"].tolist() == [55.0, 50.0, 45.0]
    assert boxes["gain"].tolist() == [2.0, 0.0, -3.0]
    assert boxes["score"].tolist() == [57.0, 50.0, 42.0]
    assert summary.loc[summary["kind"] == "teacher", "score"].tolist() == [70.0]
    (axes,) = gain_by_size.draw(summary).axes
    drawn = [(patch.get_y(), patch.get_height(), patch.get_hatch()) for patch in axes.patches]
    assert drawn == [(55.0, 2.0, "////"), (50.0, 0.0, "////"), (45.0, -3.0, "xxxx")]


def test_a_gain_is_that_of_the_seeds_that_both_have():
    whole = sized({4: (50.0, 52.0), 8: (45.0, 46.0)})
    lost = whole.runs[(whole.runs["method"] == "student") & (whole.runs["seed"] == 1)].index
    whole.runs.loc[lost, "status"] = "failed"
    summary = gain_by_size.summarize(whole)
    assert summary.loc[summary["kind"] == "distilled", "gain"].dropna().tolist() == [2.0, 1.0]


def test_the_papers_values_stand_there_in_the_papers_setting_only():
    scores = {4.0: (50.0, 52.0), 8.0: (45.0, 46.0)}
    assert set(gain_by_size.summarize(sized(scores))["kind"]) == {"teacher", "student", "distilled"}
    of_paper = {"dataset.name": "kitti", K: 128, N: 6000}
    summary = gain_by_size.summarize(sized(scores, **of_paper))
    printed = summary[summary["kind"].str.startswith("paper") & (summary["block"] == "3D")]
    assert dict(zip(printed["kind"], printed["score"], strict=False))["paper, student"] == 58.7
    assert {58.7, 62.1} <= set(printed["score"])


def test_of_several_distilled_rows_of_one_size_the_first_is_drawn_and_the_others_are_counted():
    points = (*made_up.POINTS, *made_up.SMALL, Point(label="K = 4", set={K: 4}))
    whole = made_up.whole(points=points, claims=())
    summary = gain_by_size.summarize(tidy((whole,), made_up.records(whole, fail=())))
    at_4 = summary[(summary["kind"] == "distilled") & (summary["size"] == 4) & (summary["block"] == "3D")]
    assert at_4["row"].tolist() == ["LD + RL"]
    assert at_4["left_out"].tolist() == [1]
    assert "more rows are in the table only" in gain_by_size.caption(summary)


def classes(noise: float = 0.0) -> Results:
    """Cars gain 2, pedestrians lose 1, an error falls by 3; the seed adds 10 to everything."""
    declared = (
        Metric(name="car", title="cars", block="A", column="Car", unit="%"),
        Metric(name="walker", title="pedestrians", block="A", column="Pedestrian", unit="%"),
        Metric(name="error", title="error", block="A", column="Error", unit="%", direction="min", headline=True),
    )
    asked = made_up.spec(
        points=(Point(label="student", set=STUDENT), Point(label="LD + RL")), search=None, seeds=(0, 1, 2)
    )
    kept = []
    for _, run in made_up.planned(asked):
        gained = run.config.method != "student"
        seed = 10.0 * run.config.seed + noise * run.config.seed * gained
        values = {"car": 50 + 2 * gained + seed, "walker": 30 - gained + seed, "error": 40 - 3 * gained + seed}
        kept.append(made_up.record(run.config, run.label, metrics=values, declared=declared))
    return tidy((asked,), kept, made_up.planned(asked))


def test_every_class_gains_what_was_planted_seed_by_seed_with_the_sign_of_its_metric():
    summary = class_gains.summarize(classes())
    runs, means = summary[summary["kind"] == "run"], summary[summary["kind"] == "mean"]
    assert dict(zip(means["column"], means["gain"], strict=True)) == {"Car": 2, "Pedestrian": -1, "Error": 3}
    assert runs.groupby("column", sort=False)["gain"].apply(list).to_dict() == {
        "Car": [2, 2, 2], "Pedestrian": [-1, -1, -1], "Error": [3, 3, 3]
    }  # fmt: skip
    assert means["low"].tolist() == means["gain"].tolist()
    assert [text.get_text() for text in class_gains.draw(summary).axes[0].get_yticklabels()] == [
        "Car", "Pedestrian", "Error"
    ]  # fmt: skip


def test_the_interval_of_a_class_is_as_wide_as_its_pairs_are_apart():
    mean = class_gains.summarize(classes(noise=1.0)).query("kind == 'mean' and column == 'Car'").iloc[0]
    assert (mean["gain"], mean["n"]) == (3.0, 3)
    assert mean["high"] - mean["low"] == pytest.approx(2 * 4.303 / 3**0.5, abs=1e-3)


def searched(scores: list[float | None], direction: str = "max", **search) -> Results:
    """A search whose runs start one after another; those without a score fail."""
    metric = Metric(name="m", title="score", direction=direction)
    asked = made_up.spec(points=(), metric="m", search=SearchSpec(trials=len(scores), **search))
    kept = []
    for at, score in enumerate(scores):
        config = override(made_up.BASE, {K: 4 * (len(scores) - at), N: 100 * (at + 1), TAU: 1.0 + at % 2})
        status = "failed" if score is None else "finished"
        values = {} if score is None else {"m": score}
        facts = {"gflops": float(at)}
        kept.append(
            made_up.record(
                config, "search", status, "search", metrics=values, declared=(metric,), facts=facts,
                started=f"2025-01-01T00:00:{at:02d}",
            )
        )  # fmt: skip
    return tidy((asked,), kept[::-1])


def rated(part: Results, *values: Importance) -> Results:
    importances = Importances(trials=len(part.runs), best=1, values=values)
    return replace(part, importances={part.specs[0].name: importances})


@pytest.mark.parametrize(
    ("direction", "best"), [("max", [10, 10, 30, 30, 30]), ("min", [10, 10, 10, 10, 5])]
)  # fmt: skip
def test_the_best_so_far_never_gets_worse_and_a_failed_run_changes_nothing(direction, best):
    summary = search_history.summarize(searched([10.0, None, 30.0, 20.0, 5.0], direction))
    assert summary["at"].tolist() == [1, 2, 3, 4, 5]
    assert summary["kind"].tolist() == ["finished", "failed", *["finished"] * 3]
    assert summary["best"].tolist() == best
    (line,) = search_history.draw(summary).axes[0].lines
    assert list(line.get_ydata()) == best


def test_a_run_beyond_a_bound_is_never_the_best_so_far():
    summary = search_history.summarize(searched([10.0, 12.0, 99.0], constraints={"gflops": 1.0}))
    assert summary["kind"].tolist() == ["finished", "finished", "beyond a bound"]
    assert summary["best"].tolist() == [10, 12, 12]


def test_the_map_shows_each_run_where_it_was_and_the_best_as_a_star():
    summary = search_map.summarize(searched([10.0, None, 30.0, 20.0]))
    assert set(zip(summary["x_key"], summary["y_key"], strict=True)) == {(K, N)}
    found = {(row["x"], row["y"]): (row["kind"], row["score"]) for row in summary.to_dict("records")}
    assert found[8.0, 300.0] == ("best run", 30)
    assert found[16.0, 100.0] == ("finished run", 10)
    assert found[12.0, 200.0][0] == "run without a result"
    assert len(found) == 4
    assert summary.loc[summary["kind"] == "run without a result", "score"].isna().all()


def test_of_a_metric_that_is_better_when_smaller_the_smallest_is_the_star():
    summary = search_map.summarize(searched([10.0, 30.0, 4.0], "min"))
    assert summary.loc[summary["kind"] == "best run", "score"].tolist() == [4.0]


def test_the_map_is_over_the_two_values_that_were_rated_most_important():
    values = [Importance(key=key, median=median, low=0, high=1, n=4) for key, median in ((TAU, 0.6), (K, 0.4), (N, 0))]
    part = rated(searched([1.0, 2.0, 3.0, 4.0]), *values)
    summary = search_map.summarize(part)
    assert set(zip(summary["x_key"], summary["y_key"], strict=True)) == {(TAU, K)}
    assert search_importances.summarize(part)["median"].tolist() == [0.6, 0.4, 0.0]


def test_a_search_of_one_number_has_no_map():
    part = searched([1.0, 2.0])
    part.runs[[N, TAU]] = 5
    assert search_map.summarize(part).empty


def test_values_too_few_trials_could_rate_are_not_drawn():
    assert search_importances.summarize(rated(searched([1.0]), Importance(key=K, n=1))).empty
