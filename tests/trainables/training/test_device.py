"""Student, teacher and method are built where they will train: the fake accelerator stands for a GPU."""

import copy
import random

import numpy as np
import pytest
import torch

from study.nouns.config import TrialConfig
from tests.fake_accelerator import DEVICE, FakeAccelerator
from tests.trainables.small_detectors import prepared, scans, small
from trainables import detectors, distillers
from trainables.training import building
from trainables.training.building import build_detector, build_model, build_teacher
from trainables.training.student_model import StudentModel
from trainables.training.teaching import Teaching, batch_statistics, probe

SMALL_GRAPHS = {"samples": 64, "neighbors": 8}


@pytest.fixture(scope="module")
def teacher_of(tmp_path_factory):
    """The checkpoint of a small teacher of a family."""
    folder = tmp_path_factory.mktemp("teachers")

    def made(family: str):
        path = folder / f"{family}.pth"
        if not path.exists():
            network = build_detector(TrialConfig(detector=small(family), seed=3), teacher=True)
            torch.save({"state_dict": dict(network.state_dict())}, path)
        return path

    return made


def built(family: str, teacher) -> StudentModel:
    """As a run builds its model."""
    spec = detectors.load(family)
    parameters = distillers.load("pointdistiller").complete(SMALL_GRAPHS, spec.kind)
    config = TrialConfig(method="pointdistiller", parameters=parameters, detector=small(family))
    teaching = Teaching(build_teacher(config, teacher), spec)
    return build_model(config, spec.load(config.detector, teacher=False).model, teaching)


def step(model: StudentModel, family: str) -> dict[str, float]:
    """The losses of a step, which goes backward too."""
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    if hasattr(model.student, "roi_head"):
        model.student.roi_head.bbox_sampler.num = 8
    model.train()
    loss, values = model.student.parse_losses(model(prepared(model.student, scans(family, [900, 700]))))
    loss.backward()
    return {name: value.item() for name, value in values.items()}


@pytest.mark.parametrize("family", detectors.names())
def test_a_distilled_run_is_built_and_steps_where_the_cpu_has_no_operators(lite, family, teacher_of, monkeypatch):
    expected = step(built(family, teacher_of(family)), family)
    assert expected["kd_loss"] > 0
    with FakeAccelerator():
        monkeypatch.setattr(building, "device", lambda: DEVICE)
        model = built(family, teacher_of(family))
        networks = (model.student, model.teaching.network, model.distiller)
        assert {p.device for network in networks for p in network.parameters()} == {DEVICE}
        assert step(model, family) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("family", ["second", "pointrcnn"])
def test_a_teacher_that_is_probed_before_the_student_has_moved_is_caught(lite, family):
    """As every distilled run was once built: on a GPU it failed in its first seconds."""
    spec, method = detectors.load(family), distillers.load("pointdistiller")
    config = TrialConfig(detector=small(family))
    networks = [build_detector(config, teacher=teacher) for teacher in (False, True)]
    parameters = method.Parameters(**method.complete(SMALL_GRAPHS, spec.kind))
    with FakeAccelerator(), pytest.raises(RuntimeError, match="is not implemented on cpu"):
        StudentModel(networks[0], spec).distill(Teaching(networks[1], spec), method, parameters)


def teacher_with_moments() -> torch.nn.Module:
    network = build_detector(TrialConfig(detector=small("pointpillars")), teacher=True)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.fill_(0.5)
    return network


def test_a_teacher_with_statistics_of_the_batch_is_the_teacher_it_was_after_its_pass():
    network, spec = teacher_with_moments(), detectors.load("pointpillars")
    before = copy.deepcopy(network.state_dict())
    teaching = Teaching(network, spec)
    teaching.attended_by([("eval", ["neck"]), ("train", ["neck"])])

    def neck(mode: str) -> torch.Tensor:
        return teaching.features(probe(network, len(spec.columns)), mode).neck.values

    first, with_statistics = neck("eval"), neck("train")
    assert not torch.allclose(first, with_statistics)
    assert torch.equal(neck("eval"), first), "students with either teacher cannot share it"
    assert torch.equal(neck("train"), with_statistics)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_statistics_of_the_batch_end_also_with_a_pass_that_fails():
    network = teacher_with_moments().eval()
    with pytest.raises(ZeroDivisionError), batch_statistics(network):
        raise ZeroDivisionError
    assert not any(module.training for module in network.modules())
