"""PointDistiller on detectors of several levels, in paper and released form, against the formula written as loops."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from scene import BATCH
from small_detectors import prepared, scans, small
from test_pointdistiller import reference

from study.nouns.config import DetectorConfig, TrialConfig
from trainables import detectors
from trainables import run as one_run
from trainables.distillers.pointdistiller import PointDistiller
from trainables.features import Features
from trainables.training.building import build_detector
from trainables.training.reader import Reader

FEW = {"samples": 5, "neighbors": 3}


@cache
def features(family: str) -> tuple[Features, Features]:
    """Rows of a small student and its teacher, in float64."""
    config = TrialConfig(detector=small(family))
    networks = [build_detector(config, teacher=teacher).eval() for teacher in (False, True)]
    batch = prepared(networks[0], scans(family, [900, 700]))
    read = [Reader(network, detectors.load(family), ("rows",)).features(batch).rows for network in networks]
    return tuple(Features(rows=tuple(replace(r, values=r.values.double()) for r in rows)) for rows in read)


def resolved(family: str, **parameters) -> dict:
    """Every hyper-parameter of a run of the family."""
    config = TrialConfig(method="pointdistiller", detector=DetectorConfig(name=family), parameters=parameters)
    return one_run._completed(config)[1]


@pytest.mark.parametrize("switches", [{}, {"reweight": False}, {"local": False}], ids=str)
@pytest.mark.parametrize("form", ["paper", "released"])
@pytest.mark.parametrize(("family", "levels"), [("pointpillars_fpn", 1), ("centerpoint", 2)])
def test_both_forms_agree_with_the_formula_added_over_the_levels_that_are_distilled(family, levels, form, switches):
    seen = features(family)
    torch.manual_seed(3)
    distiller = PointDistiller(PointDistiller.Parameters(**resolved(family, form=form, **FEW, **switches)), *seen)
    for name, parameter in distiller.double().named_parameters():  # batch norm's 1 and 0 would hide a mistake
        if "norm" in name:
            torch.nn.init.uniform_(parameter, 0.2, 1.5)
    expected = sum(reference(distiller, seen, level) for level in range(levels))
    assert len(seen[0].rows) == levels
    assert distiller(*seen, BATCH)["kd_loss"].item() == pytest.approx(expected, rel=1e-9)


def test_the_released_form_on_the_pyramid_is_what_its_own_code_does():
    whole = resolved("pointpillars_fpn", form="released")
    expected = {
        "samples": 256, "neighbors": 128, "scope": "scan", "neighbor_space": "feature", "importance": "feature",
        "graph_channels": 64, "aggregate": "none", "distance": "mse", "reweight_over": "none", "weight": 2.0,
    }  # fmt: skip
    assert {name: whole[name] for name in expected} == expected
    assert "temperature" not in whole, "a constant factor of 1"
    assert resolved("centerpoint", form="released")["graph_channels"] == 32


def test_what_a_detector_says_of_the_released_code_stands_beneath_what_was_set_and_in_no_other_form():
    assert resolved("pointpillars_fpn")["graph_channels"] == "student"
    assert resolved("pointpillars_fpn", form="released", graph_channels=16)["graph_channels"] == 16
    once = resolved("pointpillars_fpn", form="released")
    assert resolved("pointpillars_fpn", **once) == once
    assert "graph_channels" not in resolved("pointpillars_fpn", form="released", local=False)


def test_a_part_of_a_combination_is_released_as_it_is_alone():
    methods = {"pointdistiller": {"form": "released", "teacher_mode": "eval"}, "kd": {}}
    detector = DetectorConfig(name="pointpillars_fpn")
    for given, width in ((methods, 64), ({"pointdistiller": {}}, "student")):
        config = TrialConfig(method="combined", detector=detector, parameters={"methods": given})
        assert one_run._completed(config)[1]["methods"]["pointdistiller"]["graph_channels"] == width
