"""Every detector family trains, validates and exports through the whole of a run."""

import pytest
import tiny_run
import torch

from study.nouns.records import StudyFiles
from tests.trainables.small_detectors import small
from trainables import detectors, run


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> StudyFiles:
    return StudyFiles(tmp_path_factory.mktemp("results"), "detectors")


@pytest.mark.parametrize("family", [name for name in detectors.names() if name != "pointpillars"])  # all others are its
def test_a_student_is_distilled_under_a_teacher_and_exported(family, files):
    record = tiny_run.train(
        files,
        method="pointdistiller",
        parameters={"samples": 64, "neighbors": 8},
        detector=small(family).model_dump(),
    )
    assert record.status == "finished"
    assert len(record.metrics) == 24
    assert record.epochs[0].losses["kd_loss"] > 0

    from mmdet3d.registry import MODELS
    from mmengine.config import Config

    folder = files.run(record.key)
    network = MODELS.build(Config.fromfile(folder / "detector.py").model)
    network.load_state_dict(torch.load(folder / "detector.pth", weights_only=True)["state_dict"], strict=True)
    teacher = files.teachers().record(record.teacher_key)
    assert teacher.facts["params_m"] > record.facts["params_m"]
    assert teacher.facts["gflops"] > record.facts["gflops"] > 0
    assert run.resolve(record.config).key == record.key
