"""The exported detector is on disk before the record that promises it."""

import pytest
import tiny_run
import torch

from study.nouns.lease_places import PREFIX
from study.nouns.leases import Lease, LeaseLostError, taken
from trainables.training.checkpoints import latest
from trainables.training.checkpoints.latest import SoFar
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


def test_who_was_taken_for_dead_replaces_neither_the_checkpoint_nor_the_detector_of_its_successor(tmp_path):
    with taken(Lease(tmp_path)):
        latest.write(tmp_path, SoFar(steps=3), {"state_dict": {}})
        export_detector(tiny_run.BASE, torch.nn.Linear(1, 1), tmp_path)
        before = [(tmp_path / name).read_bytes() for name in ("latest.pth", "detector.pth")]
        (tmp_path / f"{PREFIX}2").touch()  # another process has taken over
        with pytest.raises(LeaseLostError):
            latest.write(tmp_path, SoFar(steps=4), {"state_dict": {}})
        with pytest.raises(LeaseLostError):
            export_detector(tiny_run.BASE, torch.nn.Linear(1, 1), tmp_path)
    assert [(tmp_path / name).read_bytes() for name in ("latest.pth", "detector.pth")] == before
    assert not list(tmp_path.glob("*partial"))


def test_what_a_killed_process_has_half_written_is_removed_by_its_successor(tmp_path):
    (tmp_path / "latest.6.partial").write_bytes(bytes(1000))
    latest.write(tmp_path, SoFar(), {"state_dict": {}})
    assert [path.name for path in tmp_path.iterdir()] == ["latest.pth"]
