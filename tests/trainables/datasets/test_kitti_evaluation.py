"""KITTI's metric where frames hold no label."""

import numpy as np
import pytest
import torch

from trainables.datasets.kitti.evaluation import DevkitMetric, KittiMetric


def frames(*labels: int) -> dict:
    """Info content of frames with so many cars each."""
    car = {"bbox_label": 2, "truncated": 0.0, "occluded": 0, "alpha": 0.1, "bbox": [100.0, 100.0, 300.0, 200.0],
           "bbox_3d": [2.0, 1.6, 10.0, 3.9, 1.5, 1.6, 0.0], "score": 0.0}  # fmt: skip
    moved = [{**car, "bbox_3d": [2.0, 1.6, 10.0 + 8 * i, 3.9, 1.5, 1.6, 0.0]} for i in range(40)]
    return {
        "metainfo": {"categories": {"Pedestrian": 0, "Cyclist": 1, "Car": 2, "DontCare": -1}},
        "data_list": [{"sample_idx": i, "instances": moved[:n]} for i, n in enumerate(labels)],
    }


def average_precision(kind: type[KittiMetric], *labels: int) -> dict[str, float]:
    """APs of a detector that repeats the labels."""
    metric = kind(ann_file="unused")
    infos = metric.convert_annos_to_kitti_annos(frames(*labels))
    truth = [info["kitti_annos"] for info in infos]
    found = [{**anno, "score": np.ones(len(anno["name"])), "sample_idx": np.zeros(len(anno["name"]))} for anno in truth]
    found = [anno if anno["name"][0] != "DontCare" else {k: v[:0] for k, v in anno.items()} for anno in found]
    return metric.kitti_evaluate({"pred_instances_3d": found}, truth, metric="bbox", classes=["Car"])


def test_a_first_frame_without_labels_is_evaluated_where_mmdet3d_stumbles():
    with pytest.raises(IndexError):
        average_precision(KittiMetric, 0, 30)
    assert average_precision(DevkitMetric, 0, 30)["pred_instances_3d/KITTI/Car_3D_AP40_easy_strict"] > 0


def test_a_frame_without_labels_changes_no_average_precision():
    assert average_precision(DevkitMetric, 30, 0) == average_precision(KittiMetric, 30)


def count(kind: type[KittiMetric], height: float, difficulty: int) -> int:
    """Labels of so many pixels that count in a difficulty, of three."""
    from mmdet3d.evaluation.functional.kitti_utils.eval import clean_data

    content = frames(3)
    for instance in content["data_list"][0]["instances"]:
        instance["bbox"] = [100.0, 110.25, 300.0, 110.25 + height]
    (info,) = kind(ann_file="unused").convert_annos_to_kitti_annos(content)
    return clean_data(info["kitti_annos"], info["kitti_annos"], 0, difficulty)[0]


@pytest.mark.parametrize(("limit", "difficulty"), [(40.0, 0), (25.0, 1), (25.0, 2)])
def test_labels_exactly_as_high_as_a_limit_count_as_in_the_devkit(limit, difficulty):
    assert 110.25 + limit - 110.25 == limit
    assert count(KittiMetric, limit, difficulty) == 0, "mmdet3d counts them itself now"
    assert count(DevkitMetric, limit, difficulty) == 3
    assert count(DevkitMetric, np.nextafter(limit, 0) - 1e-9, difficulty) == 0
    assert count(DevkitMetric, limit + 1, difficulty) == 3


def test_evaluating_leaves_torch_its_number_of_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    average_precision(DevkitMetric, 30)
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    assert after == 1
