"""The questions that every detector family must answer, found by listing the folder."""

import copy

import numpy as np
import pytest
import torch

from study.nouns.config import DetectorConfig, TrialConfig
from study.nouns.errors import InputError
from tests.trainables.detectors_read import batch_of, build, maps, read
from tests.trainables.small_detectors import SMALL, head_of, prepared, scans, small, with_few_boxes
from trainables import detectors
from trainables.training.building import build_detector
from trainables.training.reader import Reader
from trainables.training.student_model import StudentModel

FAMILIES = detectors.names()


@pytest.fixture(params=FAMILIES)
def family(request) -> str:
    return request.param


def test_it_has_a_small_version_for_tests(family):
    assert family in SMALL


def test_the_teacher_is_mmdet3ds_own(family):
    from mmdet3d.apis import init_model

    spec = detectors.load(family)
    whole = DetectorConfig(name=family, compression=4)
    config = spec.load(whole, teacher=True)
    assert config.model == type(config).fromfile(config.filename).model
    ours = build_detector(TrialConfig(detector=whole), teacher=True)
    theirs = init_model(config.filename, device="cpu")
    shapes = {name: value.shape for name, value in ours.state_dict().items()}
    assert shapes == {name: value.shape for name, value in theirs.state_dict().items()}


@pytest.mark.parametrize("compression", [2, 3.7, 8, 16, 100])
def test_any_compression_makes_a_smaller_student_of_the_same_depth(family, compression):
    teacher = build(family, 1)
    student = build(family, compression)
    assert [name for name, _ in student.named_modules()] == [name for name, _ in teacher.named_modules()]
    sizes = [sum(p.numel() for p in network.parameters()) for network in (student, teacher)]
    assert sizes[0] < sizes[1]
    assert read(student, family, batch_of(student, family)).neck.values.shape[1] >= 1


def test_a_student_of_compression_one_is_its_teacher(family):
    spec = detectors.load(family)
    same = small(family, 1.0)
    assert spec.load(same, teacher=False).model == spec.load(same, teacher=True).model


def test_teacher_and_student_offer_the_same_features_at_the_same_places(family):
    teacher, student = build(family, 1), build(family, 4)
    batch = batch_of(teacher, family)
    wide, narrow = read(teacher, family, batch), read(student, family, batch)
    for theirs, ours in zip(wide.rows, narrow.rows, strict=True):
        assert theirs.kind == ours.kind == detectors.load(family).kind
        assert len(theirs.values) == len(ours.values) > 0
        assert torch.equal(theirs.scan, ours.scan)
        assert torch.equal(theirs.position, ours.position)
    for theirs, ours in zip(maps(wide), maps(narrow), strict=True):
        assert theirs.values.shape[2:] == ours.values.shape[2:]
        assert torch.equal(theirs.position, ours.position)
        assert theirs.position.shape == (len(theirs.values), theirs.values.flatten(2).shape[2], 3)
    assert wide.predictions.logits.shape == narrow.predictions.logits.shape
    assert wide.predictions.codes.shape == narrow.predictions.codes.shape


def test_a_forward_pass_for_losses_reads_what_a_forward_pass_without_reads(family):
    network = build(family)
    batch = batch_of(network, family)
    spec = detectors.load(family)
    reader = Reader(network, spec, spec.readings)
    without = reader.features(batch)
    within, losses = reader.features_and_losses(batch, batch)
    assert all(torch.isfinite(sum(loss) if isinstance(loss, list) else loss) for loss in losses.values())
    for first, second in zip(maps(without), maps(within), strict=True):
        assert torch.equal(first.values, second.values)
    assert torch.equal(without.predictions.codes, within.predictions.codes)


def test_no_pass_of_a_network_changes_the_batch_that_others_see(family):
    network = build(family)
    batch = batch_of(network, family)
    before = copy.deepcopy(batch)
    spec = detectors.load(family)
    reader = Reader(network, spec, spec.readings)
    reader.features(batch)
    reader.features_and_losses(batch, batch)
    for name, value in before.inputs.items():
        pairs = zip(value, batch.inputs[name], strict=True) if isinstance(value, list) else (
            (value[key], batch.inputs[name][key]) for key in value
        )  # fmt: skip
        assert all(torch.equal(then, now) for then, now in pairs), name
    for then, now in zip(before.samples, batch.samples, strict=True):
        assert torch.equal(then.gt_instances_3d.bboxes_3d.tensor, now.gt_instances_3d.bboxes_3d.tensor)


