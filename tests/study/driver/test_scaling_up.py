"""A cluster that starts from no worker: the study asks for all the nodes that it can use at once, and runs on them.

Ray's own autoscaler starts real nodes on this machine (its fake multi-node provider).
"""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import test_nodes
from ray.util import get_node_ip_address
from test_nodes import RAY, launched, started
from toy_study import toy

from study.driver import cluster as nodes
from study.nouns.errors import InputError

HEAD = "ray.head.default"
WORKERS = 3


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def from_zero(tmp_path, monkeypatch) -> Iterator[str]:
    """The address of a head without CPUs, whose autoscaler starts up to three workers of one CPU."""
    port = free_port()
    address = f"{get_node_ip_address()}:{port}"
    worker = {"CPU": 1, "object_store_memory": 100_000_000}
    types = {
        HEAD: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "worker": {"resources": worker, "node_config": {}, "min_workers": 0, "max_workers": 8},
    }
    config = {
        "cluster_name": "fake", "max_workers": WORKERS, "upscaling_speed": 10.0, "idle_timeout_minutes": 5,
        "provider": {"type": "fake_multinode", "gcs_address": address}, "available_node_types": types,
        "head_node_type": HEAD, "auth": {}, "docker": {}, "file_mounts": {}, "setup_commands": [],
        "initialization_commands": [], "head_setup_commands": [], "worker_setup_commands": [],
        "cluster_synced_files": [], "head_start_ray_commands": [], "worker_start_ray_commands": [],
    }  # fmt: skip
    monkeypatch.setenv("HOME", str(tmp_path))  # where `ray up` leaves it on a head node
    file = Path(tmp_path, "ray_bootstrap_config.yaml")
    file.write_text(json.dumps(config))
    monkeypatch.setenv("RAY_FAKE_CLUSTER", "1")
    monkeypatch.setenv("AUTOSCALER_UPDATE_INTERVAL_S", "1")
    command = [RAY, "start", "--head", f"--port={port}", "--num-cpus=0", "--num-gpus=0",
               f"--autoscaling-config={file}", "--include-dashboard=false", "--disable-usage-stats", "--block",
               "--object-store-memory=100000000"]  # fmt: skip
    with started(command, r"Ray runtime started"):
        yield address


SPYING = """
from study.driver.progress import Progress
from study.driver.scheduling import Cohorts
suggest, start = Cohorts.suggest, Progress.on_trial_start

def asked(self, trial_id):
    found = suggest(self, trial_id)
    print(*["asked for a place"] * isinstance(found, dict), sep="\\n", flush=True)
    return found

def started(self, *args, **info):
    print("started in its place", flush=True)
    return start(self, *args, **info)

Cohorts.suggest, Progress.on_trial_start = asked, started
"""


@pytest.mark.long
def test_a_study_scales_a_cluster_up_from_no_worker_to_all_of_them_at_once(from_zero, tmp_path, monkeypatch):
    monkeypatch.setattr(test_nodes, "DRIVER", SPYING + test_nodes.DRIVER)
    base = {"method": "student", "training": {"epochs": 2}, "parameters": {"pause": 0.5}}
    spec = toy(base=base, points=[{"label": "row"}], seeds=list(range(WORKERS)), budget={"cohort": 1})
    with launched(spec, tmp_path / "results", from_zero) as driver:
        said, _ = driver.communicate(timeout=200)
    assert f"{WORKERS} runs finished, 0 failed" in said
    events = [line.split()[0] for line in said.splitlines() if line.endswith("place")]
    assert events[: WORKERS + 1] == ["asked"] * WORKERS + ["started"], "one node would have been started at a time"
    assert "no node is there yet that holds a run (1 CPU): the cluster starts" in said


def test_an_autoscaler_that_does_not_tell_its_nodes_is_asked_for_some_and_gpus_must_be_said(joined_head, monkeypatch):
    assert not nodes.could_run({"CPU": 64, "GPU": 1, "memory": 0})
    monkeypatch.setenv("KUBERAY_GEN_RAY_START_CMD", "ray start --head --no-monitor --num-cpus=0")
    assert nodes.could_run({"CPU": 64, "GPU": 1, "memory": 2**40})
    assert nodes.memory_of_the_largest() == 0, "a guess might fit none of its nodes"
    with pytest.raises(InputError, match=r"budget\.gpus_per_trial must be said"):
        nodes.settled(toy().budget, 1, print)
    assert nodes.settled(toy(budget={"gpus_per_trial": 0}).budget, 1, print).gpus_per_trial == 0


def test_nodes_that_are_there_are_not_counted_as_to_be_started(joined_head, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    types = "{head: {max_workers: 0, resources: {CPU: 0}}, alike: {max_workers: 4, resources: {CPU: 3}}}"
    (tmp_path / "ray_bootstrap_config.yaml").write_text(f"{{max_workers: 3, available_node_types: {types}}}\n")
    assert [node.holds["CPU"] for node in nodes.places()] == [3, 3, 3], "the one of this Ray is one of three"


@pytest.fixture
def joined_head(cluster) -> Iterator[None]:
    """This process inside the Ray of three CPUs."""
    nodes.join(cluster)
    yield
    nodes.leave()
