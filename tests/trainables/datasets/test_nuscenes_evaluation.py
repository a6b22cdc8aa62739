"""nuScenes' numbers: those of its development kit on the same result file, also where the kit itself gives up."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from nuscenes import NuScenes
from nuscenes.eval.common.config import config_factory
from nuscenes.eval.detection.data_classes import DetectionConfig
from nuscenes.eval.detection.evaluate import NuScenesEval
from nuscenes_found import ORDER, metric_of, predictions, result_file
from nuscenes_tiny_root import MINI, write_tiny_root

from study.nouns.errors import InputError
from study.nouns.metrics import judge, principal
from trainables import datasets
from trainables.datasets.nuscenes import ground_truth, nuscenes_root
from trainables.datasets.nuscenes.detection_score import CLASSES, DISTANCES, ERRORS
from trainables.datasets.nuscenes.detections import Detections
from trainables.datasets.nuscenes.devkit_score import rules, score

from mmdet3d.evaluation.metrics import NuScenesMetric  # isort: skip - after the operators are plugged in
from mmdet3d.structures import LiDARInstance3DBoxes  # isort: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = write_tiny_root(tmp_path_factory.mktemp("data") / "nuscenes", version="v1.0-mini", scenes=MINI)
    nuscenes_root.prepare(root)
    return root


@pytest.fixture(scope="module")
def infos(root) -> list[dict]:
    return pickle.loads((root / "nuscenes_infos_val.pkl").read_bytes())["data_list"]


@pytest.fixture(scope="module")
def kit(root) -> NuScenes:
    return NuScenes("v1.0-mini", str(root), verbose=False)


def official(kit: NuScenes, results: dict, folder: Path, config: DetectionConfig) -> dict[str, float]:
    """All declared metrics as the development kit computes them from a file."""
    meta = {f"use_{name}": name == "lidar" for name in ("camera", "lidar", "radar", "map", "external")}
    (folder / "results.json").write_text(json.dumps({"meta": meta, "results": results}))
    made = NuScenesEval(kit, config, str(folder / "results.json"), "mini_val", str(folder), verbose=False)
    told = made.main(render_curves=False)
    values = {"NDS": told["nd_score"], "mAP": told["mean_ap"]}
    values |= {ERRORS[name][0]: error for name, error in told["tp_errors"].items()}
    for kind in CLASSES:
        values[f"AP/{kind}"] = told["mean_dist_aps"][kind]
        values |= {f"AP/{kind}/{far:g}m": told["label_aps"][kind][far] for far in DISTANCES}
    return {name: 100 * value for name, value in values.items()}


@pytest.mark.parametrize(("seed", "spread"), [(0, 0.6), (1, 0.1), (2, 3.0)])
def test_every_number_is_that_of_the_development_kit_on_the_same_result_file(root, infos, kit, tmp_path, seed, spread):
    results = result_file(infos, predictions(infos, seed, spread))
    ours = score(ground_truth.read(root, "val"), results, rules())
    assert ours == official(kit, results, tmp_path, config_factory("detection_cvpr_2019"))
    assert ours["mAP"] > 0
    assert set(ours) == {metric.name for metric in datasets.load("nuscenes").evaluator.metrics}


def test_objects_beyond_the_detectors_range_do_not_count(root, infos, kit, tmp_path):
    results = result_file(infos, predictions(infos))
    limits = [-16.0, -18.0, -5.0, 17.0, 16.0, 3.0]
    config = rules(limits)
    assert set(config.class_range.values()) == {16.0}
    assert rules([-50, -50, -5, 50, 50, 3]).class_range == config_factory("detection_cvpr_2019").class_range
    ours = score(ground_truth.read(root, "val"), results, config)
    assert ours == official(kit, results, tmp_path, config)
    assert ours["AP/truck"] == 0  # stands at 30 m
    with pytest.raises(InputError, match="counts objects around the vehicle"):
        rules([0, -16, -5, 32, 16, 3])


def test_a_perfect_detector_has_all_points_but_for_classes_that_are_not_there(root, infos):
    results = {
        asked.token: [
            {"sample_token": asked.token, "translation": asked.translation[row].tolist(), "detection_score": 0.5,
             "size": asked.size[row].tolist(), "rotation": asked.rotation[row].tolist(), "detection_name": kind,
             "velocity": asked.velocity[row].tolist(), "attribute_name": asked.attributes[row]}
            for row, kind in enumerate(asked.kinds)
        ]
        for asked in ground_truth.read(root, "val")
    }  # fmt: skip
    found = score(ground_truth.read(root, "val"), results, rules())
    there = {name for name, value in found.items() if name.count("/") == 1 and value > 99.9}
    assert there == {"AP/car", "AP/truck", "AP/bicycle", "AP/pedestrian", "AP/traffic_cone"}
    assert found["mAP"] == pytest.approx(50)
    assert found["mATE"] == pytest.approx(50)


def test_a_detector_that_finds_nothing_scores_nothing(root, infos, kit, tmp_path):
    results = {info["token"]: [] for info in infos}
    found = score(ground_truth.read(root, "val"), results, rules())
    assert {name: value for name, value in found.items() if value} == dict.fromkeys(
        ("mATE", "mASE", "mAOE", "mAVE", "mAAE"), 100
    )
    with pytest.raises(Exception, match="Invalid box type: None"):
        official(kit, results, tmp_path, rules())


def test_boxes_come_into_the_world_as_mmdet3d_brings_them(root, infos, tmp_path):
    found = predictions(infos)
    metric = NuScenesMetric(str(root), str(root / "nuscenes_infos_val.pkl"))
    metric.data_infos = infos
    metric.eval_detection_configs.class_range = dict.fromkeys(ORDER, 1e9)
    theirs = json.loads(
        Path(
            metric._format_lidar_bbox(
                [one["pred_instances_3d"] for one in found], list(range(len(infos))), ORDER, str(tmp_path)
            )
        ).read_text()
    )["results"]
    ours = result_file(infos, found)
    assert ours.keys() == theirs.keys()
    for token, boxes in ours.items():
        assert len(boxes) == len(theirs[token]) > 20
        for one, other in zip(boxes, theirs[token], strict=True):
            for name in ("sample_token", "detection_name", "attribute_name"):
                assert one[name] == other[name]
            for name in ("translation", "size", "velocity", "detection_score"):
                np.testing.assert_allclose(one[name], other[name], atol=1e-4)
            assert abs(np.dot(one["rotation"], other["rotation"])) == pytest.approx(1, abs=1e-6)


def test_boxes_that_are_no_boxes_are_left_out():
    rows = torch.ones(4, 9)
    rows[1, 0], rows[2, 4], rows[3, 3] = torch.nan, 0.0, torch.inf
    predicted = {
        "bboxes_3d": LiDARInstance3DBoxes(rows, box_dim=9),
        "labels_3d": torch.arange(4),
        "scores_3d": torch.ones(4),
    }
    assert Detections.of(predicted).labels.tolist() == [0]
    still = {**predicted, "bboxes_3d": LiDARInstance3DBoxes(rows[:, :7], box_dim=7)}
    assert Detections.of(still).boxes[0, 7:].tolist() == [0, 0]


def test_a_validation_gives_the_declared_metrics_and_opens_no_table(root, infos, monkeypatch):
    found = predictions(infos)
    metric = metric_of(root, found)
    monkeypatch.setattr(NuScenes, "__init__", lambda *args, **kwargs: pytest.fail("the tables are read"))
    values = datasets.load("nuscenes").evaluator.read(metric.evaluate(len(infos)))
    assert values == score(ground_truth.read(root, "val"), result_file(infos, found), rules())


def test_a_part_of_a_split_is_evaluated_alone(root, infos):
    places = [1, 4]
    found = predictions(infos)
    part = [{**found[place], "sample_idx": at} for at, place in enumerate(places)]
    metric = metric_of(root, part, frames=places)
    truth = ground_truth.read(root, "val")
    expected = score(
        [truth[place] for place in places], result_file(infos, [found[place] for place in places]), rules()
    )
    assert metric.compute_metrics(metric.results) == expected


def test_studies_are_judged_by_the_detection_score_and_print_what_the_paper_prints():
    metrics = datasets.load("nuscenes").evaluator.metrics
    assert len(metrics) == 57
    assert principal(metrics).name == judge(metrics).name == "NDS"  # type: ignore[union-attr]
    printed = [(metric.heading, metric.direction, metric.headline) for metric in metrics if metric.block]
    errors = ("mATE", "mASE", "mAOE", "mAVE", "mAAE")
    assert printed == [("mAP", "max", False), ("NDS", "max", True), *((name, "min", False) for name in errors)]
    by_name = {metric.name: metric for metric in metrics}
    assert by_name["AP/bus/0.5m"].title == "AP of class bus within 0.5 m"
    assert by_name["mAVE"].unit == "cm/s"
    assert (by_name["mATE"].high, by_name["mAAE"].high) == (None, 100)
