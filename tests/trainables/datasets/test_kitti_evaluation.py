"""KITTI's metric inside mmengine: frames in mmdet3d's form in, values under our names out."""

import pickle

import numpy as np
import pytest
import torch

from trainables.datasets.kitti.average_precision import EVALUATOR
from trainables.datasets.kitti.evaluation import DevkitMetric

CLASSES = ["Pedestrian", "Cyclist", "Car"]
CAMERA = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
"""From the LiDAR's frame (x ahead, y left, z up) to the camera's (x right, y down, z ahead)."""


def place(n: int) -> tuple[float, float]:
    """Ahead and to the left of the sensor, m; eight in a row, none beyond 40 m."""
    return 9.0 + 4.5 * (n // 8), 2.5 * (n % 8 - 3.5)


def metric(tmp_path, *cars: int) -> DevkitMetric:
    """Of frames with so many cars each, side by side."""
    from mmdet3d.structures import LiDARInstance3DBoxes
    from mmengine.structures import InstanceData

    image = {"CAM2": {"lidar2cam": CAMERA, "cam2img": np.diag([2000.0, 2000, 1, 1]) + np.eye(4, k=2) * 2000,
                      "height": 4000, "width": 4000}}  # fmt: skip
    infos, results = [], []
    for i, count in enumerate(cars):
        boxes = torch.tensor([[*place(n), -1.5, 3.9, 1.6, 1.5, 0] for n in range(count)]).reshape(-1, 7)
        instances = [
            {"bbox_label": 2, "truncated": 0.0, "occluded": 0, "alpha": 0.1, "bbox": [100.0, 100.0, 300.0, 200.0],
             "bbox_3d": [-place(n)[1], 1.5, place(n)[0], 3.9, 1.5, 1.6, -np.pi / 2], "score": 0.0}
            for n in range(count)
        ]  # fmt: skip
        lies = {"lidar_path": f"training/velodyne_reduced/{i:06d}.bin"}
        infos.append({"sample_idx": i, "instances": instances, "images": image, "lidar_points": lies})
        found = {"bboxes_3d": LiDARInstance3DBoxes(boxes), "labels_3d": torch.full((count,), 2),
                 "scores_3d": torch.linspace(0.9, 0.5, count)}  # fmt: skip
        results.append({"sample_idx": i, "pred_instances_3d": found, "pred_instances": InstanceData()})
    content = {
        "metainfo": {"categories": {"Pedestrian": 0, "Cyclist": 1, "Car": 2, "DontCare": -1}},
        "data_list": infos,
    }
    (tmp_path / "infos.pkl").write_bytes(pickle.dumps(content))
    made = DevkitMetric(ann_file=str(tmp_path / "infos.pkl"), pcd_limit_range=[-100, -100, -10, 400, 100, 10])
    made.dataset_meta = {"classes": CLASSES}
    made.results = results
    return made


def values(made: DevkitMetric) -> dict[str, float]:
    return EVALUATOR.read(made.compute_metrics(made.results))


def test_detections_that_repeat_the_labels_score_all_that_a_class_can(tmp_path):
    found = values(metric(tmp_path, 30, 20))
    assert found["3d/Car/easy"] == found["bev/Car/hard"] == 100
    assert found["3d/Cyclist/easy"] == 0
    assert found["mAP/3d/moderate"] == pytest.approx(100 / 3)


def test_a_frame_without_labels_and_detections_changes_nothing_wherever_it_stands(tmp_path):
    expected = values(metric(tmp_path, 50))
    assert values(metric(tmp_path, 0, 50)) == values(metric(tmp_path, 50, 0)) == expected


def test_a_frame_whose_detections_are_missing_costs_recall(tmp_path):
    made = metric(tmp_path, 20, 20)
    for name, value in made.results[1]["pred_instances_3d"].items():
        made.results[1]["pred_instances_3d"][name] = value[:0]
    assert values(made)["3d/Car/moderate"] == pytest.approx(50, abs=3)


def test_evaluating_leaves_torch_its_number_of_threads(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    values(metric(tmp_path, 30))
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    assert after == 1


def test_every_detection_and_object_gets_its_fate_and_both_lie_in_the_frame_of_the_lidar(tmp_path):
    made = metric(tmp_path, 3, 2)
    found = made.results[0]["pred_instances_3d"]["bboxes_3d"].tensor
    found[1, 0] += 30  # nothing is there
    judged = made.judged([0.0, 0.6, 0.8])
    assert judged.frames == ("000000", "000001")
    assert judged.detection_frame.tolist() == judged.object_frame.tolist() == [0, 0, 0, 1, 1]
    assert judged.detection_score == pytest.approx([0.9, 0.7, 0.5, 0.9, 0.5])
    assert judged.detection_fate.tolist() == [[1, 0, 1, 1, 1], [1, 0, -1, 1, -1], [1, -1, -1, 1, -1]]
    assert judged.object_fate.tolist() == [[1, 0, 1, 1, 1], [1, 0, 0, 1, 0], [1, 0, 0, 1, 0]]
    assert judged.object_label.tolist() == [CLASSES.index("Car")] * 5
    assert judged.difficulties[judged.object_difficulty[0]] == "easy"
    cars = [[*place(n), -0.75, 3.9, 1.6, 1.5, 0] for n in (0, 1, 2, 0, 1)]
    assert judged.object_box == pytest.approx(np.array(cars), abs=1e-5)
    assert np.delete(judged.detection_box, 1, 0) == pytest.approx(np.delete(cars, 1, 0), abs=1e-5)


def test_a_split_in_which_nothing_was_found_is_judged_too(tmp_path):
    made = metric(tmp_path, 2)
    for name, value in made.results[0]["pred_instances_3d"].items():
        made.results[0]["pred_instances_3d"][name] = value[:0]
    judged = made.judged([0.0])
    assert judged.detection_fate.shape == (1, 0)
    assert judged.object_fate.tolist() == [[0, 0]]
