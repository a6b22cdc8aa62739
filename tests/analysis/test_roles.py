"""What a run counts as is its role; its label is a name and nothing else."""

import made_up_study as made_up

from analysis.figures import sensitivity
from analysis.results import tidy
from analysis.tables import ablation, all_runs, search
from study.nouns.overrides import override
from study.nouns.spec import Point

K = "parameters.neighbors"


def test_a_row_that_is_labeled_search_stays_a_row():
    asked = made_up.spec(points=(made_up.POINTS[0], Point(label="search", set={K: 4})), search=None)
    results = tidy((asked,), made_up.records(asked, fail=(), search=0), made_up.planned(asked))
    assert "search" in set(ablation.summarize(results)["row"])
    assert search.summarize(results).empty


def test_a_row_that_is_labeled_as_a_tuning_run_stays_a_row():
    kept = [made_up.record(made_up.BASE, "tuning: all"), made_up.record(made_up.BASE.teacher_run(), "teacher")]
    assert "tuning: all" in set(ablation.summarize(tidy((made_up.spec(),), kept))["row"])


def test_a_searched_configuration_that_is_also_a_row_counts_as_its_role_says():
    at_sixteen = [override(made_up.BASE, {K: 16, "seed": seed}) for seed in (0, 1, 2)]
    kept = [made_up.record(config, "LD + RL") for config in at_sixteen[:2]]
    kept.append(made_up.record(at_sixteen[2], "LD + RL", role="search"))
    results = tidy((made_up.spec(),), kept)
    assert ablation.summarize(results)["n"].unique().tolist() == [2]
    assert search.summarize(results)["key"].tolist() == [at_sixteen[2].key]
    assert results.runs["row"].tolist() == ["LD + RL", "LD + RL", "search"]


def test_a_search_run_bears_any_label():
    kept = [made_up.record(override(made_up.BASE, {K: k}), f"suggestion {k}", role="search") for k in (4, 8)]
    results = tidy((made_up.spec(),), kept)
    assert len(search.summarize(results)) == 2
    assert set(sensitivity.summarize(results)["kind"]) == {"search"}


def test_repetitions_of_what_was_found_are_a_row_of_their_own():
    found = override(made_up.BASE, {K: 40})
    kept = [made_up.record(found, "found", role="search")]
    kept += [made_up.record(override(found, {"seed": seed}), "found", role="confirmation") for seed in (1, 2, 3)]
    summary = ablation.summarize(tidy((made_up.spec(),), kept))
    assert summary[["row", "n"]].drop_duplicates().to_numpy().tolist() == [["found", 3]]


def test_the_table_of_all_runs_tells_a_tuning_run_from_its_row():
    config = override(made_up.BASE, {"seed": 1000})
    kept = [made_up.record(made_up.BASE, "x"), made_up.record(config, "x", role="tuning")]
    summary = all_runs.summarize(tidy((made_up.spec(),), kept))
    assert summary["role"].tolist() == ["row", "tuning"]
    assert all_runs.present(summary)["Row"].tolist() == ["x", "tuning of x"]
