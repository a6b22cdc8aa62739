"""nuScenes under mmdet3d's own configs: what is laid into them, and that samples depend on their numbers alone."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from nuscenes_tiny_root import OBJECTS, write_tiny_root

from study.nouns.errors import InputError
from trainables import datasets, detectors
from trainables.datasets import innermost
from trainables.datasets.nuscenes import nuscenes_root
from trainables.datasets.nuscenes.scenes_apart import keyframes_apart
from trainables.training.stream import Draw, Stream

NUSCENES = datasets.load("nuscenes")
ANCHORS = "pointpillars/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py"
CENTERS = "centerpoint/centerpoint_voxel01_second_secfpn_8xb4-cyclic-20e_nus-3d.py"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = write_tiny_root(tmp_path_factory.mktemp("data") / "nuscenes")
    nuscenes_root.prepare(root)
    return root


def laid(root: Path, file: str, share: float = 0.0, limits: Any = None) -> Any:
    """mmdet3d's config on a root, as `lay_data` lays it."""
    cfg = Config.fromfile(Path(detectors._configs()) / file)
    used = [cfg.train_dataloader, cfg.val_dataloader, cfg.val_evaluator]
    for part in detectors.dicts(used):
        NUSCENES.lay(part, root)
    if share:
        NUSCENES.set_apart(cfg, root, share)
    if limits:
        detectors.lay_range(used, limits)
    init_default_scope("mmdet3d")
    return cfg


def stream(cfg: Any, which: str, seed: int = 0, **settings: Any) -> Stream:
    cfg[f"{which}_dataloader"].batch_size = 2
    return Stream(cfg[f"{which}_dataloader"], cfg.model.data_preprocessor, seed, workers=0, **settings)


def step(built: Stream, kind: str) -> Any:
    (found,) = [one for one in innermost(built.samples.dataset).pipeline.transforms if type(one).__name__ == kind]
    return found


def same(one: Any, other: Any) -> bool:
    boxes = [sample["data_samples"].gt_instances_3d.bboxes_3d.tensor for sample in (one, other)]
    return torch.equal(one["inputs"]["points"], other["inputs"]["points"]) and torch.equal(*boxes)


@pytest.mark.parametrize(("file", "columns"), [(ANCHORS, 4), (CENTERS, 5)])
def test_both_splits_pass_mmdet3ds_own_pipelines(root, file, columns):
    cfg = laid(root, file)
    train, val = stream(cfg, "train"), stream(cfg, "val")
    assert train.samples.metainfo["version"] == "v1.0-tiny"
    assert len(val.samples) == 6
    for built in (train, val):
        batches = list(built.epoch(0, torch.device("cpu")))
        assert sum(batch.scans for batch in batches) == len(built.samples)
        for batch in batches:
            assert all(points.shape[1] == columns and len(points) > 20 for points in batch.inputs["points"])
            assert batch.inputs["voxels"]["voxels"].shape[2] == columns


@pytest.mark.parametrize("file", [ANCHORS, CENTERS])
def test_a_sample_depends_on_seed_epoch_and_number_and_not_on_what_was_loaded_before(root, file):
    cfg = laid(root, file)
    first, again = stream(cfg, "train"), stream(laid(root, file), "train")
    draws = [Draw(epoch, number) for epoch in (0, 1) for number in range(len(first.samples))]
    whole = {draw: first.samples[draw] for draw in draws}
    np.random.rand(3)  # what others draw does not matter
    for draw in reversed(draws):
        assert same(again.samples[draw], whole[draw])
    assert not same(whole[Draw(0, 1)], whole[Draw(1, 1)])
    other = stream(laid(root, file), "train", seed=1)
    assert not same(other.samples[Draw(0, 1)], whole[Draw(0, 1)])


def ages(built: Stream, number: int, epochs: int) -> list[float]:
    """Of the scans that a keyframe is put together from, in any of some epochs."""
    points = torch.cat([built.samples[Draw(epoch, number)]["inputs"]["points"] for epoch in range(epochs)])
    return sorted({round(float(age), 2) for age in points[:, 4]})


def test_sweeps_are_drawn_in_training_and_the_nearest_in_validation(root):
    cfg = laid(root, CENTERS)
    train, val = (stream(cfg, which) for which in ("train", "val"))
    for built in (train, val):
        step(built, "CheckedSweeps").sweeps_num = 2  # of the six that the last keyframe of a scene has
    assert ages(val, 2, epochs=4) == [0, 0.05, 0.1]
    inside = innermost(train.samples.dataset)
    inside.pipeline.transforms = [one for one in inside.pipeline.transforms if type(one).__name__ != "ObjectSample"]
    number = next(at for at, place in enumerate(train.samples.dataset.sample_indices) if place % 3 == 2)
    assert len(ages(train, number, epochs=1)) == 3
    assert len(ages(train, number, epochs=6)) > 4


