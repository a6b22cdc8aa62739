"""The smallest real run: simulated frames, a quarter-width PointPillars on a small canvas, seconds per epoch."""

import shutil
from pathlib import Path
from typing import Any

from study.nouns.config import DatasetSpec, DetectorConfig, TeacherConfig, TrainingConfig, TrialConfig
from study.nouns.overrides import override
from study.nouns.records import StudyFiles, read_record
from trainables import run as one_run
from trainables.datasets.simulated.simulation_spec import SceneSpec, SensorSpec, SimulationSpec

SIMULATION = SimulationSpec(
    train_frames=6,
    val_frames=3,
    sensor=SensorSpec(field_of_view_deg=90, azimuth_step_deg=0.4),
    scene=SceneSpec(extent_m=25, cars=6, pedestrians=6, cyclists=6),
)
TRAINING = TrainingConfig(epochs=2, repeat=1, batch_size=3, validate_every=2, workers=0)
BASE = TrialConfig(
    method="student",
    detector=DetectorConfig(width=0.25, pillar=0.8, range=(0, -12.8, -3, 25.6, 12.8, 1)),
    dataset=DatasetSpec(options=SIMULATION.model_dump(mode="json")),
    training=TRAINING,
    teacher=TeacherConfig(training=TRAINING),
)


def config(**changes: Any) -> TrialConfig:
    """The base run with dotted keys changed (`__` stands for the dot), resolved."""
    return one_run.resolve(override(BASE, {name.replace("__", "."): value for name, value in changes.items()}))


def train(files: StudyFiles, **changes: Any):
    """Train a run (and its teacher where it has none, or measure a given one) and return its record."""
    run = config(**changes)
    if run.distills:
        teacher = one_run.resolve(run.teacher_run())
        if files.finished(teacher.key) is None:
            one_run.run(teacher, files)
    return one_run.run(run, files)


def elsewhere(files: StudyFiles, name: str) -> StudyFiles:
    """Another folder of results with the same data and teachers, and no other run."""
    apart = StudyFiles(files.results / name, files.study)
    apart.results.mkdir()
    apart.data.symlink_to(files.data)
    for path in files.runs.glob("*/record.json"):
        if read_record(path).config.method == "teacher":
            shutil.copytree(path.parent, apart.run(path.parent.name))
    return apart


def options(results: Path) -> list[str]:
    """The base run as options of `run_study.py trial`."""
    sets = {
        "detector.width": 0.25, "detector.pillar": 0.8, "detector.range": "[0,-12.8,-3,25.6,12.8,1]",
        "dataset.options": SIMULATION.model_dump_json(),
        **{f"{whose}training.{name}": value
           for whose in ("", "teacher.") for name, value in TRAINING.model_dump(exclude_none=True).items()},
    }  # fmt: skip
    return ["--results", str(results), *(part for key, value in sets.items() for part in ("--set", f"{key}={value}"))]
