"""Joining Ray: a new local one, or the cluster at an address; and whether a run fits on any of its nodes.

Nothing calls home: usage statistics are switched off before Ray starts, and its dashboard is never started.
The workers of a local Ray, and of a cluster whose nodes hold the project in the same folder (as `cluster.yaml` lays it
out, and as any second Ray on this machine does), import the project from there; nothing is copied.
"""

import logging
import os
import socket
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import ray
import yaml
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray._private.services import canonicalize_bootstrap_address_or_die
from ray.job_config import JobConfig

from study.nouns.errors import InputError
from study.nouns.spec import Budget

PROJECT = Path(__file__).resolve().parents[2]
OBJECT_STORE_BYTES = 256 * 2**20
"""Runs exchange configs and numbers, not tensors; Ray's own default is 30 % of the machine's memory."""

UNKNOWN, UNTOLD = "a node to be started", 16
"""So many nodes are asked for at once, at most, of an autoscaler that does not tell how many it may start."""
UNITS = {"CPU": (1, "CPU"), "GPU": (1, "GPU"), "memory": (2**30, "GiB of memory")}
"""How people count what Ray counts."""
CONNECT_S = 5.0
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the record is the log; no CSV, JSON and TensorBoard beside it
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C reaches launch(), which says how to continue
    "RAY_AIR_NEW_OUTPUT": "0",  # no tables between our lines
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "200",  # Tune would ask for one node at a time; `Room` knows how many find room
}


ON_WORKERS = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
"""A run that was given no GPU must see none: Ray 2.60 leaves it CUDA_VISIBLE_DEVICES as the node has it."""


def join(address: str) -> None:
    """Connect this process to Ray. `local` always starts a new one, which ends with this process.

    Args:
        address: `local`, `auto` (the cluster of this machine), or `host:port`.

    Raises:
        InputError: no cluster answers at the address.
    """
    if "://" in address:
        raise InputError(
            f"--address {address}: a study is driven from inside the cluster. Run the command on its head node with "
            "--address auto, for instance through `ray exec cluster.yaml`"
        )
    if ray.is_initialized():
        raise InputError("this process is already connected to Ray; a study joins its own")
    os.environ.update(QUIET)
    os.environ.pop("OMP_NUM_THREADS", None)  # Ray then gives every run as many threads as it has CPUs
    for name in ("ray.tune", "ray.train", "ray.air", "ray._private.authentication"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # a failed run has its line; no traceback of Tune's loop
    options: dict[str, Any] = {
        "log_to_driver": "PDSTUDY_DEBUG" in os.environ,
        "logging_level": logging.ERROR,
        "job_config": JobConfig(_py_driver_sys_path=[str(PROJECT)], runtime_env={"env_vars": ON_WORKERS}),
    }
    try:
        if address == "local":
            ray.init(address="local", include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, **options)
        else:
            # A cluster that was started where a token lies asks for it; a driver must say so itself (Ray 2.60).
            maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
            ray.init(address=_answering(address), **options)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"--address {address}: no Ray cluster can be joined there ({reason})") from None


def _answering(address: str) -> str:
    """host:port of a cluster that accepts a connection; Ray itself would wait minutes for one that is gone."""
    found = canonicalize_bootstrap_address_or_die(address)
    host, _, port = found.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=CONNECT_S):
        return found


def leave() -> None:
    """Disconnect; a local Ray ends, a cluster goes on without this study's processes."""
    ray.shutdown()


def require(resources: dict[str, float], hints: dict[str, str]) -> None:
    """Make sure that one run fits on a node, for Ray waits forever for what no node has.

    Args:
        resources: what one run occupies, as Ray names it (`CPU`, `GPU`, `memory` in bytes).
        hints: for every resource the key of the study that asks for it.

    Raises:
        InputError: no node of the cluster, and none that it can start, holds that much.
    """
    if could_run(resources):
        return
    nodes = places()
    largest = {name: max((node.holds.get(name, 0) for node in nodes), default=0) for name in resources}
    short = [name for name, amount in resources.items() if largest[name] < amount] or list(resources)
    wanted = ", ".join(f"{hints[name]}={resources[name] / UNITS[name][0]:.4g}" for name in short)
    found = ", ".join(f"{largest[name] / UNITS[name][0]:.4g} {UNITS[name][1]}" for name in short)
    raise InputError(f"{wanted} fits on no node of this Ray: the largest has {found}")


