"""What becomes of every detection and object of nuScenes: the development kit's own matching, told one by one."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from nuscenes_found import ORDER, metric_of, predictions, result_file
from nuscenes_tiny_root import MINI, write_tiny_root

from trainables import datasets
from trainables.datasets.nuscenes import ground_truth, nuscenes_root
from trainables.datasets.nuscenes.devkit_score import counted


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = write_tiny_root(tmp_path_factory.mktemp("data") / "nuscenes", version="v1.0-mini", scenes=MINI)
    nuscenes_root.prepare(root)
    return root


@pytest.fixture(scope="module")
def infos(root) -> list[dict]:
    return pickle.loads((root / "nuscenes_infos_val.pkl").read_bytes())["data_list"]


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


def test_all_objects_are_missed_where_nothing_is_found(root, infos):
    found = predictions(infos)
    for one in found:
        one["pred_instances_3d"] = {name: part[:0] for name, part in one["pred_instances_3d"].items()}
    metric = metric_of(root, found)
    judged = datasets.load("nuscenes").judge(metric, (0.0, 0.5))
    assert judged.detection_box.shape == (0, 7)
    assert judged.detection_fate.shape == (2, 0)
    assert set(judged.object_fate[0].tolist()) == {-1, 0}
    assert datasets.load("nuscenes").evaluator.read(metric.evaluate(len(infos)))["NDS"] == 0
