"""Leaving in order: a worker that is to end keeps what its runs did first, whoever says so.

It hears SIGTERM, and it sees that Ray drains its node (as after a preemption notice, or where `ray start --block` gets
SIGTERM, which then waits up to 30 seconds). What was under way is then a checkpoint in the middle of an epoch
(`study/nouns/leaving.py`), and its process is gone: Tune starts the cohort again, on another node if need be.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import ray
from ray.tune.trainable import wrap_function

from study.nouns import leaving
from study.nouns.leaving import EXIT_STATUS, LeavingError

LOOK_S = 2.0
"""How often a worker asks whether its node is drained."""


def attentive(trainable: Callable[[dict[str, Any]], None]) -> type:
    """The trainable as Tune starts it, in a process that hears when it is to end."""

    def run(tune_config: dict[str, Any]) -> None:
        try:
            trainable(tune_config)
        except LeavingError:
            sys.stdout.flush()
            os._exit(EXIT_STATUS)

    wrapped: Any = wrap_function(run)

    class Attentive(wrapped):
        """Tune makes it in the main thread of a worker, where alone signals can be heard."""

        def setup(self, config: dict[str, Any]) -> None:
            leaving.listen()
            threading.Thread(target=_listen_to_ray, daemon=True).start()
            super().setup(config)

    return Attentive


def _listen_to_ray() -> None:
    here = ray.get_runtime_context().get_node_id()
    while True:
        time.sleep(LOOK_S)
        try:
            ends = here in ray._private.state.state.get_draining_nodes()
        except Exception as error:  # Ray itself ends, and with it this process
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            continue
        if ends and leaving.is_under_way():
            leaving.ask()