def test_a_class_without_a_keyframe_is_left_out_of_balancing_and_pasting(root):
    train = stream(laid(root, CENTERS), "train")
    assert len(train.samples) > 0
    classes = train.samples.metainfo["classes"]
    sampler = step(train, "ObjectSample").db_sampler
    assert sampler.sample_classes == ["car", "truck", "bicycle", "pedestrian", "traffic_cone"]
    assert type(sampler).__name__ == "DrawnObjects"
    seen = {
        classes[label] for place in range(6) for label in train.samples.dataset.dataset.get_cat_ids(place) if label >= 0
    }
    assert seen == {"car", "truck", "bicycle", "pedestrian", "traffic_cone"}  # use_valid_flag: no point in the bus


def test_a_single_keyframe_is_drawn_once_for_each_of_its_classes(root):
    cfg = laid(root, CENTERS)
    cfg.train_dataloader.dataset.dataset.indices = [0]
    assert stream(cfg, "train").samples.dataset.sample_indices == [0] * 4


def test_balancing_draws_what_mmdet3ds_draws_where_every_class_is_there(tmp_path):
    missing = [
        ("vehicle.construction", 9),
        ("vehicle.trailer", 8),
        ("vehicle.motorcycle", 7),
        ("movable_object.barrier", 6),
    ]
    more = [(kind, "", (5.0 * n - 20, 20.0, 0.9), (0.0, 0.0), (1.0, 2.0, 1.5), 0.0, 6) for kind, n in missing]
    bus = [(*OBJECTS[7][:6], 8)]
    root = write_tiny_root(tmp_path / "root", objects=(*OBJECTS[:7], *bus, *more))
    nuscenes_root.prepare(root)
    cfg = laid(root, CENTERS)
    ours = stream(cfg, "train").samples.dataset
    cfg.train_dataloader.dataset.type = "CBGSDataset"
    theirs = stream(cfg, "train").samples.dataset
    assert type(theirs) is not type(ours)
    assert ours.sample_indices == theirs.sample_indices
    assert stream(cfg, "train", seed=1).samples.dataset.sample_indices != ours.sample_indices


def test_the_metric_follows_the_detectors_range(root):
    from mmdet3d.registry import METRICS

    assert METRICS.build(laid(root, CENTERS).val_evaluator).rules.class_range["car"] == 50
    limits = (-12.8, -12.8, -5, 12.8, 12.8, 3)
    assert METRICS.build(laid(root, CENTERS, limits=limits).val_evaluator).rules.class_range["car"] == 12.8


def tokens(built: Stream) -> set[str]:
    dataset = innermost(built.samples.dataset)
    return {dataset.get_data_info(at)["token"] for at in range(len(dataset))}


@pytest.mark.parametrize("file", [ANCHORS, CENTERS])
def test_whole_scenes_are_set_apart_and_nothing_of_them_is_trained_on(root, file):
    cfg = laid(root, file, share=0.2)
    train, val = stream(cfg, "train"), stream(cfg, "val")
    assert tokens(train) == {f"scene-0001 sample {at}" for at in range(3)}
    assert tokens(val) == {f"scene-0002 sample {at}" for at in range(3)}
    assert cfg.val_evaluator.frames == [3, 4, 5]
    assert cfg.val_evaluator.ann_file == f"{root}/nuscenes_infos_train.pkl"
    if file == CENTERS:
        draws = step(train, "ObjectSample").db_sampler.sampler_dict.values()
        assert {one["image_idx"] for drawn in draws for one in drawn.objects} == {0, 1, 2}
    with pytest.raises(InputError, match="leaves none to train on, as they are of 2 scenes"):
        keyframes_apart(root, 0.6)


def test_a_validation_keyframe_without_a_point_in_range_still_counts(root):
    far = (-0.2, -0.2, -5, 0.2, 0.2, 3)
    val = stream(laid(root, ANCHORS, limits=far), "val")
    assert [len(val.samples[Draw(0, number)]["inputs"]["points"]) for number in range(6)] == [1] * 6


def test_a_scan_gone_bad_since_preparation_fails_in_one_line(root, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    train = stream(laid(copy, ANCHORS), "train")
    for path in (copy / "sweeps" / "LIDAR_TOP").iterdir():
        path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match="16 bytes too many"):
        train.samples[Draw(0, 1)]


def test_a_moved_root_is_laid_where_it_is(root, tmp_path):
    shutil.copytree(root, tmp_path / "samples")  # a folder that mmdet3d would take for the keyframes'
    cfg = laid(tmp_path / "samples", ANCHORS)
    used = json.dumps([cfg.train_dataloader.to_dict(), cfg.val_dataloader.to_dict(), cfg.val_evaluator.to_dict()])
    assert "data/nuscenes" not in used
    assert len(list(stream(cfg, "val").epoch(0, torch.device("cpu")))) == 3
