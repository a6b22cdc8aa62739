"""mmdet3d's PointRCNN on the CPU operators: losses, gradients and predictions, with small widths and few points."""

import pkgutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from numba.core.dispatcher import Dispatcher

from trainables import ops
from trainables.ops.rotated_boxes import rotated_iou
from trainables.ops.setup.warm_up import warm

POINTS = 2048


@pytest.fixture(scope="module")
def detector(lite):
    """Every layer of the published network, its resolutions an eighth and its widths a few channels."""
    warm()
    import mmdet3d
    from mmdet3d.registry import MODELS
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet3d")
    folder = Path(mmdet3d.__file__).parent / ".mim" / "configs" / "point_rcnn"
    model = Config.fromfile(folder / "point-rcnn_8xb2_kitti-3d-3class.py").model
    model.backbone.num_points = (512, 128, 32, 8)
    model.backbone.sa_channels = (((4, 8), (4, 8)),) * 4
    model.neck.fp_channels = ((32, 16), (32, 16), (32, 16), (17, 16))
    model.rpn_head.pred_layer_cfg.update(in_channels=16, cls_linear_channels=(16,), reg_linear_channels=(16,))
    model.roi_head.bbox_roi_extractor.roi_layer.num_sampled_points = 64
    model.roi_head.bbox_head.update(mlp_channels=[16, 16], num_points=(16, 4, -1), sa_channels=((8, 16),) * 3)
    model.roi_head.bbox_head.pred_layer_cfg.update(in_channels=16, cls_conv_channels=(16,), reg_conv_channels=(16,))
    torch.manual_seed(0)
    return MODELS.build(model)


def cars():
    """(5, 7) boxes of cars on the ground, 12 m apart."""
    boxes = torch.tensor([0.0, 0.0, -1.7, 3.9, 1.6, 1.56, 0.0]).repeat(5, 1)
    boxes[:, 0] = torch.arange(5) * 12.0 + 8.0
    boxes[:, 6] = torch.arange(5) - 2.0
    return boxes


def scan(seed):
    """(POINTS, 4) points, half of them on the ground and half within the cars, in random order."""
    generator = torch.Generator().manual_seed(seed)
    ground = torch.rand(POINTS // 2, 4, generator=generator) * torch.tensor([70.0, 40.0, 0.1, 1.0])
    ground -= torch.tensor([0.0, 20.0, 1.75, 0.0])
    inside = (torch.rand(POINTS // 2, 4, generator=generator) - 0.5) * torch.tensor([1.4, 1.4, 1.5, 1.0])
    inside[:, :3] += cars()[torch.arange(POINTS // 2) % 5, :3] + torch.tensor([0, 0, 0.78])
    return torch.cat([ground, inside])[torch.randperm(POINTS, generator=generator)]


def batch_of(detector, training):
    from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
    from mmengine.structures import InstanceData

    samples = []
    for _ in range(2):
        sample = Det3DDataSample(metainfo={"box_type_3d": LiDARInstance3DBoxes})
        sample.gt_instances_3d = InstanceData(bboxes_3d=LiDARInstance3DBoxes(cars()), labels_3d=torch.full((5,), 2))
        samples.append(sample)
    batch = detector.data_preprocessor({"inputs": {"points": [scan(0), scan(1)]}, "data_samples": samples}, training)
    return batch["inputs"], batch["data_samples"]


def compiled():
    """Types that each of our numba functions was compiled for, or loaded from the cache for."""
    modules = [import_module(f"{ops.__name__}.{found.name}") for found in pkgutil.iter_modules(ops.__path__)]
    found = [(module.__name__, name, v) for module in modules for name, v in vars(module).items()]
    return {(module, name): len(v.signatures) for module, name, v in found if isinstance(v, Dispatcher)}


def test_losses_and_gradients_are_finite_and_warming_up_has_compiled_all(detector):
    known = compiled()
    detector.train()
    losses = detector.loss(*batch_of(detector, training=True))
    assert losses.keys() == {"rpn_bbox_loss", "rpn_semantic_loss", "loss_cls", "loss_bbox", "loss_corner"}
    sum(losses.values()).backward()
    gradients = {name: weight.grad for name, weight in detector.named_parameters()}
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients.values())
    touched = {name.split(".")[0] for name, gradient in gradients.items() if gradient.abs().max() > 0}
    assert touched == {"backbone", "neck", "rpn_head", "roi_head"}
    assert compiled() == known


def test_proposals_near_the_ground_truth_are_pooled_and_refined(detector):
    from mmdet3d.structures import LiDARInstance3DBoxes
    from mmengine.structures import InstanceData

    detector.train().zero_grad()
    inputs, samples = batch_of(detector, training=True)
    features = detector.extract_feat(inputs)
    features["points_cls_preds"] = detector.rpn_head(features)[1]
    near = torch.cat([cars() + 0.1, cars() + 30.0])
    proposals = InstanceData(bboxes_3d=LiDARInstance3DBoxes(near), labels_3d=torch.full((10,), 2))
    losses = detector.roi_head.loss(features, [proposals, proposals[:]], samples)
    sum(losses.values()).backward()
    refinement = detector.roi_head.bbox_head
    for name in ("loss_cls", "loss_bbox", "loss_corner"):
        assert 0 < losses[name] < 100
    for gradient in (refinement.conv_reg.weight.grad, refinement.SA_modules[0].mlps[0].layer0.conv.weight.grad):
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() > 0


@torch.no_grad()
def test_predictions_survive_nms(detector):
    detector.eval()
    detector.roi_head.test_cfg.score_thr = 0.0
    for found in detector.predict(*batch_of(detector, training=False)):
        boxes = found.pred_instances_3d.bboxes_3d
        assert len(boxes) > 0
        assert torch.isfinite(boxes.tensor).all()
        overlaps = rotated_iou(boxes.bev.numpy(), boxes.bev.numpy()) - np.eye(len(boxes))
        assert overlaps.max(initial=0) <= 0.1 + 1e-5


def test_training_steps_lower_the_loss(detector):
    detector.train()
    optimizer = torch.optim.Adam(detector.parameters(), lr=0.01)
    totals = []
    for _ in range(6):
        losses = detector.loss(*batch_of(detector, training=True))
        total = losses["rpn_bbox_loss"] + losses["rpn_semantic_loss"]
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert totals[-1] < 0.8 * totals[0]
