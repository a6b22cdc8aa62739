"""Batches are a function of data, seed and epoch: whoever loads them, however many train, continued or not."""

import pickle
import random
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import small_detectors
import tiny_run
import torch

from study.nouns.records import StudyFiles
from trainables import detectors
from trainables.datasets import ready
from trainables.features import Batch
from trainables.training.building import lay_data
from trainables.training.seeds import order_of, random_streams, sample_seed
from trainables.training.stream import Stream

EPOCH = 1
FRAMES = 6


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Six frames to train on, of which the fourth holds no label: another is drawn in its place."""
    files = StudyFiles(tmp_path_factory.mktemp("results"), "any")
    root = ready.ensure(tiny_run.config(dataset__options__seed=11).dataset, files)
    infos = pickle.loads((root / "kitti_infos_train.pkl").read_bytes())
    infos["data_list"][3]["instances"] = []
    (root / "kitti_infos_train.pkl").write_bytes(pickle.dumps(infos))
    return root


def stream(root: Path, family: str, seed: int = 3, workers: int = 0, batch: int = 2, **share: int) -> Stream:
    from mmengine.registry import init_default_scope

    config = tiny_run.config(
        detector=small_detectors.small(family).model_dump(), training__batch_size=batch, training__repeat=2, seed=seed
    )
    cfg = detectors.load(family).load(config.detector, teacher=False)
    lay_data(cfg, root, config)
    init_default_scope("mmdet3d")
    return Stream(cfg.train_dataloader, cfg.model.data_preprocessor, seed, workers=workers, **share)


def tensors(batch: Batch) -> list[torch.Tensor]:
    """Every tensor of a batch, frame by frame: points, boxes, labels, and the frame's number."""
    return [
        content
        for points, sample in zip(batch.inputs["points"], batch.samples, strict=True)
        for content in (
            points,
            sample.gt_instances_3d.bboxes_3d.tensor,
            torch.as_tensor(sample.gt_instances_3d.labels_3d),
            torch.tensor(int(Path(sample.lidar_path).stem)),
        )
    ]


def epoch_of(stream: Stream, number: int = EPOCH) -> list[list[torch.Tensor]]:
    return [tensors(batch) for batch in stream.epoch(number, torch.device("cpu"))]


@cache
def expected(root: Path, family: str) -> list[list[torch.Tensor]]:
    """An epoch, loaded by the process that trains."""
    return epoch_of(stream(root, family))


def same(one: list[list[torch.Tensor]], other: list[list[torch.Tensor]]) -> bool:
    return len(one) == len(other) and all(
        len(mine) == len(theirs) and all(map(torch.equal, mine, theirs))
        for mine, theirs in zip(one, other, strict=True)
    )


FAMILIES = small_detectors.on_the_street()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("workers", [1, 4])
def test_an_epoch_is_the_same_whoever_loads_it(root, family, workers):
    assert same(epoch_of(stream(root, family, workers=workers)), expected(root, family))


@pytest.mark.parametrize("workers", [0, 2])
def test_voxels_are_made_by_who_loads_and_are_those_of_the_detectors_own_preprocessor(root, workers):
    from mmdet3d.registry import MODELS

    cfg = detectors.load("pointpillars").load(small_detectors.small("pointpillars"), teacher=True)
    own = MODELS.build(cfg.model.data_preprocessor)
    for batch in stream(root, "pointpillars", workers=workers).epoch(EPOCH, torch.device("cpu")):
        points = {"points": batch.inputs["points"]}
        theirs, ours = own({"inputs": points, "data_samples": None}, True)["inputs"]["voxels"], batch.inputs["voxels"]
        assert theirs.keys() == ours.keys()
        assert len(ours["coors"]) > 50
        assert all(torch.equal(ours[name], value) for name, value in theirs.items())


@pytest.mark.parametrize("family", FAMILIES)
def test_an_epoch_is_the_same_after_others_and_after_other_draws(root, family):
    whole = stream(root, family)
    random.seed(5), np.random.seed(6), torch.manual_seed(7)
    earlier = epoch_of(whole, 0)
    assert not same(earlier, expected(root, family))
    assert same(epoch_of(whole), expected(root, family))


@pytest.mark.parametrize("family", FAMILIES)
def test_two_processes_take_the_frames_of_one_that_takes_twice_as_many(root, family):
    shares = [epoch_of(stream(root, family, batch=1, rank=rank, processes=2)) for rank in range(2)]
    together = [first + second for first, second in zip(*shares, strict=True)]
    assert same(together, expected(root, family))


@pytest.mark.parametrize("workers", [0, 2])
def test_loading_draws_nothing_from_the_streams_of_the_training_process(root, workers):
    loaded = stream(root, "pointrcnn", workers=workers)
    states = []
    for _ in range(2):
        states.append((random.getstate(), np.random.get_state()[1:3], torch.get_rng_state().tolist()))
        epoch_of(loaded)
    assert states[0][0] == states[1][0]
    assert states[0][1][0].tolist() == states[1][1][0].tolist()
    assert states[0][1][1] == states[1][1][1]
    assert states[0][2] == states[1][2]


def test_another_frame_takes_the_place_of_one_without_labels(root):
    seen = [int(part[3]) for batch in expected(root, "pointpillars") for part in (batch[:4], batch[4:])]
    assert len(seen) == 2 * FRAMES
    assert 3 not in seen


def test_both_repetitions_of_a_frame_are_augmented_in_their_own_way(root):
    boxes = defaultdict(list)
    for batch in expected(root, "pointpillars"):
        for _, places, _, frame in (batch[:4], batch[4:]):
            boxes[int(frame)].append(places)
    assert all(not torch.equal(a, b) for a, b, *_ in boxes.values())


def test_orders_and_samples_of_neighboring_seeds_have_nothing_in_common():
    orders = {tuple(order_of(20, seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16
    assert all(sorted(order) == list(range(20)) for order in orders)
    words = [tuple(sample_seed(seed, epoch, number)) for seed in range(4) for epoch in range(4) for number in range(9)]
    assert len(set(words)) == len(words)


def test_the_streams_go_on_after_an_error_inside():
    torch.manual_seed(1)
    expected_next = torch.rand(3)
    torch.manual_seed(1)
    with pytest.raises(ValueError, match="probabilities"), random_streams(sample_seed(0, 0, 0)):
        np.random.choice(3, 2, p=torch.rand(3).numpy())
    assert torch.equal(torch.rand(3), expected_next)
