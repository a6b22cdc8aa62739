"""Compiled code is shared between processes, and a cache that cannot be used costs time only."""

import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from trainables.ops.setup.numba_cache import _LockedCache, numba_functions

REPOSITORY = Path(__file__).resolve().parents[3]

# A function with parallel=True, as one of mmdet3d's is; prints how often it was loaded and how often compiled.
PARALLEL = """
import json, sys
import numba
import numpy as np
from trainables.ops.setup.numba_cache import _LockedCache

@numba.njit(parallel=True)
def negate(values):
    for i in numba.prange(len(values)):
        values[i] = -values[i]

negate._cache = _LockedCache(negate.py_func)
for dtype in sys.argv[1:]:
    values = np.ones(5, dtype)
    negate(values)
    assert (values == -1).all() and values.dtype == dtype
print(json.dumps([sum(negate.stats.cache_hits.values()), sum(negate.stats.cache_misses.values())]))
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "parallel.py"
    path.write_text(PARALLEL)
    return path


def start(script, *dtypes):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "NUMBA_CACHE_DIR": str(script.parent / "cache")}
    command = [sys.executable, str(script), *dtypes]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def hits_and_misses(process):
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads(printed.splitlines()[-1])


def test_processes_that_start_at_once_leave_a_cache_from_which_the_next_compiles_nothing(script):
    first = [start(script, "float32", "float64"), start(script, "float64", "float32"), start(script, "float32")]
    assert [sum(hits_and_misses(process)) for process in first] == [2, 2, 1]
    assert hits_and_misses(start(script, "float32", "float64")) == [2, 0]


@pytest.fixture
def doubled(tmp_path, monkeypatch):
    """A numba function in a module of its own, cached under tmp_path/cache."""
    source = tmp_path / "source" / "doubling.py"
    source.parent.mkdir()
    source.write_text("import numba\n\n@numba.njit\ndef doubled(x):\n    return 2 * x\n")
    spec = importlib.util.spec_from_file_location("doubling", source)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    return module.doubled


def test_a_cache_folder_that_vanishes_costs_a_compilation_and_a_warning(doubled, tmp_path, caplog):
    doubled._cache = _LockedCache(doubled.py_func)
    folder = Path(doubled._cache.cache_path)
    folder.rmdir()
    folder.write_text("a file where the folder was")
    with caplog.at_level(logging.WARNING):
        assert doubled(21) == 42
    assert "cannot be kept" in caplog.text


def test_beside_a_source_that_cannot_be_written_the_users_cache_folder_is_taken(doubled, tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    shutil.rmtree(tmp_path / "source" / "__pycache__", ignore_errors=True)
    (tmp_path / "source" / "__pycache__").write_text("no folder can be made here")
    assert Path(_LockedCache(doubled.py_func).cache_path).is_relative_to(tmp_path / "home")


def test_warming_up_leaves_nothing_to_compile_and_the_random_state_as_it_was():
    from trainables.ops.setup.warm_up import warm

    warm()
    compiled = {function: sum(function.stats.cache_misses.values()) for function in numba_functions()}
    np.random.seed(7)
    warm()
    assert {function: sum(function.stats.cache_misses.values()) for function in numba_functions()} == compiled
    assert np.random.random() == np.random.RandomState(7).random_sample()


@pytest.mark.real
def test_real_frames_meet_only_code_that_warming_up_has_compiled(real_data, tmp_path):
    from mmengine.registry import init_default_scope

    from trainables.ops.setup.warm_up import CLASSES, warm

    warm()
    init_default_scope("mmdet3d")
    compiled = {function: set(function.signatures) for function in numba_functions()}
    augment_real_frames(real_data / "kitti_mini", tmp_path, CLASSES)
    fresh = {f.py_func.__name__ for f in compiled if set(f.signatures) != compiled[f]}
    assert not fresh


def augment_real_frames(root, folder, classes):
    """mmdet3d's ground-truth sampling and object noise on every real training frame, thrice."""
    from mmdet3d.registry import DATASETS

    from trainables.datasets.kitti.root import prepare

    prepare(root, into=folder)
    loading = {"type": "LoadPointsFromFile", "coord_type": "LIDAR", "load_dim": 4, "use_dim": 4}
    sampler = {
        "data_root": str(folder),
        "info_path": str(folder / "kitti_dbinfos_train.pkl"),
        "rate": 1.0,
        "prepare": {"filter_by_min_points": {"Car": 5}},
        "classes": classes,
        "sample_groups": {"Car": 12, "Pedestrian": 6},
        "points_loader": loading,
    }
    frames = DATASETS.build(
        {
            "type": "KittiDataset",
            "data_root": str(folder),
            "ann_file": "kitti_infos_train.pkl",
            "data_prefix": {"pts": "training/velodyne_reduced"},
            "metainfo": {"classes": classes},
            "modality": {"use_lidar": True, "use_camera": False},
            "pipeline": [
                loading,
                {"type": "LoadAnnotations3D", "with_bbox_3d": True, "with_label_3d": True},
                {"type": "ObjectSample", "db_sampler": sampler},
                {"type": "ObjectNoise", "num_try": 20},
                {"type": "Pack3DDetInputs", "keys": ["points", "gt_bboxes_3d", "gt_labels_3d"]},
            ],
        }
    )
    for _ in range(3):
        for index in range(len(frames)):
            frames[index]
