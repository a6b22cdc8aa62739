"""The seam of the data sets: what each declares, which detectors go with it, and that nobody else names one of them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_run
from kitti_tiny_root import write_tiny_root
from test_architecture import tracked

from study.nouns.config import DatasetSpec, DetectorConfig
from study.nouns.errors import InputError
from study.nouns.metrics import judge
from study.nouns.records import StudyFiles
from trainables import datasets, detectors
from trainables import run as one_run
from trainables.costs import measuring
from trainables.datasets import ready
from trainables.datasets.kitti import root as kitti

REPOSITORY = Path(__file__).resolve().parents[3]
OWN = {
    "kitti": ("trainables/datasets/kitti/", "trainables/datasets/simulated/", "tests/"),
    "nuscenes": ("trainables/datasets/nuscenes/", "trainables/datasets/simulated_nuscenes/", "tests/"),
}
NAMES_IT = {
    "study/kitti_studies.py": "papers' own studies, with mmdet3d's schedules",
    "study/nuscenes_studies.py": "the same",
    "study/paper_claims.py": "which metric papers' numbers are in",
    "study/named_studies.py": "the list of studies names the files that they stand in",
    "analysis/": "the paper's printed numbers are of KITTI",
    "trainables/detectors/centerpoint.py": "mmdet3d's config file",
    "trainables/detectors/pointpillars.py": "mmdet3d's config file",
    "trainables/detectors/pointpillars_fpn.py": "mmdet3d's config file",
    "trainables/detectors/pointrcnn.py": "mmdet3d's config file",
    "trainables/detectors/second.py": "mmdet3d's config file",
}
"""Files of code that may name a data set, and why."""


@pytest.mark.parametrize("name", sorted(OWN))
def test_no_code_outside_its_folder_names_a_data_set(name):
    allowed = (*OWN[name], *NAMES_IT)
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in tracked()
        if path.endswith(".py") and not path.startswith(allowed)
        for number, line in enumerate((REPOSITORY / path).read_text().splitlines(), 1)
        if re.search(name, line, re.IGNORECASE)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("asked", "made"),
    [("kitti", "simulated"), ("simulated", "simulated"), ("nuscenes", "simulated_nuscenes")],
)
def test_simulated_scans_stand_for_those_of_a_disk_in_their_own_files(asked, made):
    assert ready.given(None, asked) == {"dataset.name": made, "dataset.options": {}}


def test_data_sets_are_found_by_their_folders():
    assert datasets.names() == ["kitti", "nuscenes", "simulated", "simulated_nuscenes"]
    with pytest.raises(InputError, match=r"unknown data set 'kity'\. Did you mean 'kitti'"):
        datasets.load("kity")


@pytest.mark.parametrize("name", datasets.names())
def test_every_data_set_judges_teachers_by_one_of_the_metrics_that_it_declares(name):
    metrics = datasets.load(name).evaluator.metrics
    assert judge(metrics) is not None
    assert len({metric.name for metric in metrics}) == len(metrics)
    for block in {metric.block for metric in metrics} - {""}:
        headings = [metric.heading for metric in metrics if metric.block == block]
        assert len(set(headings)) == len(headings)
        assert sum(metric.headline for metric in metrics if metric.block == block) == 1


def test_kitti_declares_24_metrics_and_prints_every_class_at_every_difficulty_and_the_moderate_mean():
    metrics = {metric.name: metric for metric in one_run.metrics_of(tiny_run.BASE)}
    assert len(metrics) == 24
    judged = metrics["mAP/3d/moderate"]
    assert (judged.floor, judged.block, judged.column, judged.headline) == (20.0, "3D", "mAP", True)
    assert judged.title == "moderate 3D mAP"
    assert metrics["bev/Car/hard"].title == "hard BEV AP of cars"
    printed = [(metric.block, metric.heading) for metric in metrics.values() if metric.block]
    classes = [f"{name} {at}" for name in ("Car", "Pedestrian", "Cyclist") for at in ("easy", "moderate", "hard")]
    assert printed == [(block, heading) for block in ("BEV", "3D") for heading in (*classes, "mAP")]
    assert [name for name, metric in metrics.items() if metric.floor is not None] == ["mAP/3d/moderate"]


def test_metrics_are_read_under_the_names_that_are_declared_whatever_stands_before_them():
    evaluator = datasets.load("kitti").evaluator
    names = [metric.name for metric in evaluator.metrics]
    ours = evaluator.read({f"Kitti metric/{name}": float(i) for i, name in enumerate(reversed(names))})
    assert list(ours) == names
    assert list(ours.values()) == list(map(float, reversed(range(24))))
    with pytest.raises(KeyError, match="expected one metric"):
        evaluator.read({})


def test_every_detector_goes_with_the_data_sets_of_its_own_mmdet3d_config():
    for name in detectors.names():
        config = detectors.load(name).load(DetectorConfig(name=name), teacher=True)
        sweeps = name in ("centerpoint", "pointpillars_fpn")
        assert datasets.serving(config) == [known for known in datasets.names() if ("nuscenes" in known) is sweeps]


def test_a_detector_of_another_data_set_is_refused():
    of_nuscenes = replace(
        detectors.load("pointpillars"), config="pointpillars/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py"
    )
    config = of_nuscenes.load(DetectorConfig(), teacher=True)
    assert datasets.serving(config) == ["nuscenes", "simulated_nuscenes"]
    expected = (
        r"detector far is made for mmdet3d's NuScenesDataset \(nuscenes, simulated_nuscenes\); "
        "dataset.name=simulated is a Kitti"
    )
    with pytest.raises(InputError, match=expected):
        datasets.fit(config, DatasetSpec(), "far")


@pytest.mark.parametrize(
    ("dataset", "complaint"),
    [
        ({"name": "simulatd"}, "Did you mean 'simulated'"),
        ({"name": "kitti"}, r"dataset.name=kitti needs dataset.root \(or --data DIR\)"),
        (
            {"options": {"train_frame": 3}},
            r"dataset\.options\.train_frame'.*Did you mean 'dataset\.options\.train_frames'",
        ),
        ({"options": {"scene": {"cars": -1}}}, r"dataset\.options\.scene\.cars: .*\(got -1\)"),
        ({"name": "kitti", "root": "{root}", "options": {"train_frames": 3}}, "dataset.options.train_frames"),
    ],
)
def test_a_data_set_that_cannot_be_used_is_refused_in_one_line(dataset, complaint, tmp_path):
    root = write_tiny_root(tmp_path / "root")
    kitti.prepare(root)
    spec = DatasetSpec(**{key: str(root) if value == "{root}" else value for key, value in dataset.items()})
    with pytest.raises(InputError, match=complaint):
        ready.checked(spec)


def test_options_that_are_not_given_are_filled_in_and_make_the_key():
    given = tiny_run.config(dataset__options={"train_frames": 400})
    assert given.dataset.options["scene"]["cars"] == 15
    assert given.key == tiny_run.config(dataset__options={}).key
    assert given.key != tiny_run.config(dataset__options__scene__cars=3).key


def test_a_root_is_recognized_by_what_lies_in_it(tmp_path):
    assert datasets.recognized(write_tiny_root(tmp_path / "root")) == "kitti"
    with pytest.raises(InputError, match="there is no such folder"):
        datasets.recognized(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the folder is empty"):
        datasets.recognized(tmp_path / "empty")


def test_a_detector_is_counted_on_a_scan_of_its_own_data_set(tmp_path):
    root = write_tiny_root(tmp_path / "root")
    kitti.prepare(root)
    assert measuring.scan_of("pointpillars", root).shape == (17, 4)
    assert measuring.scan_of("pointpillars", None).shape[1] == 4


def test_a_data_set_that_is_made_lies_below_the_results_by_its_options(tmp_path):
    files = StudyFiles(tmp_path, "any")
    first, second = (ready.folder_of(DatasetSpec(options={"seed": seed}), files) for seed in (0, 1))
    assert first.parent == second.parent == files.data
    assert first == ready.folder_of(DatasetSpec(), files) != second
    assert first.name.startswith("simulated-")
