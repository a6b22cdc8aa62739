"""What torch, the operators and a data set say of this machine."""

import torch

from trainables.training.probing import probe


def test_this_machine_has_its_devices_and_operators(lite):
    found = {check: (ok, said) for check, ok, said in probe(None, None)}
    assert found["operators"] == (True, "they load and give what they should")
    assert found["devices"][0]


def test_gpus_that_ray_counts_and_torch_does_not_see_are_missed(lite, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    (ok, said) = next((ok, said) for check, ok, said in probe(None, there + 1) if check == "devices")
    assert not ok
    assert f"sees {there} of {there + 1} GPUs" in said


def test_a_folder_that_holds_no_data_set_is_named(lite, tmp_path):
    check, ok, said = probe(tmp_path, None)[-1]
    assert (check, ok) == ("data", False)
    assert str(tmp_path) in said
