"""Frames that are set apart: never trained on, no object of theirs pasted, and exactly those that are validated on."""

from pathlib import Path
from typing import Any

import pytest
import tiny_run
from kitti_tiny_root import write_tiny_root
from mmengine.registry import init_default_scope

from study.nouns.errors import InputError
from study.nouns.records import StudyFiles
from trainables import detectors
from trainables import run as one_run
from trainables.datasets import innermost, ready
from trainables.datasets.kitti.apart import frames_apart
from trainables.datasets.kitti.layout import read_split, split_list
from trainables.training.building import lay_data
from trainables.training.stream import Stream

SHARE = 1 / 3
"""Two of the six frames of the tiny run."""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> StudyFiles:
    return StudyFiles(tmp_path_factory.mktemp("results"), "apart")


@pytest.fixture(scope="module")
def root(files) -> Path:
    return ready.ensure(tiny_run.config().dataset, files)


@pytest.fixture(scope="module")
def laid(root) -> Any:
    config = tiny_run.config(dataset__apart=SHARE)
    cfg = detectors.load(config.detector.name).load(config.detector, teacher=False)
    lay_data(cfg, root, config)
    init_default_scope("mmdet3d")
    return cfg


def names(stream: Stream) -> set[str]:
    dataset = innermost(stream.samples.dataset)
    return {Path(dataset.get_data_info(at)["lidar_points"]["lidar_path"]).stem for at in range(len(dataset))}


def test_no_frame_is_trained_on_and_validated_on_and_none_of_the_training_split_is_lost(laid, root):
    train = names(Stream(laid.train_dataloader, laid.model.data_preprocessor, 0, workers=0))
    apart = names(Stream(laid.val_dataloader, laid.model.data_preprocessor, 0, workers=0))
    listed = read_split(split_list(root, "train"))
    assert apart == set(listed[-2:])
    assert train == set(listed[:-2])


def test_no_object_of_a_frame_that_is_set_apart_is_pasted(laid, root):
    stream = Stream(laid.train_dataloader, laid.model.data_preprocessor, 0, workers=0)
    pipeline = innermost(stream.samples.dataset).pipeline.transforms
    (sampler,) = [step.db_sampler for step in pipeline if hasattr(step, "db_sampler")]
    drawn = {int(info["image_idx"]) for draws in sampler.sampler_dict.values() for info in draws.objects}
    listed = [int(name) for name in read_split(split_list(root, "train"))]
    assert drawn
    assert drawn <= set(listed[:-2])


def test_a_run_is_evaluated_on_the_labels_of_the_frames_that_are_set_apart(files, monkeypatch):
    from trainables.datasets.kitti import evaluation

    seen: list[int] = []
    real = evaluation.average_precision
    monkeypatch.setattr(
        evaluation, "average_precision", lambda labels, *rest: (seen.extend(map(len, labels)), real(labels, *rest))[1]
    )
    record = one_run.run(tiny_run.config(dataset__apart=SHARE), files)
    assert record.status == "finished"
    assert len(seen) == 2
    whole = tiny_run.config()
    assert record.key != whole.key
    assert tiny_run.config(method="kd", dataset__apart=SHARE).teacher_run().key == (
        tiny_run.config(method="kd").teacher_run().key
    )


def test_whole_drives_are_set_apart_where_the_root_knows_them(tmp_path):
    root = write_tiny_root(tmp_path, train=6, val=2)
    assert frames_apart(root, 1 / 6) == [5]
    (root / "mapping").mkdir()
    (root / "mapping" / "train_rand.txt").write_text("8,7,6,5,4,3,2,1")
    drives = ["b", "b", "a", "b", "a", "c", "c", "c"]  # of lines 1 to 8; frame 0 is line 8
    lines = [f"2011_09_26 2011_09_26_drive_{drive}_sync {at:010d}" for at, drive in enumerate(drives)]
    (root / "mapping" / "train_mapping.txt").write_text("\n".join(lines))
    assert frames_apart(root, 1 / 6) == [3, 5]  # both frames of drive a
    assert frames_apart(root, 1 / 2) == [3, 4, 5]  # and the only one of drive b
    with pytest.raises(InputError, match="leaves none to train on, as they are of 3 drives"):
        frames_apart(root, 0.9)


def test_a_mapping_that_is_not_kittis_is_refused(tmp_path):
    root = write_tiny_root(tmp_path, train=6, val=2)
    (root / "mapping").mkdir()
    (root / "mapping" / "train_rand.txt").write_text("1,2")
    (root / "mapping" / "train_mapping.txt").write_text("one line")
    with pytest.raises(InputError, match="must be the development kit's"):
        frames_apart(root, 0.5)
