"""Keeping an eye on the nodes while runs run: can they all write results, is any left that could hold a run?

Ray itself waits for ever for a node that will not come back, and counts a run as finished that wrote its record on a
disk of its own. A node that joins later is asked before it has trained for long.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RpcError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.driver import cluster
from study.driver.seeing_results import a_token, complaint
from study.nouns.errors import ExitStatus, InputError
from study.nouns.records import StudyFiles

LOOK_S = 3.0
GRACE_S = 15.0
"""How long no node may be there that could hold a run. Ray starts a run of a lost node again well within it."""
SILENCE_S = 25.0
"""How long Ray's own state may give no answer. After 60 seconds Ray ends this process without a word."""
ANSWER_S = 60.0
"""How long a node may take to start a process and look for a file."""


class NodesLostError(Exception):
    """Nothing can run any more, or nothing that runs can be kept. Finished runs are kept; a new launch goes on."""


class Watch:
    """Looks after the nodes of one study.

    Args:
        token: a file beside the study's records that every node must see; or an object of a store, by its URL, that
            every node must be able to read.
        resources: what a run occupies; a node that holds less is not asked.
    """

    def __init__(self, token: Path | str, resources: dict[str, float]) -> None:
        self.token, self.resources = token, resources
        self.asked: set[str] = set()
        self._next = 0.0
        self._alone_since: float | None = None

    def look(self) -> None:
        """Called often; looks every few seconds.

        Raises:
            NodesLostError: no node has been there for a while that could hold a run, or a new one is blind.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + LOOK_S
        if cluster.could_run(self.resources):
            self._alone_since = None
            if blind := self.blind():
                raise NodesLostError(f"a node joined that runs cannot use: {blind}")
        elif self._alone_since is None:
            self._alone_since = now
        elif now - self._alone_since > GRACE_S:
            wanted = cluster.counted(self.resources)
            raise NodesLostError(f"Ray has lost every node that could hold a run ({wanted})")

    def blind(self) -> str | None:
        """Ask every node that was not asked yet whether it sees the token; what is wrong with the first, if any."""
        if cluster.is_own():
            return None  # all its runs are on this machine
        new = [node for node in cluster.living() if node.fits(self.resources) and node.name not in self.asked]
        questions = [_on(node).remote(str(self.token)) for node in new]
        give_up = time.monotonic() + ANSWER_S
        for node, question in zip(new, questions, strict=True):
            try:
                wrong = ray.get(question, timeout=max(0.0, give_up - time.monotonic()))
            except RayError as error:
                lines = str(error).strip().splitlines() or [f"no answer within {ANSWER_S:.0f} s"]
                return f"the node {node.address} cannot start a run: {lines[-1].strip()}"
            if wrong:
                return f"the node {node.address} {wrong}"
            self.asked.add(node.name)
        return None


@contextmanager
def watching(files: StudyFiles, resources: dict[str, float], say: Callable[[str], None]) -> Iterator[Watch]:
    """Watch the nodes of the Ray that this process has joined, for as long as the block takes.

    Where Ray's state (its GCS) is gone, its calls do not return, so nothing in the block can notice; this process then
    says so and ends with exit status 3, before Ray ends it without a word.

    Args:
        files: of the study; every node that could hold a run must see its folder under the same path, or be able to
            write into its store.
        resources: what one run occupies.
        say: where the last words go.

    Raises:
        InputError: a node cannot write results, or start a process of this project.
    """
    ended = threading.Event()
    with ExitStack() as lies:
        watch = Watch(lies.enter_context(a_token(files.url or files.root)), resources)
        lies.callback(ended.set)
        if blind := watch.blind():
            raise InputError(blind)
        threading.Thread(target=_listen, args=(ended, say), daemon=True).start()
        yield watch


def _on(node: cluster.Node) -> Any:
    """A question to one node. It takes no CPU, so that it is answered also beside runs that occupy all."""
    there = NodeAffinitySchedulingStrategy(node.name, soft=False)
    return ray.remote(num_cpus=0, max_retries=0)(complaint).options(scheduling_strategy=there)


def _listen(ended: threading.Event, say: Callable[[str], None]) -> None:
    heard = time.monotonic()
    state: Any = ray._private.worker.global_worker  # its client is made on connecting
    while not ended.wait(LOOK_S):
        try:
            state.gcs_client.check_alive([], timeout=LOOK_S)
            heard = time.monotonic()
        except RpcError:
            if time.monotonic() - heard > SILENCE_S and not ended.is_set():
                say("stopped: Ray's head node gives no answer. Finished runs are kept; go on with --resume.")
                cluster.kill()
                os._exit(ExitStatus.STOPPED_EARLY)
