"""What a search with several objectives, or with bounds, shows: the front first, and nothing beyond a bound as best."""

import made_up_study as made_up
import numpy as np
import pandas as pd
import pytest

from analysis.answers import sentences
from analysis.figures import front
from analysis.fronts import judged, on_front
from analysis.results import Results, tidy
from analysis.study_folders import load
from analysis.tables import search, search_values
from study.nouns.errors import InputError
from study.nouns.importances import Importance, Importances
from study.nouns.metrics import COSTS, Metric
from study.nouns.overrides import override
from study.nouns.parameters import Range
from study.nouns.spec import SearchSpec

VOLUME = "mAP/3d/moderate"
GFLOPS = COSTS[0]
POINTS = [(40.0, 2.0), (44.0, 4.0), (43.0, 5.0), (46.0, 8.0), (44.0, 4.0), (39.0, 3.0), (50.0, 12.0)]
"""Metric and cost of each run: the third is beaten by the second and the fifth, the sixth by the first."""


def results(constraints=None, points=POINTS, objectives=(VOLUME, "gflops"), **changes) -> Results:
    asked = made_up.spec(
        points=(made_up.POINTS[0],), seeds=(0,),
        search=SearchSpec(trials=9, objectives=objectives, constraints=constraints or {}, **changes),
    )  # fmt: skip
    kept = made_up.records(asked, fail=(), search=0)
    for number, (score, cost) in enumerate(points):
        config = override(
            made_up.BASE, {"parameters.neighbors": 4 + number, "training.learning_rate": 1e-3 * (number + 1)}
        )
        kept.append(made_up.record(config, "s", role="search", metrics={VOLUME: score}, facts={"gflops": cost}))
    return tidy((asked,), kept)


def scores(table: pd.DataFrame) -> list[tuple[float, float]]:
    return list(zip(table["score"], table["facts.gflops"], strict=True))


def test_the_front_is_what_comparing_every_pair_gives():
    metrics = (Metric(name="a", title="a"), Metric(name="b", title="b", direction="min"))
    values = np.random.default_rng(0).integers(0, 6, (60, 2)).astype(float)
    runs = pd.DataFrame({"metrics.a": values[:, 0], "metrics.b": values[:, 1]})
    expected = [
        not any((a >= x and b <= y) and (a, b) != (x, y) for a, b in values.tolist()) for x, y in values.tolist()
    ]
    assert on_front(runs, metrics).tolist() == expected
    assert on_front(runs.iloc[:0], metrics).tolist() == []


def test_the_front_comes_first_in_the_table_and_says_so():
    table = search.summarize(results())
    assert scores(table) == [(50, 12), (46, 8), (44, 4), (44, 4), (40, 2), (43, 5), (39, 3)]
    assert table["front"].tolist() == [True] * 5 + [False] * 2
    texts = search.present(table)
    assert texts["On the front"].tolist() == ["✓"] * 5 + ["×"] * 2
    assert texts["GFLOPs"].tolist()[:2] == ["12.00", "8.00"]
    assert "Keeps to the bounds" not in texts
    assert "on the front of moderate 3D mAP and GFLOPs come first" in search.caption(table)


def test_a_front_of_more_than_ten_runs_is_shown_whole():
    table = search.summarize(results(points=[(40.0 + n, 1.0 + n) for n in range(14)]))
    assert len(table) == 14


def test_runs_beyond_a_bound_are_neither_on_the_front_nor_ranked():
    table = search.summarize(results({"gflops": 5.0, VOLUME: 40.0}))
    assert scores(table)[:4] == [(44, 4), (44, 4), (40, 2), (43, 5)]
    assert table["within"].tolist() == [True] * 4 + [False] * 3
    assert table["front"].tolist() == [True] * 3 + [False] * 4
    texts = search.present(table)
    assert texts["Rank"].tolist() == ["1", "2", "3", "4", "–", "–", "–"]
    assert texts["Keeps to the bounds"].tolist() == ["✓"] * 4 + ["×"] * 3
    assert "Beyond the bounds (GFLOPs at most 5 and moderate 3D mAP at least 40): 3, which come last" in search.caption(
        table
    )


