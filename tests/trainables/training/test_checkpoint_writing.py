"""The exported detector is on disk before the record that promises it."""

import pytest
import tiny_run
import torch

from trainables.training.checkpoints.writing import export_detector


def test_a_detector_that_could_not_be_brought_to_disk_is_not_there(tmp_path, monkeypatch):
    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        export_detector(tiny_run.BASE, torch.nn.Linear(1, 1), tmp_path)
    assert not (tmp_path / "detector.pth").exists()


def test_an_exported_detector_and_its_place_in_the_folder_are_brought_to_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("os.fsync", synced.append)
    export_detector(tiny_run.BASE, torch.nn.Linear(1, 1), tmp_path)
    assert (tmp_path / "detector.pth").stat().st_size > 0
    assert len(synced) == 2
