"""The questions that every distillation method must answer, found by listing the folder."""

import copy

import pytest
import torch

from study.spec import DetectorConfig, TrialConfig
from trainables import detector, distiller
from trainables.features import Batch
from trainables.model import StudentModel
from trainables.training import build_detector

SMALL = DetectorConfig(width=0.25, pillar=0.8, range=(0, -12.8, -3, 25.6, 12.8, 1))
METHODS = distiller.names()


def scans(sizes: list[int], seed: int = 0) -> dict:
    """A batch of random scans with one car and one pedestrian each, as mmdet3d's pipelines pack it."""
    from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
    from mmengine.structures import InstanceData

    generator = torch.Generator().manual_seed(seed)
    low, high = torch.tensor([0, -12.8, -3, 0]), torch.tensor([25.6, 12.8, 1, 1])
    samples = []
    for _ in sizes:
        sample = Det3DDataSample(metainfo={"box_type_3d": LiDARInstance3DBoxes})
        boxes = LiDARInstance3DBoxes(torch.tensor([[10, 0, -1.7, 3.9, 1.6, 1.5, 0.3], [6, 5, -1.7, 0.8, 0.6, 1.7, 0]]))
        sample.gt_instances_3d = InstanceData(bboxes_3d=boxes, labels_3d=torch.tensor([2, 0]))
        samples.append(sample)
    points = [low + torch.rand(n, 4, generator=generator) * (high - low) for n in sizes]
    return {"inputs": {"points": points}, "data_samples": samples}


def build(method: str, family: str, *, twins: bool = False) -> StudentModel:
    """A student under a teacher; `twins` gives both the same width and weights."""
    size = SMALL.model_copy(update={"name": family, "compression": 1.0 if twins else 4.0})
    config = TrialConfig(method=method, detector=size)
    spec = detector.load(family)
    loaded = distiller.load(method)
    parameters = loaded.Parameters(**loaded.complete({"samples": 64, "neighbors": 8}, spec.kind))
    model = StudentModel(build_detector(config, teacher=False))
    teacher = build_detector(config, teacher=True)
    if twins:
        teacher.load_state_dict(copy.deepcopy(model.student.state_dict()))
    torch.manual_seed(0)
    model.distill(teacher, spec, loaded, parameters)
    return model


def losses(model: StudentModel, data: dict) -> dict[str, torch.Tensor]:
    batch = model.data_preprocessor(copy.deepcopy(data), True)
    return model(batch["inputs"], batch["data_samples"], "loss")


def distilled(terms: dict[str, torch.Tensor]) -> torch.Tensor:
    return sum(value for name, value in terms.items() if name.startswith("kd_") and "loss" in name)


@pytest.fixture(params=[(m, d) for m in METHODS for d in detector.names()], ids=lambda p: f"{p[0]}-{p[1]}")
def model(request) -> StudentModel:
    return build(*request.param)


def test_every_term_is_a_finite_scalar_and_one_of_them_is_trained_on(model):
    terms = losses(model, scans([900, 700]))
    ours = {name: value for name, value in terms.items() if name.startswith("kd_")}
    assert ours
    assert all(value.shape == () and torch.isfinite(value) for value in ours.values())
    assert any("loss" in name for name in ours)


def test_the_gradient_reaches_student_and_adapters_and_never_the_teacher(model):
    distilled(losses(model, scans([900, 700]))).backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.student.parameters())
    assert all(p.grad is not None for p in model.distiller.parameters() if p.requires_grad)
    assert all(p.grad is None for p in model.teacher.network.parameters())


def test_a_step_leaves_the_teachers_parameters_and_buffers_as_they_were(model):
    before = copy.deepcopy(model.teacher.network.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    parsed, _ = model.parse_losses(losses(model, scans([900, 700])))
    parsed.backward()
    optimizer.step()
    after = model.teacher.network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_the_teacher_is_in_no_state_dict_and_no_optimizer(model):
    theirs = {id(p) for p in model.teacher.network.parameters()}
    assert not any(name.startswith("teacher") for name in model.state_dict())
    assert not any(id(p) in theirs for p in model.parameters())


def test_the_same_seed_gives_the_same_value(model):
    data = scans([900, 700])
    state = copy.deepcopy(model.state_dict())
    first = distilled(losses(model, data))
    model.load_state_dict(state)
    model.distiller.generator.manual_seed(model.distiller.generator.initial_seed())
    assert torch.equal(distilled(losses(model, data)), first)


def test_a_batch_of_one_scan_works(model):
    assert torch.isfinite(distilled(losses(model, scans([900]))))


def test_fewer_rows_than_samples_work(model):
    assert torch.isfinite(distilled(losses(model, scans([9, 5]))))


def test_features_of_no_row_give_a_zero_loss_with_a_gradient(model):
    ours, theirs = (features_of_nothing(reader, model) for reader in (model.reader, model.teacher))
    for rows in ours.rows:
        rows.values.requires_grad_()
    loss = distilled(model.distiller(ours, theirs, Batch({})))
    loss.backward()
    assert loss == 0
    assert all(p.grad is not None for p in model.distiller.parameters() if p.requires_grad)


def features_of_nothing(reader, model):
    from dataclasses import replace

    batch = model.data_preprocessor(scans([50]), True)
    features = reader.features(Batch(batch["inputs"], batch["data_samples"]))
    empty = tuple(
        replace(rows, **{name: value[:0] for name, value in vars(rows).items() if isinstance(value, torch.Tensor)})
        for rows in features.rows
    )
    return replace(features, rows=empty)


def test_autocast_gives_the_value_of_float32(model):
    batch = model.data_preprocessor(scans([900, 700]), True)
    batch = Batch(batch["inputs"], batch["data_samples"])
    model.eval()
    ours, theirs = model.reader.features(batch), model.teacher.features(batch)
    model.distiller.train()
    plain = distilled(model.distiller(ours, theirs, batch))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = distilled(model.distiller(ours, theirs, batch))
    torch.testing.assert_close(mixed, plain)


def test_the_students_own_losses_are_those_without_a_teacher(model):
    data = scans([900, 700])
    alone = StudentModel(copy.deepcopy(model.student))
    together = losses(model, data)
    for name, value in losses(alone, data).items():
        torch.testing.assert_close(sum(together[name]), sum(value), msg=name)


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_hyper_parameter_is_refused(method):
    with pytest.raises(ValueError, match="no_such_thing"):
        distiller.load(method).complete({"no_such_thing": 1}, "pillars")


@pytest.mark.parametrize("method", METHODS)
def test_every_hyper_parameter_and_the_method_say_what_they_are(method):
    loaded = distiller.load(method)
    assert all(field.description for field in loaded.Parameters.model_fields.values())
    assert loaded.__doc__
