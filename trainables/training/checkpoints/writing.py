"""A trained detector as plain mmdet3d files, and the digest of such a file.

`detector.pth` and `detector.py` need nothing of this project: `mmdet3d.apis.init_model("detector.py", "detector.pth")`.
"""

import hashlib
from pathlib import Path
from typing import Any

import torch

from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from trainables import detectors
from trainables.training.checkpoints.whole import save


def export_detector(config: TrialConfig, network: torch.nn.Module, folder: Path) -> None:
    """Write the detector's weights and mmdet3d config.

    Args:
        config: of the run that trained it.
        network: an mmdet3d detector.
        folder: of the run.
    """
    spec = detectors.load(config.detector.name)
    cfg = spec.load(config.detector, teacher=config.method == "teacher")
    if config.detector.range:
        detectors.lay_range(cfg.test_dataloader, config.detector.range)
    cfg.dump(str(folder / "detector.py"))
    state = network.state_dict()  # not copied: it carries the version by which mmdet3d knows sparse kernels' layout
    for name, tensor in state.items():
        state[name] = tensor.cpu()
    content: dict[str, Any] = {"meta": {"dataset_meta": {"classes": list(spec.classes)}, "key": config.key}}
    save({**content, "state_dict": state}, folder / "detector.pth")  # on disk before the record that promises it


def digest_of(path: Path) -> str:
    """12 hexadecimal characters of a file's SHA-256.

    Raises:
        InputError: there is no such file.
    """
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
