"""PointDistiller's defaults: complete for every form and kind of rows, and the released ones as the code has them."""

import pytest
import torch
from scene import rows

from trainables.costs.paper_way import ADAPTERS
from trainables.distillers.pointdistiller import PointDistiller
from trainables.features import Features

SCANS = [14, 11]


def test_a_parameter_that_is_not_read_does_not_change_the_key():
    complete = PointDistiller.complete
    assert complete({"local": False, "neighbors": 7}, "pillars") == complete({"local": False}, "pillars")
    assert complete({"reweight": False, "temperature": 7}, "pillars") == complete({"reweight": False}, "pillars")
    flat = {"form": "released"}
    assert complete({**flat, "temperature": 7}, "cells") == complete(flat, "cells")  # weights are constant


def test_completing_twice_changes_nothing():
    for given in ({}, {"form": "released"}, {"form": "released", "reweight": False}, {"local": False}):
        for kind in ("pillars", "cells", "points"):
            once = PointDistiller.complete(given, kind)
            assert PointDistiller.complete(once, kind) == once


@pytest.mark.parametrize("kind", ["pillars", "cells", "points"])
@pytest.mark.parametrize("form", ["paper", "released"])
def test_every_form_has_a_value_for_everything_whatever_the_rows(form, kind):
    whole = PointDistiller.complete({"form": form}, kind)
    unread = (
        {"temperature", "reweight_by"} if (form, kind) in (("released", "cells"), ("released", "points")) else set()
    )
    assert whole.keys() == PointDistiller.Parameters.model_fields.keys() - unread
    assert None not in whole.values()


def test_the_defaults_that_parameters_show_are_those_of_the_paper_for_pillars():
    assert PointDistiller.complete({}, "pillars") == PointDistiller.Parameters().model_dump()


RELEASED = [
    # detector and compression: rows' widths of student and teacher, per level, graph's width; K, N of what, tau
    ("pillars", [(32, 64)], [32], {"neighbors": 128, "samples": 6000, "scope": "batch", "temperature": 1e-2}),
    ("pillars", [(16, 64)], [16], {"neighbors": 128, "samples": 6000, "scope": "batch", "temperature": 1e-2}),
    ("cells", [(64, 128), (128, 256)], [32, 32], {"neighbors": 128, "samples": 256, "scope": "scan"}),
    ("cells", [(32, 128), (64, 256)], [32, 32], {"neighbors": 128, "samples": 256, "scope": "scan"}),
    ("points", [(45, 128)], [45], {"neighbors": 128, "samples": 6000, "scope": "scan", "aggregate": "max"}),
    ("points", [(32, 128)], [32], {"neighbors": 128, "samples": 6000, "scope": "scan", "aggregate": "max"}),
]
NAMES = ["PointPillars 4x", "PointPillars 16x", "SECOND 4x", "SECOND 16x", "PointRCNN 8x", "PointRCNN 16x"]


@pytest.mark.parametrize("reweight", [True, False], ids=["RL", "no RL"])
@pytest.mark.parametrize(("kind", "widths", "graphs", "values"), RELEASED, ids=NAMES)
def test_the_released_form_is_what_the_code_does_for_each_detector_compression_and_switch(
    kind, widths, graphs, values, reweight
):
    whole = PointDistiller.complete({"form": "released", "reweight": reweight}, kind)
    loss = {"distance": "mse", "weight": 2.0} if reweight else {"distance": "frobenius", "weight": 5e-4}
    values = values if reweight else {name: value for name, value in values.items() if name != "temperature"}
    for name, value in {**values, **loss, "shortfall": "raise", "teacher_mode": "train", "edge": "concat"}.items():
        assert whole[name] == value, name
    narrow, wide = (
        Features(rows=tuple(rows(pair[side], SCANS, kind=kind, dtype=torch.float32) for pair in widths))
        for side in (0, 1)
    )
    given = {"form": "released", "reweight": reweight, "samples": 5}
    distiller = PointDistiller(PointDistiller.Parameters(**PointDistiller.complete(given, kind)), narrow, wide)
    for convolutions in (distiller.student_graphs, distiller.teacher_graphs):
        assert [graph.norm.num_features for graph in convolutions] == graphs


def test_the_released_graphs_are_as_wide_as_the_adapters_that_the_paper_counts():
    for name, (_, widths, graphs, _) in zip(NAMES, RELEASED, strict=True):
        detector, ratio = name.lower().split()
        counted = ADAPTERS[detector, float(ratio[:-1])]
        if name != "PointPillars 4x":  # the paper counts it with SECOND's
            expected = [(pair[side], width) for side in (1, 0) for pair, width in zip(widths, graphs, strict=True)]
            assert sorted(counted) == sorted(expected), name


@pytest.mark.parametrize("bad", [{"neighbors": 0}, {"temperature": 0}, {"temperature": -1}, {"samples": 0},
                                 {"samples": 2.5}, {"form": "upstream"}, {"neighbours": 3}], ids=str)  # fmt: skip
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        PointDistiller.complete(bad, "pillars")