def test_a_run_beyond_a_bound_is_never_called_the_best():
    bounded = results({"gflops": 5.0}, objectives=())
    assert search.summarize(bounded)["score"].tolist()[:2] == [44, 44]
    (said,) = [text for text in sentences(bounded) if "search runs" in text]
    assert said.startswith(
        "The best of 5 search runs that keep to GFLOPs at most 5 scored 44.0 moderate 3D mAP (median"
    )
    (said,) = [text for text in sentences(results({"gflops": 1.0})) if "search runs" in text]
    assert said == "None of 7 search runs keeps to the bounds of the search (GFLOPs at most 1)."


def test_the_answer_to_several_objectives_is_how_many_runs_are_on_the_front():
    (said,) = [text for text in sentences(results()) if "search runs" in text]
    assert said == "5 of 7 search runs are on the front of moderate 3D mAP and GFLOPs (lower is better)."


def test_a_run_that_lacks_an_objective_is_missing():
    part = results()
    part.runs.loc[part.runs["metrics." + VOLUME] == 50, "facts.gflops"] = np.nan
    found = judged(part)
    assert (len(found.runs), found.missing) == (6, 1)


def test_the_figure_joins_the_front_and_knows_which_way_it_steps():
    summary = front.summarize(results({"gflops": 10.0}))
    kinds = {(row["y"], row["x"]): row["kind"] for row in summary.to_dict("records")}
    assert kinds[50.0, 12.0] == "beyond a bound"
    assert kinds[43.0, 5.0] == kinds[39.0, 3.0] == "beaten by another run"
    joined = summary[summary["joined"]]
    assert joined["x"].tolist() == [2.0, 4.0, 4.0, 8.0]
    assert joined["kind"].unique().tolist() == ["on the front"]
    assert summary["steps"].unique().tolist() == ["steps-post"]
    turned = front.summarize(results(objectives=("gflops", VOLUME)))
    assert turned["steps"].unique().tolist() == ["steps-pre"]
    assert turned["y_axis"].unique().tolist() == ["GFLOPs"]
    (axes,) = front.draw(summary).axes
    assert len(axes.lines) == 1


def test_a_search_with_one_objective_has_no_front():
    assert front.summarize(results(objectives=())).empty
    assert "one objective" in front.EMPTY


def test_a_searched_value_without_a_name_for_people_has_a_column_too():
    table = search.summarize(results(space={"training.learning_rate": Range(low=1e-4, high=1)}))
    assert search.present(table)["learning_rate"].tolist()[:2] == ["0.007", "0.004"]


def rated(trials: int, *values: Importance) -> pd.DataFrame:
    part = results()
    made = tidy(part.specs, [], importances={"quickstart": Importances(trials=trials, best=5, values=values)})
    return search_values.summarize(made)


def test_importances_are_shown_with_their_intervals():
    table = rated(12, Importance(key="training.learning_rate", median=0.75, low=0.5, high=0.875, n=9))
    texts = search_values.present(table)
    assert texts.iloc[0].tolist() == ["training.learning_rate", "75.0", "50.0 to 87.5", "9"]
    assert (
        "the best 5 of 12 finished trials, on the front of its objectives or nearest to it,"
        in search_values.caption(table)
    )
    assert "under a condition is rated on the n trials that had it" in search_values.caption(table)


def test_too_few_trials_are_called_too_few():
    table = rated(9, Importance(key="parameters.neighbors", n=9))
    texts = search_values.present(table)
    assert texts.iloc[0].tolist() == ["parameters.neighbors", "too few trials", "–", "9"]
    assert "9 finished trials are too few to rate anything; 10 are needed" in search_values.caption(table)


def test_importances_that_cannot_be_read_are_named(tmp_path):
    asked = made_up.spec()
    folder = made_up.write(tmp_path, asked, made_up.records(asked), importances=made_up.IMPORTANCES)
    assert search_values.summarize(load([folder]))["parameter"].tolist() == ["K", "N"]
    (folder / "importances.json").write_text("{}")
    with pytest.raises(InputError, match=r"importances\.json: not the importances of a search: Field required"):
        load([folder])
