"""The paper's numbers are the paper's."""

import math

import pytest

from analysis.published import paper_value, published


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


def test_a_number_that_several_tables_print_is_the_same_in_all():
    table = published()
    same = table.groupby(["dataset", "detector", "compression", "method", "local", "reweight", "metric"])["value"]
    assert (same.nunique() == 1).all()


def test_the_mean_over_classes_is_near_the_printed_mean():
    table = published()
    row = table[(table.table == 5) & (table.task == "3d") & (table.method == "student")].set_index("metric")["value"]
    classes = [row[f"3d/{name}/moderate"] for name in ("Car", "Pedestrian", "Cyclist")]
    assert sum(classes) / 3 == pytest.approx(row["mAP/3d/moderate"], abs=0.06)
