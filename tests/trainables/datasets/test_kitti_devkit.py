"""The average precision of a whole split, against mmdet3d's with its two departures from KITTI mended."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from trainables.datasets.kitti.devkit import DIFFICULTIES, HARDEST, TASKS, average_precision, fates, levels_of
from trainables.ops.rotated_boxes import intersection_areas, rotated_iou
from trainables.ops.setup import bridge

CLASSES = ["Car", "Pedestrian", "Cyclist"]
NAMES = np.array(["Car", "Pedestrian", "Cyclist", "Van", "Person_sitting", "Truck"])
SIZES = {"Car": (3.9, 1.5, 1.6), "Pedestrian": (0.8, 1.7, 0.6), "Cyclist": (1.8, 1.7, 0.6)}


def frame(random: np.random.Generator, objects: int, dont_care: int = 1) -> dict[str, np.ndarray]:
    names = random.choice(NAMES, objects, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05])
    sizes = np.array([SIZES.get(name, SIZES["Car"]) for name in names]).reshape(-1, 3)
    height = random.choice([20.0, 25.0, 30.0, 40.0, 60.0], objects)  # some exactly at a limit
    top = random.uniform(100, 200, objects).round()
    left = random.uniform(0, 1000, objects)
    nothing = np.full((dont_care, 3), -1.0)
    return {
        "name": np.concatenate([names, ["DontCare"] * dont_care]),
        "bbox": np.concatenate([np.stack([left, top, left + 50, top + height], 1), [[0.0, 0, 900, 300]] * dont_care])
        if dont_care
        else np.stack([left, top, left + 50, top + height], 1),
        "location": np.concatenate([random.uniform([-8, 1, 5], [8, 2, 25], (objects, 3)), nothing * 1000]),
        "dimensions": np.concatenate([sizes * random.uniform(0.9, 1.1, (objects, 1)), nothing]),
        "rotation_y": np.concatenate([random.uniform(-3, 3, objects), [-10.0] * dont_care]),
        "alpha": np.concatenate([random.uniform(-3, 3, objects), [-10.0] * dont_care]),
        "truncated": np.concatenate([random.choice([0, 0.15, 0.2, 0.4], objects), [-1.0] * dont_care]),
        "occluded": np.concatenate([random.integers(0, 4, objects), [-1] * dont_care]),
        "score": np.zeros(objects + dont_care),
    }


def detected(random: np.random.Generator, truth: dict[str, np.ndarray], tied: bool) -> dict[str, np.ndarray]:
    """Some of the objects, moved a little, one twice, and false alarms."""
    real = np.flatnonzero(np.isin(truth["name"], CLASSES))
    kept = random.permutation(np.concatenate([real[random.random(len(real)) < 0.8], real[:1]])).astype(int)
    alarms = frame(random, 3, dont_care=0)
    found = {name: np.concatenate([values[kept], alarms[name]]) for name, values in truth.items()}
    moved = random.normal(0, 0.05, found["location"].shape) * (random.random(len(found["name"])) < 0.7)[:, None]
    found["location"] = found["location"] + moved
    found["name"] = np.where(np.isin(found["name"], CLASSES), found["name"], "Car")
    scores = random.random(len(found["name"]))
    found["score"] = np.round(scores, 1) if tied else scores
    return found


def references(truth, found, monkeypatch) -> dict[tuple[str, str, str], float]:
    bridge.install()
    package = "mmdet3d.evaluation.functional.kitti_utils"
    rotate_iou: Any = ModuleType(f"{package}.rotate_iou", "In the place of a numba.cuda kernel.")
    monkeypatch.setitem(sys.modules, rotate_iou.__name__, rotate_iou)
    theirs: Any = import_module(f"{package}.eval")

    def overlap(boxes, queries, criterion=-1, device_id=0):
        boxes, queries = (np.asarray(b, dtype=np.float64) * [1, 1, 1, 1, -1] for b in (boxes, queries))
        return rotated_iou(boxes, queries) if criterion == -1 else intersection_areas(boxes, queries)

    def as_the_development_kit(truth, found, kind, level):
        low = {**truth, "bbox": truth["bbox"] + [0, 0, 0, 1e-9]}  # a height equal to the limit counts
        return clean(low, found, kind, level)

    clean = theirs.clean_data
    monkeypatch.setattr(theirs, "clean_data", as_the_development_kit)
    rotate_iou.rotate_iou_gpu_eval = overlap
    overlaps = np.tile(np.array([[[0.7, 0.5, 0.5]]]), (1, 3, 1))
    table = {}
    for metric, task in ((1, "bev"), (2, "3d")):
        result = theirs.eval_class(truth, found, [0, 1, 2], [0, 1, 2], metric, overlaps)
        precision = theirs.get_mAP40(result["precision"])[:, :, 0]
        table |= {(task, kind, level): precision[c, d] for c, kind in enumerate(CLASSES)
                  for d, level in enumerate(DIFFICULTIES)}  # fmt: skip
    return table


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_split_scores_as_mmdet3d_counts_it_frame_by_frame(seed, tied, monkeypatch):
    random = np.random.default_rng(seed)
    truth = [frame(random, int(random.integers(0, 12)), dont_care=int(random.integers(0, 3))) for _ in range(200)]
    found = [detected(random, one, tied) for one in truth]
    found[5] = {name: values[:0] for name, values in found[5].items()}
    expected = references(truth, found, monkeypatch)
    ours = average_precision(truth, found, CLASSES)
    assert ours.keys() == expected.keys()
    assert max(expected.values()) > 20
    assert len({round(value, 6) for value in expected.values()}) > 6
    for place, value in expected.items():
        assert ours[place] == pytest.approx(value, abs=1e-9), place


def test_detections_that_repeat_the_objects_find_all_that_recall_can_show():
    random = np.random.default_rng(3)
    truth = [frame(random, 10, dont_care=0) for _ in range(40)]
    for one in truth:
        one["truncated"][:], one["occluded"][:] = 0, 0
        one["bbox"][:, 3] = one["bbox"][:, 1] + 50
        one["location"][:, 0] = np.arange(10) * 9  # apart from each other
    found = [{name: values[np.isin(one["name"], CLASSES)] for name, values in one.items()} for one in truth]
    assert set(average_precision(truth, found, CLASSES).values()) == {100.0}


def test_no_frame_no_object_and_no_detection_score_nothing():
    nothing = frame(np.random.default_rng(0), 0, dont_care=0)
    assert set(average_precision([], [], ["Car"]).values()) == {0.0}
    assert set(average_precision([nothing], [nothing], ["Car"]).values()) == {0.0}
    assert len(average_precision([nothing], [nothing], CLASSES)) == len(TASKS) * 3 * len(DIFFICULTIES)


def test_an_object_exactly_as_high_as_the_limit_counts():
    random = np.random.default_rng(0)
    one = frame(random, 1, dont_care=0)
    one |= {"name": np.array(["Car"]), "truncated": np.zeros(1), "occluded": np.zeros(1, int)}
    one["bbox"] = np.array([[100.0, 100, 200, 140]])
    found = [{**one, "score": np.ones(1)}] * 41
    assert average_precision([one] * 41, found, ["Car"])["3d", "Car", "easy"] == 100.0
    one["bbox"] = np.array([[100.0, 100, 200, 139.999]])
    assert average_precision([one] * 41, found, ["Car"])["3d", "Car", "easy"] == 0.0


def car(raised: float, score: float) -> dict[str, np.ndarray]:
    """One frame: a car 20 m ahead, or a detection of it that is `raised` by so many meters."""
    return {
        "name": np.array(["Car"]),
        "truncated": np.zeros(1),
        "occluded": np.zeros(1, np.int64),
        "alpha": np.zeros(1),
        "bbox": np.array([[500.0, 150.0, 700.0, 250.0]]),
        "location": np.array([[1.0, 1.7 - raised, 20.0]]),
        "dimensions": np.array([[3.9, 1.5, 1.6]]),
        "rotation_y": np.array([0.4]),
        "score": np.array([score]),
    }


def test_half_of_the_detections_too_high_score_all_from_above_and_half_in_space():
    """50 cars, all found; the worse-scored half 0.5 m too high: IoU 1 from above, 0.5 in 3D, so recall ends at half."""
    truths = [car(0.0, 0.0) for _ in range(50)]
    detections = [car(0.0 if i < 25 else 0.5, 1.0 - i / 100) for i in range(50)]
    scored = average_precision(truths, detections, ["Car"])
    assert scored["bev", "Car", "moderate"] == pytest.approx(100.0)
    assert scored["3d", "Car", "moderate"] == pytest.approx(50.0)


def test_fates_are_those_of_the_matching_that_average_precision_counts():
    random = np.random.default_rng(5)
    truth = [frame(random, 12) for _ in range(20)]
    found = [detected(random, one, tied=False) for one in truth]
    thresholds = [0.0, 0.3, 0.7]
    of_found, of_truth = fates(truth, found, CLASSES, thresholds)
    for kind in CLASSES:
        mine = np.concatenate([one["name"] for one in found]) == kind
        its = np.concatenate([one["name"] for one in truth]) == kind
        right = (of_found[:, mine] == 1).sum(1)
        assert right.tolist() == (of_truth[:, its] == 1).sum(1).tolist()
        assert right[0] > right[2] > 0
        assert ((of_found[:, mine] == 0).sum(1) > 0).all()
    asked = (levels_of(truth) >= 0) & np.isin(np.concatenate([one["name"] for one in truth]), CLASSES)
    assert ((of_truth >= 0) == asked).all()
    assert HARDEST == 2


def test_an_object_takes_the_detection_that_overlaps_most_and_the_other_is_a_false_alarm():
    car = {"name": np.array(["Car"]), "bbox": np.array([[0.0, 0, 50, 60]]), "location": np.array([[0.0, 1.5, 10]]),
           "dimensions": np.array([[4.0, 1.5, 1.6]]), "rotation_y": np.zeros(1), "truncated": np.zeros(1),
           "occluded": np.zeros(1)}  # fmt: skip
    van = {**car, "name": np.array(["Van"]), "location": np.array([[9.0, 1.5, 10]])}
    truth = {name: np.concatenate([car[name], van[name]]) for name in car}
    twice = {name: np.concatenate([car[name]] * 3) for name in ("name", "bbox", "location", "dimensions", "rotation_y")}
    twice["location"] = np.array([[0.1, 1.5, 10], [0.0, 1.5, 10], [9.0, 1.5, 10]])
    twice["score"] = np.array([0.9, 0.5, 0.8])
    of_found, of_truth = fates([truth], [twice], CLASSES, [0.0, 0.6])
    assert of_found.tolist() == [[0, 1, -1], [1, -1, -1]], "what lies on a van counts for nothing"
    assert of_truth.tolist() == [[1, -1], [1, -1]]
