"""Whole runs on simulated drives: made, trained on, judged by nuScenes' score, exported."""

import math

import pytest

from study.nouns.config import DatasetSpec, DetectorConfig, TrainingConfig, TrialConfig
from study.nouns.records import StudyFiles
from trainables import run as one_run

DRIVES = {"train_scenes": 2, "val_scenes": 1, "keyframes": 2, "sweeps": 1, "sensor": {"columns": 180}}
SMALL = {
    "pointpillars_fpn": {"pillar": 0.75, "range": (-24, -24, -5, 24, 24, 3)},
    "centerpoint": {"pillar": 0.4, "range": (-25.6, -25.6, -5, 25.6, 25.6, 3)},
}


@pytest.mark.parametrize("family", ["pointpillars_fpn", pytest.param("centerpoint", marks=pytest.mark.long)])
def test_a_student_learns_from_drives_and_is_judged_by_every_metric_of_nuscenes(family, tmp_path):
    config = one_run.resolve(
        TrialConfig(
            detector=DetectorConfig(name=family, compression=4, width=0.25, **SMALL[family]),
            dataset=DatasetSpec(name="simulated_nuscenes", options=DRIVES),
            training=TrainingConfig(epochs=1, repeat=1, batch_size=2, workers=0),
        )
    )
    files = StudyFiles(tmp_path, "drives")
    one_run.run(config, files, "student", lambda epoch: None, "row")
    record = files.finished(config.key)
    assert record is not None
    assert set(record.metrics) == {metric.name for metric in one_run.metrics_of(config)}
    assert 0 <= record.metrics["NDS"] <= 100
    assert all(math.isfinite(value) for value in record.epochs[0].losses.values())
    assert files.checkpoint(config.key).is_file()
