"""mmdet3d's own code on the CPU operators: operators and a detector."""

import os
import subprocess
import sys
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch

from trainables.ops.points_in_boxes import points_in_boxes
from trainables.ops.rotated_boxes import rotated_iou, rotated_nms
from trainables.ops.setup.bridge import install
from trainables.ops.voxelization import hard_voxelize

REPOSITORY = Path(__file__).resolve().parents[3]
PILLARS = {"voxel_size": [0.16, 0.16, 4], "point_cloud_range": [0, -39.68, -3, 69.12, 39.68, 1]}


@pytest.fixture(scope="module", autouse=True)
def _installed():
    install()


def random_scan(points=20000, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform([0, -39, -2.5, 0], [69, 39, 0.5, 1], (points, 4)).astype(np.float32)


def random_boxes(count, seed=0):
    """(count, 7) LiDAR boxes of about a car's size, crowded so that many overlap."""
    generator = np.random.default_rng(seed)
    low, high = [5, -8, -2, 3, 1.4, 1.3, -7], [25, 8, -1, 4.5, 2, 1.8, 7]
    return torch.from_numpy(generator.uniform(low, high, (count, 7)).astype(np.float32))


def fresh_process(script, **environment):
    """What a new Python process prints, on standard output and standard error together."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_mmcv_voxelization_runs_on_the_cpu_operator(lite):
    from mmcv.ops import Voxelization

    scan = random_scan()
    voxels, coors, counts = Voxelization(**PILLARS, max_num_points=32, max_voxels=16000)(torch.from_numpy(scan))
    expected = hard_voxelize(scan, PILLARS["voxel_size"], PILLARS["point_cloud_range"], 32, 16000)
    for ours, theirs in zip(expected, (voxels, coors, counts), strict=True):
        np.testing.assert_array_equal(ours, theirs.numpy())


def test_mmdet3d_nms_bev_runs_on_the_cpu_operator(lite):
    from mmdet3d.models.layers import nms_bev
    from mmdet3d.structures import xywhr2xyxyr

    bev, scores = random_boxes(200)[:, [0, 1, 3, 4, 6]], torch.rand(200, generator=torch.Generator().manual_seed(0))
    kept = nms_bev(xywhr2xyxyr(bev), scores, 0.2)
    assert kept.tolist() == rotated_nms(bev.numpy(), scores.numpy(), 0.2).tolist()


def test_mmdet3d_overlaps_of_boxes_of_one_height_are_the_rotated_iou(lite):
    from mmdet3d.structures import LiDARInstance3DBoxes

    boxes = random_boxes(50)
    boxes[:, 2], boxes[:, 5] = -1.0, 1.5
    overlaps = LiDARInstance3DBoxes.overlaps(LiDARInstance3DBoxes(boxes), LiDARInstance3DBoxes(boxes))
    bev = boxes[:, [0, 1, 3, 4, 6]].numpy()
    np.testing.assert_allclose(overlaps.numpy(), rotated_iou(bev, bev), atol=1e-5)


def test_mmdet3d_points_in_boxes_runs_without_cuda(lite):
    from mmdet3d.structures import LiDARInstance3DBoxes

    boxes, points = random_boxes(10), torch.from_numpy(random_scan()[:, :3])
    marked = LiDARInstance3DBoxes(boxes).points_in_boxes_all(points)
    np.testing.assert_array_equal(marked.numpy().T, points_in_boxes(points.numpy(), boxes.numpy()))


def test_an_operator_without_a_cpu_twin_raises_by_name_when_it_is_called(lite):
    from mmcv.ops import CornerPool

    with pytest.raises(RuntimeError, match="no CPU operator for top_pool_forward"):
        mmcv._ext.top_pool_forward(torch.zeros(1))
    assert CornerPool("top") is not None  # building is allowed, so that every configuration can be read


def test_a_tensor_that_is_not_on_the_cpu_is_refused_by_name(lite):
    with pytest.raises(RuntimeError, match="nms was given a tensor on meta"):
        mmcv._ext.nms(torch.zeros(3, 4, device="meta"), torch.zeros(3), 0.5, 0)


def test_rotated_nms_with_labels_is_refused(lite):
    from mmcv.ops import nms_rotated

    with pytest.raises(RuntimeError, match="takes no labels"):
        nms_rotated(torch.ones(3, 5), torch.ones(3), 0.5, labels=torch.zeros(3))


def test_installing_twice_keeps_the_first_operators(lite):
    before = sys.modules["mmcv._ext"]
    install()
    assert sys.modules["mmcv._ext"] is before


def test_the_served_operators_are_logged_once(lite):
    script = (
        "import logging; logging.basicConfig(level=logging.INFO)\n"
        "from trainables.ops.setup.bridge import install\n"
        "install(); install()"
    )
    lines = [line for line in fresh_process(script).splitlines() if "hard_voxelize_forward" in line]
    assert len(lines) == 1
    assert lines[0].startswith("INFO:trainables.ops.setup.bridge:")


def test_an_mmcv_with_operators_keeps_them_but_for_voxels_of_points_on_the_cpu(tmp_path):
    compiled = "def hard_voxelize_forward(points, *args):\n    print('compiled on', points.device)\n"
    (tmp_path / "_ext.py").write_text(f"{compiled}def __getattr__(name):\n    return f'compiled {{name}}'\n")
    script = (
        f"import mmcv; mmcv.__path__.insert(0, {str(tmp_path)!r})\n"
        "from trainables.ops.setup.bridge import install; install()\n"
        "print(mmcv._ext.nms)\n"
        "import torch; from mmcv.ops import Voxelization\n"
        "mmcv._ext.hard_voxelize_forward(torch.ones(1, 4, device='meta'))\n"
        "voxels, *_ = Voxelization([1, 1, 4], [0, 0, -2, 4, 4, 2], 2, 10)(torch.ones(3, 4))\n"
        "print('voxels of', tuple(voxels.shape))"
    )
    said = fresh_process(script)
    assert "compiled nms" in said
    assert "compiled on meta" in said
    assert "voxels of (1, 2, 4)" in said


@pytest.fixture
def pointpillars():
    """An untrained network for each test, as each sets it up in its own way."""
    import mmdet3d
    from mmdet3d.registry import MODELS
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet3d")
    configs = Path(mmdet3d.__file__).parent / ".mim" / "configs"
    config = Config.fromfile(configs / "pointpillars" / "pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py")
    torch.manual_seed(0)
    return MODELS.build(config.model)


def batch_of(model, boxes, training):
    from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
    from mmengine.structures import InstanceData

    sample = Det3DDataSample(metainfo={"box_type_3d": LiDARInstance3DBoxes})
    sample.gt_instances_3d = InstanceData(bboxes_3d=LiDARInstance3DBoxes(boxes), labels_3d=torch.arange(len(boxes)) % 3)
    scan = torch.from_numpy(random_scan())
    batch = model.data_preprocessor({"inputs": {"points": [scan]}, "data_samples": [sample]}, training)
    return batch["inputs"], batch["data_samples"]


def test_pointpillars_has_a_loss_and_gradients_on_the_cpu(pointpillars):
    pointpillars.train()
    losses = pointpillars.loss(*batch_of(pointpillars, random_boxes(6), training=True))
    total = sum(value for values in losses.values() for value in (values if isinstance(values, list) else [values]))
    total.backward()
    norms = [weight.grad.norm() for weight in pointpillars.parameters()]
    assert torch.isfinite(total)
    assert torch.isfinite(torch.stack(norms)).all()
    assert torch.stack(norms).max() > 0


@torch.no_grad()
def test_pointpillars_predicts_boxes_that_survive_nms_on_the_cpu(pointpillars):
    pointpillars.eval()
    pointpillars.bbox_head.test_cfg.score_thr = 0.0  # an untrained head scores about 0.01
    found = pointpillars.predict(*batch_of(pointpillars, random_boxes(6), training=False))[0].pred_instances_3d
    assert len(found) > 0
    for label in range(3):
        bev = found.bboxes_3d.bev[found.labels_3d == label].numpy()
        ious = rotated_iou(bev, bev) - np.eye(len(bev))
        assert ious.max(initial=0) <= 0.01 + 1e-5


def test_sparse_convolutions_of_second_run_forward_and_backward_on_the_cpu():
    spconv = pytest.importorskip("spconv.pytorch", reason="SECOND's encoder needs spconv on the CPU")
    cells = torch.cartesian_prod(torch.arange(1), torch.arange(4), torch.arange(4), torch.arange(4)).int()
    features = torch.randn(len(cells), 4, requires_grad=True)
    layers = spconv.SparseSequential(spconv.SubMConv3d(4, 8, 3, padding=1), spconv.SparseConv3d(8, 8, 3, 2, padding=1))
    layers(spconv.SparseConvTensor(features, cells, [4, 4, 4], 1)).dense().sum().backward()
    assert torch.isfinite(features.grad).all()
    assert features.grad.abs().max() > 0
