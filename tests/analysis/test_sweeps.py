"""A sweep is the runs that differ in one value only; a median never mixes two."""

import made_up_study as made_up
import pytest

from analysis.figures import sensitivity
from analysis.results import tidy
from analysis.sweeps import sweeps_of
from study.nouns.overrides import override
from study.nouns.spec import Point

K, N = "parameters.neighbors", "parameters.samples"
FLAT = 50.0


def crossing(seeds=(0, 1, 2)):
    """Figure 5's design: K is swept at the base's N and does nothing, N at the base's K and costs up to 10."""
    base = override(made_up.BASE, {K: 64, N: 6000})
    swept = [(K, k, FLAT) for k in (16, 32, 64, 128, 256)]
    swept += [(N, n, FLAT - cost) for n, cost in ((1500, 10.0), (3000, 5.0), (9000, 8.0), (12000, 9.0))]
    points = tuple(Point(label=f"{key} {value}", set={key: value}) for key, value, _ in swept)
    asked = made_up.spec(base=base, points=points, seeds=seeds)
    scores = {point.label: score for point, (_, _, score) in zip(points, swept, strict=True)}
    kept = [
        made_up.record(run.config, run.label, metrics={"mAP/3d/moderate": scores[run.label]})
        for _, run in made_up.planned(asked)
    ]
    return tidy((asked,), kept, made_up.planned(asked))


def medians(summary, key):
    rows = summary[(summary["kind"] == "median") & (summary["value_key"] == key)]
    return dict(zip(rows["value"], rows["score"], strict=True))


def test_a_flat_line_beside_another_sweep_is_drawn_flat():
    summary = sensitivity.summarize(crossing())
    assert medians(summary, K) == dict.fromkeys((16, 32, 64, 128, 256), FLAT)
    assert medians(summary, N) == {1500: 40.0, 3000: 45.0, 6000: 50.0, 9000: 42.0, 12000: 41.0}
    (line,) = [line for line in sensitivity.draw(summary).axes[0].lines if line.get_label() == "median along a sweep"]
    assert set(line.get_ydata()) == {FLAT}


def test_the_base_run_is_a_point_of_every_sweep_that_crosses_it():
    results = crossing(seeds=(0,))
    of = {key: list(sweeps_of(results.finished, key)) for key in (K, N)}
    assert {key: len(found) for key, found in of.items()} == {K: 1, N: 1}
    shared = set(of[K][0].runs["key"]) & set(of[N][0].runs["key"])
    assert len(shared) == 1
    assert results.runs.set_index("key").loc[shared.pop(), [K, N]].tolist() == [64, 6000]


def test_a_grid_is_a_sweep_at_each_of_its_other_values():
    configs = [override(made_up.BASE, {K: k, N: n}) for k in (8, 16) for n in (100, 200, 400)]
    results = tidy((made_up.spec(),), [made_up.record(config, "grid") for config in configs])
    assert [len(sweep.runs) for sweep in sweeps_of(results.finished, K)] == [2, 2, 2]
    assert [len(sweep.runs) for sweep in sweeps_of(results.finished, N)] == [3, 3]


def test_students_of_two_teachers_are_of_two_sweeps():
    kept = []
    for teacher, score in ((0, 40.0), (1, 60.0)):
        for k in (8, 16):
            config = override(made_up.BASE, {K: k, "teacher.seed": teacher})
            kept.append(made_up.record(config, f"K {k}", metrics={"mAP/3d/moderate": score}))
    found = list(sweeps_of(tidy((made_up.spec(),), kept).finished, K))
    assert sorted(set(sweep.runs["metrics.mAP/3d/moderate"]).pop() for sweep in found) == [40.0, 60.0]


def test_a_repetition_of_what_the_search_found_belongs_to_its_sweep():
    roles = {8: "row", 16: "row", 32: "confirmation", 64: "search"}
    kept = [made_up.record(override(made_up.BASE, {K: k}), "x", role=role) for k, role in roles.items()]
    (sweep,) = sweeps_of(tidy((made_up.spec(),), kept).finished, K)
    assert sorted(sweep.runs["at"]) == [8, 16, 32]


@pytest.mark.parametrize("value", [0, -1])
def test_a_value_that_is_not_positive_stands_on_a_linear_axis(value):
    kept = [made_up.record(override(made_up.BASE, {"parameters.shift": at}), "x",
                           called={"parameters.shift": made_up.Called(symbol="S")}) for at in (value, 3)]  # fmt: skip
    axes = sensitivity.draw(sensitivity.summarize(tidy((made_up.spec(),), kept))).axes
    assert [(one.get_xlabel(), one.get_xscale()) for one in axes] == [("S", "linear")]