def test_losses_are_divided_by_the_counts_of_all_processes_unless_the_family_says_that_they_are_not(family):
    network = build(family)

    def loss() -> float:
        torch.manual_seed(0)
        np.random.seed(0)
        batch = batch_of(network, family)  # another one: of one batch the targets are made once
        _, losses = Reader(network, spec, ("neck",)).features_and_losses(batch, batch)
        return float(sum(sum(term) if isinstance(term, list) else term for term in losses.values()))

    spec = detectors.load(family)
    alone = loss()
    spec.share_counts(network, lambda counts: [10 * count for count in counts])
    divisor = 1 if spec.share_counts is detectors.counts_apart else 10
    assert loss() == pytest.approx(alone / divisor, rel=1e-4)
    assert divisor == {"pointrcnn": 1}.get(family, 10)


def test_features_before_the_relu_become_the_stages_behind_it(family):
    network = build(family)
    features = read(network, family, batch_of(network, family))
    for before, after in zip(features.before_relu, features.stages, strict=True):
        assert torch.equal(before.values.relu(), after.values)
        assert before.values.min() < 0
        assert before.scale.shape == before.shift.shape == (before.values.shape[1],)


def test_batch_norms_weight_and_bias_are_those_of_the_features_before_the_relu(family):
    """Normalized features have the moments that the affine parameters give them."""
    network = build(family).train()
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.uniform_(module.bias, -1, 1)
    for before in read(network, family, batch_of(network, family)).before_relu:
        values = before.values.transpose(0, 1).flatten(1)
        torch.testing.assert_close(values.mean(1), before.shift, rtol=1e-3, atol=1e-3)
        assert ((values.std(1, unbiased=False) / before.scale) < 1.01).all()


def test_cells_lie_where_the_network_sees_them(family):
    """The nearest place to an object is within a cell (or a point's distance) of it."""
    network = build(family)
    batch = batch_of(network, family)
    boxes, labels = batch.objects(0)
    assert boxes.shape == (2, 7)
    assert labels.tolist() == [2, 0]
    for one in maps(read(network, family, batch)):
        away = torch.cdist(boxes[:, :2], one.position[0][:, :2]).amin(1)
        assert away.max() < 6.4
        assert one.position[0][:, 1].min() < 0 < one.position[0][:, 1].max()


def student(family: str) -> StudentModel:
    network = with_few_boxes(build_detector(TrialConfig(detector=small(family)), teacher=False))
    return StudentModel(network, detectors.load(family)).train()


def test_one_step_of_training_changes_every_part(family):
    model = student(family)
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss, _ = model.student.parse_losses(model(prepared(model.student, scans(family, [900, 700]))))
    assert torch.isfinite(loss)
    loss.backward()
    optimizer.step()
    parts = {name.split(".")[1] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert parts == {name.split(".")[1] for name, _ in model.named_parameters()}


def test_objects_without_a_point_have_finite_losses(family):
    model = student(family)
    data = scans(family, [900, 700])
    for points in data["inputs"]["points"]:
        points[:, 1] = points[:, 1].clamp(max=-3)
    loss, _ = model.student.parse_losses(model(prepared(model.student, data)))
    assert torch.isfinite(loss)
    loss.backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


def test_it_predicts_boxes_of_a_scan(family):
    network = build(family)
    if hasattr(head_of(network), "task_heads"):
        last = [task.heatmap[-1] for task in head_of(network).task_heads]
    else:
        last = [(network.roi_head.bbox_head if hasattr(network, "roi_head") else head_of(network)).conv_cls]
    for layer in last:
        torch.nn.init.constant_(layer.bias, 3.0)  # an untrained head finds nothing
    batch = batch_of(network, family, [900])
    (found,) = network.predict(batch.inputs, batch.samples)
    assert len(found.pred_instances_3d.bboxes_3d) > 0
    assert torch.isfinite(found.pred_instances_3d.bboxes_3d.tensor).all()
    assert found.pred_instances_3d.scores_3d.min() > 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        {"pointpillars": {"range": (0, -12.8, -3, 25.5, 12.8, 1)}, "second": {"range": (0, -12.8, -3, 25.6, 12.8, 0)},
         "pointrcnn": {"points": 255}, "pointpillars_fpn": {"range": (0, -12.8, -5, 25.5, 12.8, 3)},
         "centerpoint": {"range": (0, -12.8, -3, 25.6, 12.8, 1)}},
        {"pointpillars": {"points": 256}, "second": {"points": 256}, "pointrcnn": {"pillar": 0.2},
         "pointpillars_fpn": {"points": 256}, "centerpoint": {"points": 256}},
    ],
    ids=["a size that does not fit", "a size of another kind of detector"],
)  # fmt: skip
def test_a_size_that_cannot_be_is_refused(family, wrong):
    config = SMALL[family].model_copy(update=wrong[family])
    with pytest.raises(InputError, match="detector"):
        detectors.load(family).load(config, teacher=True)
