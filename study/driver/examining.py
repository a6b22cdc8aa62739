"""Checking this machine and every node of a cluster before a study starts: one task pinned to each node."""

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.driver import cluster
from study.driver.node_checks import Asked, Finding, Probe, Seen, look, pins_of
from study.driver.seeing_results import a_token

ANSWER_S = 180.0
"""How long a node may take to start a process and load everything."""
CLOCK_S = 5.0
"""How far clocks may differ: leases and times of records compare them."""
HERE = "this machine"


def examine(probe: Probe, address: str, data: Path | None, results: Path | str) -> Iterator[Finding]:
    """What is found on this machine and, where an address is given, on each living node of that cluster.

    Args:
        probe: looks at devices, operators and data; nodes import it from the project's folder.
        address: `local` is this machine alone, without Ray.
        data: root of a data set that must be readable.
        results: folder of all results, or the URL of a store.

    Raises:
        InputError: no cluster answers at the address, or the URL is that of no store.
        OSError: the store does not answer.
    """
    results = results.absolute() if isinstance(results, Path) else results
    with _without_a_trace(results) as token:
        asked = Asked(
            python=platform.python_version(), pins=pins_of(cluster.PROJECT / "requirements"),
            results=results, token=token, data=data and data.absolute(), probe=probe,
        )  # fmt: skip
        yield from _findings(HERE, look(asked), token, time.time())
        if address == "local":
            return
        cluster.join(address)
        try:
            yield from _nodes(asked)
        finally:
            cluster.leave()


def _nodes(asked: Asked) -> Iterator[Finding]:
    began = time.time()
    nodes = cluster.living()
    questions = [_on(node).remote(asked, int(node.holds.get("GPU", 0))) for node in nodes]
    give_up = time.monotonic() + ANSWER_S
    for number, (node, question) in enumerate(zip(nodes, questions, strict=True), 1):
        name = f"node {number} ({node.address})"
        try:
            seen = ray.get(question, timeout=max(0.0, give_up - time.monotonic()))
        except RayError as error:
            lines = str(error).strip().splitlines() or [f"no answer within {ANSWER_S:.0f} s"]
            said = f"no process of this project starts: {lines[-1].strip()}; is the project in {cluster.PROJECT} there?"
            yield Finding(node=name, check="project", ok=False, said=said)
            continue
        yield from _findings(name, seen, asked.token, began)


def _findings(name: str, seen: Seen, token: Path | str, began: float) -> Iterator[Finding]:
    ended = time.time()
    yield from (Finding(node=name, check=check, ok=ok, said=said) for check, ok, said in seen.told)
    if name == HERE:
        return
    if seen.left is not None and isinstance(token, Path) and not (token.parent / seen.left.name).exists():
        said = f"what it writes into {token.parent} is not seen here: results must lie on a shared disk"
        yield Finding(node=name, check="results", ok=False, said=said)
    off = max(began - seen.clock, seen.clock - ended, 0.0)  # it answered some time between the two
    said = "agrees with the driver's" if off <= CLOCK_S else f"{off:.0f} s off the driver's: set it by NTP"
    yield Finding(node=name, check="clock", ok=off <= CLOCK_S, said=said)


def _on(node: cluster.Node) -> Any:
    """A process of its own on one node. It takes no CPU, so that it is answered also beside runs that occupy all."""
    there = NodeAffinitySchedulingStrategy(node.name, soft=False)
    return ray.remote(num_cpus=0, max_retries=0, max_calls=1)(look).options(scheduling_strategy=there)


@contextmanager
def _without_a_trace(results: Path | str) -> Iterator[Path | str]:
    """A token; of a folder, what nodes leave beside it goes with it, and so do folders that were not there."""
    if isinstance(results, str):
        with a_token(results) as token:
            yield token
        return
    missing = [folder for folder in (results, *results.parents) if not folder.exists()]
    try:
        with a_token(results) as token:
            yield token
    finally:
        for left in results.glob(".doctor-*"):
            left.unlink(missing_ok=True)
        with suppress(OSError):  # somebody else has put something there
            for folder in missing:
                folder.rmdir()