def counted(resources: dict[str, float]) -> str:
    """What a run occupies, in words."""
    return ", ".join(f"{amount / UNITS[name][0]:.4g} {UNITS[name][1]}" for name, amount in resources.items() if amount)


def memory_of_the_largest() -> int:
    """Bytes of the largest node; 0 where one that the cluster could start does not tell, for Ray would start none."""
    known = [node.holds.get("memory", 0) for node in places()]
    return int(max(known)) if known and all(0 < bytes_ < inf for bytes_ in known) else 0


def could_run(resources: dict[str, float]) -> bool:
    """Whether a living node, or one that the cluster can start, holds a run that occupies so much."""
    return any(node.fits(resources) for node in places())


def places() -> list["Node"]:
    """The nodes that are there, and as many more as the cluster can start."""
    return [*living(), *_startable()]


def settled(budget: Budget, devices: int, say: Callable[[str], None]) -> Budget:
    """The budget with its GPUs: where it leaves them open, one per device of a run if this Ray has GPUs, else none.

    Raises:
        InputError: it leaves them open, and whether there will be any cannot be known.
    """
    if budget.gpus_per_trial is not None:
        return budget
    known = [node.holds.get("GPU", 0) for node in places()]
    if inf in known and not any(0 < gpus < inf for gpus in known):
        raise InputError(
            "budget.gpus_per_trial must be said, 0 for none: no node with a GPU is there yet, and the cluster does not "
            "tell which nodes it starts"
        )
    found = any(known)
    if found:
        say(f"GPUs are there: each run takes {devices} (budget.gpus_per_trial=0 trains on the CPU)")
    return budget.model_copy(update={"gpus_per_trial": float(devices if found else 0)})


class Node(NamedTuple):
    """One machine of the cluster: Ray's name for it (empty: not started yet), where it is, what it holds."""

    name: str
    address: str
    holds: dict[str, float]

    def fits(self, resources: dict[str, float]) -> bool:
        """Whether it could hold a run that occupies so much."""
        return all(self.holds.get(name, 0) >= amount for name, amount in resources.items())


def living() -> list[Node]:
    """The nodes that are there now."""
    return [Node(one["NodeID"], one["NodeManagerAddress"], one["Resources"]) for one in ray.nodes() if one["Alive"]]


def kill() -> None:
    """End the processes of a Ray of our own without asking them: nobody is left who could."""
    node: Any = ray._private.worker._global_node
    if is_own():
        node.kill_all_processes(check_alive=False, allow_graceful=False)


def is_own() -> bool:
    """Whether this process started the Ray that it is connected to, on this machine alone."""
    node = ray._private.worker._global_node
    return node is not None and bool(node.is_head())


def _startable() -> list[Node]:
    """Nodes that the cluster's autoscaler may still start.

    `ray up` leaves a file that says which on the head node. KubeRay's autoscaler tells nobody, so its nodes hold
    anything. A Ray of our own starts no nodes, also where it runs on such a head node.
    """
    if is_own():
        return []
    bootstrap = Path.home() / "ray_bootstrap_config.yaml"
    if not bootstrap.exists():
        return [Node("", UNKNOWN, dict.fromkeys(UNITS, inf))] * UNTOLD if kuberay_scales() else []
    config = yaml.safe_load(bootstrap.read_text()) or {}
    types = {name: kind for name, kind in config.get("available_node_types", {}).items() if kind.get("max_workers", 0)}
    there = [node.holds for node in living()]
    left: list[Node] = []
    for name, kind in types.items():
        holds = kind.get("resources", {})
        alike = sum(all(node.get(one) == amount for one, amount in holds.items() if one in UNITS) for node in there)
        left += [Node("", name, holds)] * max(0, kind["max_workers"] - alike)
    return left[: max(0, config.get("max_workers", len(left)) - sum(node.get("CPU", 0) > 0 for node in there))]


def kuberay_scales() -> bool:
    """Whether this is a pod of a RayCluster whose workers come when they are asked for.

    The operator then starts the head without Ray's own monitor, and hands the command to the pod.
    """
    return "no-monitor" in os.environ.get("KUBERAY_GEN_RAY_START_CMD", "")
