"""Real frames, prepared here, through mmdet3d's own data set and pipeline, and the metric that judges them."""

from pathlib import Path

import numpy as np
import pytest

import trainables.datasets.kitti.loading  # noqa: F401 - before mmdet3d: it plugs the operators in
from trainables.datasets.kitti import root as kitti
from trainables.datasets.kitti.evaluation import DevkitMetric
from trainables.datasets.kitti.infos import lidar_boxes
from trainables.datasets.kitti.raw_files import read_calibration, read_labels
from trainables.ops.points_in_boxes import points_in_boxes

import mmdet3d  # isort: skip
import torch  # isort: skip
from mmdet3d.registry import DATASETS  # isort: skip
from mmdet3d.utils import register_all_modules  # isort: skip
from mmengine.config import Config  # isort: skip

STOCK = "pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py"
pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def root(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kitti_mini")
    kitti.prepare(real_data / "kitti_mini", into=folder)
    return folder


@pytest.fixture(scope="module")
def stock(root):
    """mmdet3d's PointPillars configuration for KITTI, with its data root moved."""
    register_all_modules(init_default_scope=True)
    original = Path(mmdet3d.__path__[0]) / ".mim" / "configs" / STOCK
    config = Config.fromstring(Config.fromfile(original).pretty_text.replace("data/kitti/", f"{root}/"), ".py")
    sampling = next(step for step in config.train_dataloader.dataset.dataset.pipeline if step.type == "ObjectSample")
    sampling.use_ground_plane = kitti.has_planes(root)
    return config


@pytest.fixture(scope="module")
def train_set(stock):
    return DATASETS.build(stock.train_dataloader.dataset.dataset)


@pytest.fixture(scope="module")
def val_set(stock):
    return DATASETS.build(stock.val_dataloader.dataset)


def test_every_frame_passes_the_stock_training_pipeline(train_set):
    np.random.seed(0)
    frames = [train_set[index] for index in range(len(train_set))]
    assert [len(frame["inputs"]["points"]) > 5_000 for frame in frames] == [True] * 7


def test_ground_truth_sampling_adds_objects_with_points(train_set):
    np.random.seed(0)
    sampler = next(step for step in train_set.pipeline.transforms if hasattr(step, "db_sampler"))
    bare = train_set.get_data_info(0)
    bare.update(box_type_3d=train_set.box_type_3d, box_mode_3d=train_set.box_mode_3d)
    for step in train_set.pipeline.transforms[:2]:
        bare = step(bare)
    before = len(bare["gt_labels_3d"])
    after = sampler(bare)
    pasted = after["gt_bboxes_3d"].tensor[before:].numpy()
    inside = points_in_boxes(after["points"].coord.numpy(), pasted).sum(axis=1)
    assert len(pasted) > 5
    assert inside.min() >= 5


def test_lidar_boxes_agree_with_those_of_the_data_set(train_set, root):
    for index in range(len(train_set)):
        info = train_set.get_data_info(index)
        frame = Path(info["lidar_points"]["lidar_path"]).stem
        labels = read_labels(root / "training" / "label_2" / f"{frame}.txt")
        calibration = read_calibration(root / "training" / "calib" / f"{frame}.txt")
        evaluated = [name in ("Pedestrian", "Cyclist", "Car") for name in labels.names]
        ours = lidar_boxes(labels, calibration)[evaluated]
        np.testing.assert_allclose(info["ann_info"]["gt_bboxes_3d"].tensor.numpy(), ours, atol=2e-4)


def test_every_real_object_holds_points(val_set, train_set):
    instances = [o for data in (val_set, train_set) for i in range(7) for o in data.get_data_info(i)["instances"]]
    assert min(o["num_lidar_pts"] for o in instances if o["bbox_label"] >= 0) >= 1


@pytest.fixture(scope="module")
def perfect_scores(val_set, stock):
    """KITTI's metrics for the ground truth handed in as predictions."""
    metric = DevkitMetric(ann_file=stock.val_evaluator.ann_file)
    metric.dataset_meta = val_set.metainfo
    for index in range(len(val_set)):
        truth = val_set.get_data_info(index)["eval_ann_info"]
        predicted = {
            "bboxes_3d": truth["gt_bboxes_3d"],
            "scores_3d": torch.linspace(0.9, 0.5, len(truth["gt_labels_3d"])) - 0.001 * index,  # no two alike
            "labels_3d": torch.tensor(truth["gt_labels_3d"]),
        }
        metric.process({}, [{"pred_instances_3d": predicted, "pred_instances": {}, "sample_idx": index}])
    return metric.compute_metrics(metric.results)


@pytest.mark.parametrize("view", ["bev", "3d"])
@pytest.mark.parametrize(("label", "name"), list(enumerate(["Pedestrian", "Cyclist", "Car"])))
@pytest.mark.parametrize(("level", "difficulty"), list(enumerate(["easy", "moderate", "hard"])))
def test_the_ground_truth_as_prediction_earns_what_the_protocol_allows(
    val_set, perfect_scores, view, label, name, level, difficulty
):
    """n < 40 objects give n of 41 recall points, of which AP40 leaves out the first: at best (n - 1) / 40."""
    objects = [o for index in range(7) for o in val_set.get_data_info(index)["instances"]]
    count = sum(o["bbox_label"] == label and 0 <= o["difficulty"] <= level for o in objects)
    best = 2.5 * max(count - 1, 0)
    assert perfect_scores[f"{view}/{name}/{difficulty}"] == pytest.approx(best)
