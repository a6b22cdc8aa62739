"""Real nodes that do not see the results, that join late, and that die: a study says so, and keeps what is finished.

A node in a mount namespace of its own is a machine of its own as far as disks go: what is written below RESULTS there
is not seen here, and the other way round.
"""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import toy_study
from killed_drivers import MARK
from ray import cloudpickle
from several_nodes import TOKEN
from test_launch import epochs_trained, wait_for_records
from toy_study import OFFERED, toy

from study.driver import cluster as nodes
from study.driver.launch import launch
from study.nouns.assignment import compose
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec

cloudpickle.register_pickle_by_value(sys.modules[__name__])
RAY = str(Path(sys.executable).with_name("ray"))
QUIET = ["--block", "--disable-usage-stats", "--object-store-memory=100000000"]
TRIED = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False) if shutil.which("unshare") else None
MAY_MOUNT = TRIED is not None and TRIED.returncode == 0
apart = pytest.mark.skipif(not MAY_MOUNT, reason="needs the right to make a mount namespace (root)")


@contextmanager
def started(command: list[str], ready: str) -> Iterator[re.Match[str]]:
    """A node of Ray as a process, from the line that says it is ready."""
    with subprocess.Popen(
        command, env={**os.environ, **TOKEN}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield next(found for line in process.stdout if (found := re.search(ready, line)))
        finally:
            process.terminate()
            process.communicate(timeout=60)


@contextmanager
def head(cpus: int) -> Iterator[str]:
    """The address of a cluster of one node."""
    command = [RAY, "start", "--head", "--port=0", f"--num-cpus={cpus}", "--num-gpus=0", "--include-dashboard=false"]
    with started([*command, *QUIET], r"--address='([\d.]+:\d+)'") as line:
        yield line[1]


@contextmanager
def node_with_its_own(folder: Path, address: str) -> Iterator[None]:
    """One more node, on which another disk lies under the path of this folder."""
    start = f"{RAY} start --address={address} --num-cpus=2 --num-gpus=0 {' '.join(QUIET)}"
    mounted = f"mount -t tmpfs none {folder} && exec {start}"
    with started(["unshare", "-m", "sh", "-c", mounted], r"Ray runtime started"):
        yield


@pytest.fixture
def results(tmp_path):
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


@apart
def test_a_node_that_does_not_see_the_results_is_named_before_anything_starts(results):
    with head(cpus=0) as address, node_with_its_own(results, address), launched(toy(), results, address) as study:
        said, _ = study.communicate(timeout=60)
    assert re.search(r"InputError: the node [\d.]+ does not see .*results/toy: results must lie on a shared disk", said)
    assert list(results.iterdir()) == [], "a study that was refused left something behind"


def train_on_a_disk_of_its_own(tune_config: dict[str, Any]) -> None:
    """A run in whose thread another disk lies under the path of the records, so that nobody else sees its own."""
    records = compose(tune_config)[0].files.runs
    system = ctypes.CDLL(None)
    new_mounts, private, everywhere = 0x20000, 0x40000, 0x4000
    assert system.unshare(new_mounts) == 0
    assert system.mount(b"none", b"/", None, private | everywhere, None) == 0
    assert system.mount(b"none", os.fsencode(records), b"tmpfs", 0, None) == 0
    toy_study.train(tune_config)


@apart
def test_a_run_whose_record_is_not_where_the_driver_reads_has_failed(cluster, tmp_path):
    lines: list[str] = []
    spec = toy(base={"method": "student", "training": {"epochs": 2}}, points=[{"label": "row"}], seeds=[0])
    files, offered = StudyFiles(tmp_path, "toy"), OFFERED._replace(trainable=train_on_a_disk_of_its_own)
    outcome = launch(spec, offered=offered, files=files, address=cluster, say=lines.append)
    assert (outcome.finished, outcome.failed) == (0, 1)
    assert any("row seed 0: FAILED: it ended on " in line and "no record of it is in" in line for line in lines)
    assert "0 runs finished, 1 failed" in lines[-1]


@apart
def test_a_node_that_joins_later_and_does_not_see_the_results_ends_the_study(results):
    spec = toy(base={"method": "student", "training": {"epochs": 600}, "parameters": {"pause": 0.5}},
               points=[{"label": "long"}], seeds=[0])  # fmt: skip
    with head(cpus=1) as address, launched(spec, results, address) as study:
        read_until(study, "epoch 1/600")
        with node_with_its_own(results, address):
            said, _ = study.communicate(timeout=60)
    assert "stopped: a node joined that runs cannot use: the node" in said
    assert "--resume goes on from here" in said


DRIVER = """
import os
import sys
from study.driver import watch
from study.nouns.spec import StudySpec
import toy_study
from ray import cloudpickle
watch.SILENCE_S = float(os.environ.get("SILENCE_S", watch.SILENCE_S))
cloudpickle.register_pickle_by_value(toy_study)
sys.stdout.reconfigure(line_buffering=True)
toy_study.run(StudySpec.model_validate_json(sys.argv[1]), sys.argv[2], sys.argv[3], resume="--resume" in sys.argv)
"""


@contextmanager
def launched(spec: StudySpec, results: Path | str, address: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A driver as a process of its own, whose processes carry the results' path in their environment."""
    command = [sys.executable, "-c", DRIVER, spec.model_dump_json(), str(results), address, *options]
    environment = {**os.environ, **TOKEN, "PYTHONPATH": os.pathsep.join(sys.path), MARK: str(results)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(driver: subprocess.Popen[str], words: str) -> str:
    """What it has said, up to the line with these words."""
    assert driver.stdout is not None
    said = ""
    while words not in said:
        line = driver.stdout.readline()
        assert line, said
        said += line
    return said


def long(seeds: int) -> StudySpec:
    """Runs of five seconds each."""
    base = {"method": "student", "training": {"epochs": 10}, "parameters": {"pause": 0.5}}
    return toy(base=base, points=[{"label": "row"}], seeds=list(range(seeds)), budget={"concurrent": 1})


@pytest.mark.parametrize(
    ("victim", "words"),
    [
        pytest.param(
            "raylet",
            "stopped: Ray has lost every node that could hold a run (1 CPU). Finished runs are kept",
            marks=pytest.mark.long,
        ),
        ("gcs_server", "stopped: Ray's head node gives no answer. Finished runs are kept"),
    ],
)
def test_a_study_whose_ray_dies_ends_in_words(victim, words, tmp_path, monkeypatch):
    monkeypatch.setenv("SILENCE_S", "10")
    files = StudyFiles(tmp_path, "toy")
    with launched(long(seeds=3), tmp_path, "local") as orphaned:
        wait_for_records(files, 1)
        kept = {record.key for record in files.all()}
        os.kill(process_of(victim, tmp_path), signal.SIGKILL)
        said, _ = orphaned.communicate(timeout=60)
    assert words in said
    assert "Traceback" not in said
    assert orphaned.returncode in (0, 3)
    if victim == "raylet":
        with launched(long(seeds=3), tmp_path, "local", "--resume") as again:
            said, _ = again.communicate(timeout=120)
        assert "0 failed" in said
        assert all(epochs_trained(files, key) == list(range(10)) for key in kept), "a finished run was trained again"


def process_of(name: str, mark: Path) -> int:
    """The process of that name that the driver with this mark has started."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() == name and f"={mark}".encode() in (
                process / "environ"
            ).read_bytes():
                return int(process.name)
        except OSError:  # it has ended
            continue
    raise AssertionError(f"no {name} of {mark} runs")


@pytest.fixture
def startable_gpus(tmp_path, monkeypatch):
    """A head node as `ray up` leaves it: GPU workers come when they are asked for."""
    monkeypatch.setenv("HOME", str(tmp_path))
    types = "{head: {resources: {CPU: 0}}, worker: {max_workers: 8, resources: {CPU: 8, GPU: 1}}}"
    (tmp_path / "ray_bootstrap_config.yaml").write_text(f"available_node_types: {types}\n")


def test_a_ray_of_its_own_on_a_clusters_head_node_does_not_wait_for_nodes_that_it_cannot_start(
    startable_gpus, tmp_path, monkeypatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with launched(toy(budget={"gpus_per_trial": 1}), tmp_path / "results", "local") as refused:
        said, _ = refused.communicate(timeout=60)
    assert "budget.gpus_per_trial=1 fits on no node of this Ray: the largest has 0 GPU" in said
    assert not (tmp_path / "results" / "toy").exists()


@pytest.fixture
def joined(cluster) -> Iterator[None]:
    """This process inside the cluster; it looks for Ray's token at home, so a home of a test's own comes after it."""
    nodes.join(cluster)
    yield
    nodes.leave()


def test_a_joined_cluster_counts_the_nodes_that_it_can_start(joined, startable_gpus):
    assert nodes.could_run({"CPU": 8, "GPU": 1})
    assert not nodes.could_run({"CPU": 9, "GPU": 1})


@pytest.mark.parametrize(
    ("asked", "settled", "says"),
    [
        (None, 1, ["GPUs are there: each run takes 1 (budget.gpus_per_trial=0 trains on the CPU)"]),
        (0, 0, []),
        (0.5, 0.5, []),
    ],
)
def test_runs_take_a_gpu_where_there_are_gpus_unless_told_not_to(asked, settled, says, joined, startable_gpus):
    lines: list[str] = []
    budget = nodes.settled(toy(budget={"gpus_per_trial": asked}).budget, 1, lines.append)
    assert (budget.gpus_per_trial, lines) == (settled, says)


def test_runs_take_no_gpu_where_there_is_none(joined):
    assert nodes.settled(toy().budget, 1, print).gpus_per_trial == 0
