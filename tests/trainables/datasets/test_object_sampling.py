"""Ground-truth sampling from memory: mmdet3d's objects, each sample's own draw, no file read again."""

import shutil
from pathlib import Path

import pytest
import tiny_run
import torch

from study.nouns.records import StudyFiles
from trainables.datasets import ready
from trainables.datasets.object_sampling import TRANSFORMS, HeldObjects
from trainables.training.seeds import random_streams, sample_seed

NOTHING = torch.zeros(0, 7).numpy()


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    files = StudyFiles(tmp_path_factory.mktemp("results"), "any")
    return ready.ensure(tiny_run.config(dataset__options__seed=12).dataset, files)


def settings(root: Path, kind: str) -> dict:
    return {
        "type": f"mmdet3d.{kind}", "data_root": str(root), "info_path": str(root / "kitti_dbinfos_train.pkl"),
        "rate": 1.0, "prepare": {"filter_by_difficulty": [-1], "filter_by_min_points": {"Car": 5, "Pedestrian": 5}},
        "classes": ["Pedestrian", "Cyclist", "Car"], "sample_groups": {"Car": 4, "Pedestrian": 3},
        "points_loader": {"type": "LoadPointsFromFile", "coord_type": "LIDAR", "load_dim": 4, "use_dim": 4},
    }  # fmt: skip


def draw(sampler: HeldObjects, number: int) -> dict:
    with random_streams(sample_seed(0, 0, number)):
        return sampler.sample_all(NOTHING, [])


def test_what_is_pasted_depends_on_the_sample_and_not_on_what_was_pasted_before(root):
    sampler = TRANSFORMS.build(settings(root, "HeldObjects"))
    first, second, again = (draw(sampler, number) for number in (0, 1, 0))
    assert torch.equal(first["points"].tensor, again["points"].tensor)
    assert first["gt_bboxes_3d"].tolist() == again["gt_bboxes_3d"].tolist()
    assert first["gt_bboxes_3d"].tolist() != second["gt_bboxes_3d"].tolist()


def test_pasted_points_are_those_that_mmdet3d_reads_from_the_files(root):
    ours, theirs = (TRANSFORMS.build(settings(root, kind)) for kind in ("HeldObjects", "DataBaseSampler"))
    theirs.sampler_dict = ours.sampler_dict
    for number in range(5):
        one, other = draw(ours, number), draw(theirs, number)
        assert torch.equal(one["points"].tensor, other["points"].tensor)


def test_objects_are_held_in_memory_so_that_no_file_is_opened_for_a_sample(root, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    sampler = TRANSFORMS.build(settings(copy, "HeldObjects"))
    shutil.rmtree(copy)
    assert len(draw(sampler, 0)["points"]) > 0


def test_no_object_is_drawn_twice_for_one_sample_and_all_where_there_are_too_few(root):
    cars = TRANSFORMS.build(settings(root, "HeldObjects")).sampler_dict["Car"]
    paths = [info["path"] for info in cars.sample(1000)]
    assert len(paths) == len(set(paths)) == len(cars.objects)
