"""A teacher that is given as a checkpoint: does it fit its network, and what does it score on the run's own data?

Its run (`TrialConfig.teacher_run`) is a run of method=teacher that trains nothing: it loads the file, validates it once
per file and data set, and exports it, so that students find it where they find a teacher that was trained here.
"""

from functools import cache
from pathlib import Path

import torch

from study.nouns.config import DetectorConfig, TeacherConfig, TrialConfig
from trainables import detectors
from trainables.training.building import build_detector, build_teacher, lay_data
from trainables.training.checkpoints.reading import load_weights
from trainables.training.checkpoints.writing import digest_of
from trainables.training.epochs import Spent
from trainables.training.student_model import StudentModel
from trainables.training.validation import Validation


def checked(config: TrialConfig) -> TeacherConfig:
    """The run's teacher; of a given checkpoint every name and shape is checked, and its digest filled in.

    Raises:
        InputError: no such file, not a checkpoint, or one of another architecture.
    """
    path = config.teacher.checkpoint
    if path is None:
        return config.teacher
    path = path.absolute()
    changed = path.stat().st_mtime_ns if path.exists() else 0
    digest = _digest_of_fitting(path, changed, config.detector.model_copy(update={"compression": 1.0}))
    return config.teacher.model_copy(update={"checkpoint": path, "digest": digest})


def measure(config: TrialConfig, data: Path) -> tuple[torch.nn.Module, dict[str, float]]:
    """Load a given teacher and validate it.

    Args:
        config: of the teacher's run.
        data: prepared root, whose validation split is used.

    Returns:
        The detector, and the metrics of the data set's evaluator.

    Raises:
        InputError: the checkpoint is gone or does not fit.
    """
    spec = detectors.load(config.detector.name)
    cfg = spec.load(config.detector, teacher=True)
    lay_data(cfg, data, config)
    model = StudentModel(build_teacher(config, config.teacher.checkpoint).eval(), spec)
    found = Validation(config, cfg).metrics({"teacher": model.predict}, {"teacher": Spent()}, _give_up)
    return model.student, found["teacher"]


def _give_up(name: str, error: Exception) -> None:
    raise error


@cache
def _digest_of_fitting(path: Path, changed: int, teacher: DetectorConfig) -> str:
    """Once per file and network, however many runs of a study ask."""
    digest = digest_of(path)
    load_weights(build_detector(TrialConfig(detector=teacher), teacher=True), path)
    return digest
