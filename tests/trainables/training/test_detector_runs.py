"""Every detector family trains, validates and exports through the whole of a run."""

import pytest
import tiny_run
import torch

from study.nouns.config import TrainingConfig, TrialConfig
from study.nouns.overrides import override
from study.nouns.records import StudyFiles
from tests.trainables.small_detectors import on_the_street, small
from trainables import detectors, run
from trainables.training.schedule import Schedule, lay_schedule


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> StudyFiles:
    return StudyFiles(tmp_path_factory.mktemp("results"), "detectors")


@pytest.mark.parametrize("family", [name for name in on_the_street() if name != "pointpillars"])  # all others are its
def test_a_student_is_distilled_under_a_teacher_and_exported(family, files):
    record = tiny_run.train(
        files,
        method="pointdistiller",
        parameters={"samples": 64, "neighbors": 8},
        detector=small(family).model_dump(),
        training__epochs=1,
        teacher__training__epochs=1,
    )
    assert record.status == "finished"
    assert len(record.metrics) == 24
    assert record.epochs[0].losses["kd_loss"] > 0

    from mmdet3d.registry import MODELS
    from mmengine.config import Config

    folder = files.run(record.key)
    network = MODELS.build(Config.fromfile(folder / "detector.py").model)
    network.load_state_dict(torch.load(folder / "detector.pth", weights_only=True)["state_dict"], strict=True)
    teacher = files.record(record.teacher_key)
    assert teacher.facts["params_m"] > record.facts["params_m"]
    assert teacher.facts["gflops"] > record.facts["gflops"] > 0
    assert run.resolve(record.config).key == record.key


@pytest.mark.parametrize(("family", "made_for"), [("pointpillars", 48), ("second", 48), ("pointrcnn", 16)])
def test_a_learning_rate_is_scaled_to_the_frames_of_a_step_with_its_whole_cycle(family, made_for):
    spec = detectors.load(family)
    plain, scaled = (spec.load(small(family), teacher=False) for _ in range(2))
    lay_schedule(plain, TrainingConfig(batch_size=3, devices=2))
    lay_schedule(scaled, TrainingConfig(batch_size=3, devices=2, scale_learning_rate=True))
    rate = scaled.optim_wrapper.optimizer.lr
    assert rate == pytest.approx(plain.optim_wrapper.optimizer.lr * 6 / made_for)
    peaks = [[s.eta_min / c.optim_wrapper.optimizer.lr for s in c.param_scheduler] for c in (plain, scaled)]
    assert peaks[1][0] == pytest.approx(peaks[0][0])


@pytest.mark.parametrize(("steps", "warm"), [(36, 18), (7032, 417)], ids=["few frames", "all of the recipe's"])
def test_a_warm_up_counted_in_steps_ends_early_in_a_training_however_short(steps, warm):
    cfg = detectors.load("pointpillars_fpn").load(small("pointpillars_fpn"), teacher=False)
    lay_schedule(cfg, TrainingConfig(epochs=10))
    network = torch.nn.Linear(2, 1)
    schedule = Schedule(cfg, network, steps)
    rates = []
    for _ in range(warm + 1):
        rates.append(schedule.optimizer.param_groups[0]["lr"])
        schedule.step(network(torch.ones(1, 2)).sum())
    assert rates[0] == pytest.approx(1e-6)
    assert rates[warm // 2] < 6e-4 < rates[-2]
    assert rates[-1] == pytest.approx(1e-3)


def test_what_a_learning_rate_is_tuned_around_is_that_of_the_runs_schedule():
    config = TrialConfig(detector=small("pointpillars"))
    own = detectors.load("pointpillars").load(config.detector, teacher=False).optim_wrapper.optimizer.lr
    assert run.learning_rate(config) == own
    assert run.learning_rate(override(config, {"training.learning_rate": 0.5})) == 0.5
    scaled = {"training.scale_learning_rate": True, "training.batch_size": 6, "training.amp": True}
    assert run.learning_rate(override(config, scaled)) == pytest.approx(own / 8)


def test_a_learning_rate_of_ones_own_is_not_scaled():
    with pytest.raises(ValueError, match="learning_rate must be null"):
        TrainingConfig(learning_rate=0.001, scale_learning_rate=True)
