"""Several nodes of one Ray on this machine, as `ray.cluster_utils.Cluster` makes them, in a process of their own.

Where `PDSTUDY_SCRATCH` is set each node has a folder of its own below it, as machines have disks of their own.
As a script it starts them, says the address and the process of each node, and ends them when its input ends: how Ray
asks for its token is settled once for a process, so no process that has already used Ray can start them.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
"""Nodes and driver of one cluster agree on it, whatever an earlier Ray of this machine has left."""
JOINS_S = 180
SCRATCH = "PDSTUDY_SCRATCH"
SMALL = {"object_store_memory": 100_000_000}


class Nodes(NamedTuple):
    """A Ray whose head trains nothing."""

    address: str
    raylets: list[int]
    """Of every other node the process that started all others."""


@contextmanager
def several_nodes(count: int, gpus: int = 0, environment: Mapping[str, str] | None = None) -> Iterator[Nodes]:
    """So many nodes of one CPU beside the head."""
    whole = {**os.environ, **TOKEN, **(environment or {})}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__)), str(count), str(gpus)],
        env=whole, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            said = process.stdout.readline().split()
            assert said, "the nodes did not start"
            yield Nodes(said[0], [int(raylet) for raylet in said[1:]])
        finally:
            process.stdin.close()
            process.wait(timeout=60)


def processes_of(raylet: int) -> list[int]:
    """All processes of a node: those that run something survive the one that started them."""
    answer = subprocess.run(["ps", "-o", "pid=", "--ppid", str(raylet)], capture_output=True, text=True, check=False)
    return [raylet, *map(int, answer.stdout.split())]


def main() -> None:
    """Start the nodes, and end them when the input ends."""
    from ray.cluster_utils import Cluster

    count, gpus = map(int, sys.argv[1:])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **SMALL})
    # Addresses of their own: a driver joins by any node of its own address, and must not die with one of these.
    nodes = []
    for place in range(count):
        own = {SCRATCH: f"{os.environ[SCRATCH]}/node {place}"} if SCRATCH in os.environ else {}
        where = {"node_ip_address": f"127.0.0.{2 + place}", "env_vars": own}
        nodes.append(cluster.add_node(wait=False, num_cpus=1, num_gpus=gpus, **where, **SMALL))
    cluster.wait_for_nodes(timeout=JOINS_S)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # what runs on a node ends with it only once that is reaped
    print(cluster.address, *(node.all_processes["raylet"][0].process.pid for node in nodes), flush=True)
    sys.stdin.read()
    for node in [*nodes, cluster.head_node]:
        node.kill_all_processes(check_alive=False, allow_graceful=False)


if __name__ == "__main__":
    main()
