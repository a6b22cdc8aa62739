"""Runs that really train: what they keep, how they continue, how they fail."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_run
import torch

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.records import StudyFiles
from trainables import run as one_run
from trainables.datasets import ready
from trainables.training.building import build_detector
from trainables.training.checkpoints.reading import load_weights

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> StudyFiles:
    return StudyFiles(tmp_path_factory.mktemp("results"), "tiny")


@pytest.fixture(scope="module")
def distilled(files):
    return tiny_run.train(files, method="pointdistiller", parameters={"samples": 64, "neighbors": 8})


def test_a_record_holds_losses_and_metrics_and_where_they_come_from(distilled):
    assert distilled.status == "finished"
    assert [epoch.epoch for epoch in distilled.epochs] == [1, 2]
    assert {"loss", "loss_cls", "loss_bbox", "loss_dir", "kd_loss"} <= distilled.epochs[0].losses.keys()
    assert list(distilled.metrics) == [metric.name for metric in distilled.declared]
    assert len(distilled.metrics) == 24
    assert all(0 <= value <= 100 for value in distilled.metrics.values())
    assert distilled.metrics == distilled.epochs[-1].metrics
    assert distilled.epochs[0].metrics == {}
    assert distilled.called["parameters.neighbors"].symbol == "K"
    assert distilled.versions["mmdet3d"] == "1.4.0"
    assert distilled.peak_memory_mb > 100
    assert all(0 < epoch.step_seconds * 2 <= epoch.seconds for epoch in distilled.epochs)  # two steps an epoch


def test_a_distilled_run_names_the_teacher_it_was_trained_under(distilled, files):
    teacher = files.record(distilled.teacher_key)
    assert teacher is not None
    assert teacher.config.method == "teacher"
    assert files.checkpoint(teacher.key).exists()


def test_the_exported_student_is_a_plain_mmdet3d_checkpoint(distilled, files):
    from mmdet3d.registry import MODELS
    from mmengine.config import Config

    folder = files.run(distilled.key)
    exported = torch.load(folder / "detector.pth", weights_only=True)
    network = MODELS.build(Config.fromfile(folder / "detector.py").model)
    network.load_state_dict(exported["state_dict"], strict=True)
    config = Config.fromfile(folder / "detector.py")
    assert not any(name.startswith(("distiller", "teacher", "student")) for name in exported["state_dict"])
    assert config.test_dataloader.dataset.pipeline[0].type == "LoadPointsFromFile"
    assert config.model.voxel_encoder.feat_channels == [8]


def test_the_checkpoint_to_continue_from_goes_when_the_run_is_done(distilled, files):
    assert not (files.run(distilled.key) / "latest.pth").exists()


def test_methods_with_one_seed_start_from_one_student():
    plain = build_detector(tiny_run.config(), teacher=False)
    again = build_detector(tiny_run.config(method="pointdistiller"), teacher=False)
    other = build_detector(tiny_run.config(seed=1), teacher=False)
    name = "backbone.blocks.0.0.weight"
    assert torch.equal(plain.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(plain.state_dict()[name], other.state_dict()[name])


def test_a_killed_run_continues_and_ends_as_an_uninterrupted_one(distilled, files):
    """SIGKILL after the first epoch; the same command again; every loss and every weight as without the kill."""
    command = [sys.executable, "run_study.py", "trial", "--set", "method=pointdistiller",
               "--set", "parameters.samples=64", "--set", "parameters.selection=drawn"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    runs = [StudyFiles(tiny_run.elsewhere(files, name).results, "trials") for name in ("whole", "killed")]

    def start(files: StudyFiles) -> subprocess.Popen:
        """Under the teacher that is there."""
        return subprocess.Popen(
            [*command, *tiny_run.options(files.results), "--set", "training.epochs=3"],
            cwd=REPOSITORY, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    whole, killed = map(start, runs)  # side by side
    for line in killed.stdout:
        if "epoch 1:" in line:
            os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    continued = start(runs[1])
    output = continued.communicate()[0]
    print(whole.communicate()[0])

    assert (whole.returncode, killed.returncode, continued.returncode) == (0, -signal.SIGKILL, 0)
    assert "epoch 1:" not in output
    assert "epoch 2:" in output
    (_, one), (_, two) = (run.all() for run in runs)
    assert [e.losses for e in one.epochs] == [e.losses for e in two.epochs]
    assert one.metrics == two.metrics
    weights = [torch.load(run.checkpoint(one.key), weights_only=True)["state_dict"] for run in runs]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_run_that_diverges_fails_with_its_reason_in_the_record(distilled, files):
    run = tiny_run.config(method="pointdistiller", parameters={"weight": 1e39})  # beyond float32
    with pytest.raises(one_run.RunFailedError):
        one_run.run(run, files)
    record = files.record(run.key)
    assert record.status == "failed"
    assert "the loss is not finite in epoch 1, step" in record.error
    assert files.finished(run.key) is None


def test_a_scan_that_was_truncated_fails_the_run_and_says_where(files, tmp_path):
    dataset = tiny_run.SIMULATION.model_copy(update={"seed": 7})
    run = tiny_run.config(dataset__options=dataset.model_dump(), seed=6)
    root = ready.ensure(run.dataset, files)
    for scan in (root / "training" / "velodyne_reduced").glob("*.bin"):
        scan.write_bytes(scan.read_bytes()[:-3])
    with pytest.raises(one_run.RunFailedError):
        one_run.run(run, files)
    error = files.record(run.key).error
    assert "velodyne_reduced" in error
    assert "16 bytes" in error


def test_a_checkpoint_of_another_architecture_is_refused(distilled, files):
    wide = build_detector(tiny_run.config(detector__width=0.5), teacher=True)
    with pytest.raises(InputError, match=r"another architecture .* another shape"):
        load_weights(wide, files.checkpoint(distilled.key))


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    network = build_detector(tiny_run.config(), teacher=True)
    path = tmp_path / "teacher.pth"
    with pytest.raises(InputError, match="does not exist"):
        load_weights(network, path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="not a checkpoint that can be read"):
        load_weights(network, path)


def test_a_range_that_the_network_cannot_be_laid_on_is_refused_before_training():
    with pytest.raises(InputError, match=r"multiple of 8 voxels along x"):
        tiny_run.config(detector__pillar=0.7)


def test_parameters_without_a_method_are_refused():
    with pytest.raises(InputError, match="method student has no parameters"):
        one_run.resolve(TrialConfig(method="student", parameters={"neighbors": 3}))


def test_a_full_disk_fails_the_run_and_the_record_says_so(tmp_path):
    """A disk of 2 MiB: room for the first checkpoint's start, not for its end."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        files = StudyFiles(small, "full")
        elsewhere = StudyFiles(tmp_path, "elsewhere")
        run = tiny_run.config(seed=8)
        root = ready.ensure(run.dataset, elsewhere)
        files.data.parent.mkdir(exist_ok=True)
        files.data.symlink_to(root.parent)
        (small / "filler").write_bytes(bytes(1_000_000))
        with pytest.raises(one_run.RunFailedError, match="the disk is full"):
            one_run.run(run, files)
        assert "the disk is full" in files.record(run.key).error
    finally:
        subprocess.run(["umount", str(small)], check=True)
