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
from nuscenes_tiny_root import MINI, write_tiny_root

from study.nouns.errors import InputError
from study.nouns.metrics import judge, principal
from trainables import datasets
from trainables.datasets.nuscenes import ground_truth, nuscenes_root
from trainables.datasets.nuscenes.detection_score import CLASSES, DISTANCES, ERRORS
from trainables.datasets.nuscenes.detections import Detections, in_the_world
from trainables.datasets.nuscenes.devkit_metric import NuScenesDevkitMetric
from trainables.datasets.nuscenes.devkit_score import rules, score

from mmdet3d.evaluation.metrics import NuScenesMetric  # isort: skip - after the operators are plugged in
from mmdet3d.structures import LiDARInstance3DBoxes  # isort: skip

ORDER = (
    "car", "truck", "construction_vehicle", "bus", "trailer", "barrier", "motorcycle", "bicycle", "pedestrian",
    "traffic_cone",
)  # fmt: skip
"""Of CenterPoint's labels."""


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


def predictions(infos, seed: int = 0, spread: float = 0.6) -> list[dict]:
    """Per keyframe, objects beside where they are, some twice, and as many where nothing is."""
    random = np.random.default_rng(seed)
    made = []
    for place, info in enumerate(infos):
        rows = [
            [*one["bbox_3d"], *np.nan_to_num(one["velocity"]), ORDER.index(CLASSES[one["bbox_label"]])]
            for one in info["instances"]
            if one["bbox_label"] >= 0
        ]
        boxes = np.repeat(np.array(rows), 2, axis=0)
        boxes[:, :2] += random.normal(0, spread, (len(boxes), 2))
        boxes[:, 3:6] *= random.uniform(0.8, 1.2, (len(boxes), 3))
        boxes[:, 6:9] += random.normal(0, 0.3, (len(boxes), 3))
        stray = boxes.copy()
        stray[:, :2] = random.uniform(-60, 60, (len(boxes), 2))
        boxes = np.concatenate([boxes, stray])
        tensor = torch.from_numpy(boxes[:, :9]).float()
        made.append(
            {
                "sample_idx": place,
                "pred_instances_3d": {
                    "bboxes_3d": LiDARInstance3DBoxes(tensor, box_dim=9, origin=(0.5, 0.5, 0.5)),
                    "labels_3d": torch.from_numpy(boxes[:, 9]).long(),
                    "scores_3d": torch.from_numpy(random.permutation(len(boxes)) + random.random(len(boxes))).float()
                    / 40,
                },
                "pred_instances": {},
            }
        )
    return made


def result_file(infos, found) -> dict[str, list[dict]]:
    return {
        infos[one["sample_idx"]]["token"]: in_the_world(
            Detections.of(one["pred_instances_3d"]), infos[one["sample_idx"]], ORDER
        )
        for one in found
    }


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


def metric_of(root: Path, found, **settings) -> NuScenesDevkitMetric:
    metric = NuScenesDevkitMetric(data_root=str(root), ann_file=f"{root}/nuscenes_infos_val.pkl", **settings)
    metric.dataset_meta = {"classes": ORDER, "version": "v1.0-mini"}
    metric.process({}, found)
    return metric


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


@pytest.mark.parametrize("limits", [None, [-16.0, -16.0, -5.0, 16.0, 16.0, 3.0]])
def test_fates_add_up_to_the_kits_counts(root, infos, limits):
    found = predictions(infos, spread=0.8)
    metric = metric_of(root, found, point_cloud_range=limits)
    least = (0.0, 0.2, 0.5)
    judged = datasets.load("nuscenes").judge(metric, least)
    truth = ground_truth.read(root, "val")
    assert judged.frames == tuple(info["token"] for info in infos)
    assert judged.difficulties == ()
    assert len(judged.detection_score) == sum(len(one["pred_instances_3d"]["scores_3d"]) for one in found)
    assert len(judged.object_label) == sum(len(asked.kinds) for asked in truth)
    for at, score_ in enumerate(least):
        kept = judged.detection_score >= score_
        assert (judged.detection_fate[at][~kept] == -1).all()
        right = (judged.detection_fate[at] == 1).sum()
        assert right == (judged.object_fate[at] == 1).sum() > 0
        for kind, name in enumerate(ORDER):
            counts = rights_and_wrongs(metric, found, infos, name, score_)
            own = judged.detection_label == kind
            assert [(judged.detection_fate[at][own] == fate).sum() for fate in (1, 0)] == counts
    racked = [name == "bicycle" for name in (ORDER[label] for label in judged.object_label)]
    asked_for = judged.object_fate[0] != -1
    assert asked_for[racked].sum() * 2 <= sum(racked)  # the other one stands in a rack
    assert not asked_for[judged.object_label == ORDER.index("bus")].any()  # no point lies in it


def rights_and_wrongs(metric, found, infos, kind: str, least: float) -> list[int]:
    """Of one class, as the kit's `accumulate` counts them: by hand, over the whole split at once."""
    from trainables.datasets.nuscenes.devkit_score import counted

    objects, detections = counted(
        ground_truth.read(Path(metric.data_root), "val"), result_file(infos, found), metric.rules
    )
    taken: set = set()
    right = wrong = 0
    boxes = [box for box in detections.all if box.detection_name == kind and box.detection_score >= least]
    for box in sorted(boxes, key=lambda box: -box.detection_score):
        gaps = {
            (box.sample_token, at): np.hypot(*np.subtract(box.translation[:2], other.translation[:2]))
            for at, other in enumerate(objects[box.sample_token])
            if other.detection_name == kind and (box.sample_token, at) not in taken
        }
        nearest = min(gaps, key=gaps.__getitem__, default=None)
        if nearest is not None and gaps[nearest] < 2:
            taken.add(nearest)
            right += 1
        else:
            wrong += 1
    return [right, wrong]


def test_detections_are_judged_in_the_lidars_frame(root, infos):
    found = predictions(infos, spread=0.0)
    judged = datasets.load("nuscenes").judge(metric_of(root, found), (0.0,))
    own = [one for one in infos[0]["instances"] if one["bbox_label"] >= 0]
    first = judged.object_frame == 0
    np.testing.assert_allclose(judged.object_box[first], [one["bbox_3d"] for one in own])
    twice = judged.detection_box[judged.detection_frame == 0][: 2 * len(own) : 2]
    np.testing.assert_allclose(twice[:, :3], judged.object_box[first][:, :3], atol=1e-5)


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
