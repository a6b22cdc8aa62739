"""The paper's numbers are the paper's, and stand beside its own rows only."""

import math

import made_up_study as made_up
import pytest

from analysis.published import beside, paper_value, printed_numbers, printed_sizes
from analysis.results import tidy
from analysis.run_columns import config_columns
from analysis.tables import ablation, compression
from study.nouns.overrides import override

PAPERS = override(
    made_up.BASE,
    {"parameters.neighbors": 128, "parameters.samples": 6000, "dataset": {"name": "kitti", "root": "/data"}},
)
"""The paper's PointPillars at 4x with both parts."""


@pytest.mark.parametrize(
    ("local", "reweight", "bev", "volume"),
    [(True, False, 68.7, 61.2), (False, True, 68.4, 60.6), (True, True, 69.2, 62.1)],
)
def test_table_5_is_as_printed(local, reweight, bev, volume):
    row = ("pointpillars", 4, "pointdistiller", local, reweight)
    assert [paper_value(*row, f"mAP/{task}/moderate") for task in ("bev", "3d")] == [bev, volume]


def test_detectors_have_their_published_cost():
    row = ("second", 16, "student", False, False)
    assert (paper_value(*row, "gflops"), paper_value(*row, "params_m")) == (4.6, 0.4)


def test_a_row_that_the_paper_does_not_have_is_not_a_number():
    assert math.isnan(paper_value("pointpillars", 2, "student", False, False, "mAP/3d/moderate"))


def test_the_second_paper_s_numbers_are_as_printed():
    row = ("centerpoint", 2, "rdd", False, False)
    assert [paper_value(*row, metric) for metric in ("mAP", "NDS")] == [57.1, 65.0]
    assert paper_value("centerpoint", 8, "sparsekd", False, False, "NDS") == 57.8


def test_a_detector_is_costed_at_the_papers_sizes():
    assert printed_sizes("pointrcnn") == [1, 8, 16]
    assert printed_sizes("pointpillars_fpn") == [1, 2, 4]
    assert printed_sizes("centerpoint") == [1, 2, 3, 8]
    assert printed_sizes("another") == []


def test_a_number_that_several_tables_print_is_the_same_in_all():
    table = printed_numbers()
    same = table.groupby(["dataset", "detector", "compression", "method", "local", "reweight", "metric"])["value"]
    assert (same.nunique() == 1).all()


def test_the_mean_over_classes_is_near_the_printed_mean():
    table = printed_numbers()
    row = table[
        (table.paper == "PointDistiller") & (table.table == 5) & (table.task == "3d") & (table.method == "student")
    ].set_index("metric")["value"]
    classes = [row[f"3d/{name}/moderate"] for name in ("Car", "Pedestrian", "Cyclist")]
    assert sum(classes) / 3 == pytest.approx(row["mAP/3d/moderate"], abs=0.06)


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({}, ()),
        ({"parameters.temperature": 1.0}, ()),
        ({"parameters.neighbors": 16}, ("K",)),
        ({"parameters.samples": 3000}, ("N",)),
        ({"parameters.local": False, "parameters.neighbors": None}, ()),
        ({"method": "student", "parameters": {}}, ()),
        ({"method": "fitnet", "parameters": {}}, ()),
        ({"detector.width": 0.5}, ("detector's size",)),
        ({"detector.pillar": 0.32}, ("detector's size",)),
        ({"dataset": {"name": "simulated"}}, ("data set",)),
        ({"dataset": {"name": "simulated"}, "parameters.neighbors": 16}, ("data set", "K")),
    ],
)
def test_a_row_is_the_papers_in_its_whole_setting_only(changes, differs):
    printed = beside(config_columns(override(PAPERS, changes)))
    assert printed is not None
    assert printed.differs == differs


@pytest.mark.parametrize(
    "changes",
    [
        {"detector.compression": 2},
        {"detector.name": "another"},
        {"method": "sparsekd", "parameters": {}},
        {"parameters.local": False, "parameters.reweight": False},
    ],
)
def test_a_row_that_the_paper_lacks_has_nothing_beside_it(changes):
    assert beside(config_columns(override(PAPERS, changes))) is None


def test_only_the_row_in_the_papers_setting_bears_the_papers_number():
    kept = [made_up.record(override(PAPERS, {"parameters.neighbors": k}), f"K = {k}") for k in (16, 128)]
    table = ablation.present(ablation.summarize(tidy((made_up.spec(),), kept)))
    of_3d = table[table["Metrics"] == "3D"].set_index("Row")
    assert "paper" not in of_3d.loc["K = 16", "mAP ↑"]
    assert of_3d.loc["K = 128", "mAP ↑"].splitlines()[-1].startswith("paper 62.1 (−")
    assert of_3d["mAP (paper, other setting)"].to_dict() == {"K = 16": "62.1", "K = 128": "–"}
    assert of_3d["Gain (same seeds)"].to_dict() == {"K = 16": "–", "K = 128": "–\npaper +3.4"}


def test_a_row_that_the_paper_lacks_makes_no_column():
    kept = [made_up.record(override(PAPERS, {"detector.compression": 2}), "2x")]
    assert not [name for name in ablation.present(ablation.summarize(tidy((made_up.spec(),), kept))) if "paper" in name]


def test_the_papers_costs_stand_beside_detectors_of_full_size_only():
    def shown(width):
        changes = {"detector.width": width, "method": "student", "parameters": {}}
        kept = [
            made_up.record(
                override(PAPERS, {**changes, "detector.compression": ratio}), f"{ratio}x", facts={"gflops": 36 / ratio}
            )
            for ratio in (4, 16)
        ]
        return compression.present(compression.summarize(tidy((made_up.spec(),), kept)))

    assert shown(1)["GFLOPs ↓"].tolist() == ["9.00\npaper 9.0 (+0.00)", "2.25\npaper 2.5 (−0.25)"] * 2
    assert shown(0.5)["GFLOPs ↓"].tolist() == ["9.00", "2.25"] * 2
