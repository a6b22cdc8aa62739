"""Leaving in order: what is to end keeps what its runs did first, whoever says so.

A driver hears SIGINT and SIGTERM, and tells its workers when it leaves. A worker hears SIGTERM and its driver, and sees
that Ray drains its node (as after a preemption notice, or where `ray start --block` gets SIGTERM, which then waits up
to 30 seconds). What was under way is then a checkpoint in the middle of an epoch (`study/nouns/leaving.py`). Where the
driver leaves, Ray ends the worker's process with it. Where the driver goes on, the process ends itself, and Tune starts
the cohort again, on another node if need be.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

import ray
from ray.exceptions import RpcError
from ray.experimental.internal_kv import _internal_kv_exists, _internal_kv_list, _internal_kv_put
from ray.train._internal.session import get_session
from ray.tune.trainable import wrap_function

from study.nouns import leaving
from study.nouns.leaving import EXIT_STATUS, LeavingError

LOOK_S = 1.0
"""How often a worker asks whether its driver leaves or its node is drained."""
LET_GO_S = 30.0
"""How long a driver that leaves waits for its workers: each ends the step under way and writes its checkpoints."""
_driver_leaves = threading.Event()
"""In a worker: whether its driver does."""


class Heard:
    """By which signal a driver heard that it is to end while its loop ran; None: by none."""

    by: signal.Signals | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, SIGINT and SIGTERM are heard and only noted; the second one does what it did outside.

        Only the main thread can hear signals; elsewhere this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        def note(number: int, frame: FrameType | None) -> None:
            self.by = signal.Signals(number)
            restore()

        for number in before:
            signal.signal(number, note)
        try:
            yield
        finally:
            restore()


class DriverLeavesError(BaseException):
    """The driver leaves its loop; its message says why.

    No `Exception`, after which Tune would first take what became of its trials for their results.
    """


def leave(why: str) -> NoReturn:
    """Have the workers of this driver keep what they did, wait until they have, and leave the loop.

    Raises:
        DriverLeavesError: always.
    """
    if ray.is_initialized():
        with suppress(RpcError):  # Ray itself is gone, and they with it
            _let_go(ray.get_runtime_context().get_job_id())
    raise DriverLeavesError(why)


def _let_go(job: str) -> None:
    _internal_kv_put(_leaves(job), b"")
    give_up = time.monotonic() + LET_GO_S
    while time.monotonic() < give_up and _alive(job) - _done(job):
        time.sleep(0.1)


def attentive(trainable: Callable[[dict[str, Any]], None]) -> type:
    """The trainable as Tune starts it, in a process that hears when it is to end."""

    def run(tune_config: dict[str, Any]) -> None:
        try:
            trainable(tune_config)
        except LeavingError:
            _end_where_the_driver_goes_on()
        finally:
            _tell_a_driver_that_leaves()

    wrapped: Any = wrap_function(run)

    class Attentive(wrapped):
        """Tune makes it in the main thread of a worker, where alone signals can be heard."""

        def setup(self, config: dict[str, Any]) -> None:
            leaving.listen()
            threading.Thread(target=_listen_to_ray, daemon=True).start()
            super().setup(config)

        def cleanup(self) -> None:
            """Tune ends this process. It has a run that waits in a report leave by SystemExit, which is no failure."""
            leaving.ask()
            super().cleanup()

    return Attentive


def _end_where_the_driver_goes_on() -> None:
    sys.stdout.flush()
    if not _driver_leaves.is_set():
        os._exit(EXIT_STATUS)


def _tell_a_driver_that_leaves() -> None:
    """A run may also have ended by itself meanwhile."""
    if _driver_leaves.is_set():
        _say_done()


def _listen_to_ray() -> None:
    here = ray.get_runtime_context()
    node, driver_leaves = here.get_node_id(), _leaves(here.get_job_id())
    while not leaving.asked():
        time.sleep(LOOK_S)
        try:
            if _internal_kv_exists(driver_leaves):
                _leave_with_driver()
            elif leaving.is_under_way() and node in ray._private.state.state.get_draining_nodes():
                leaving.ask()
        except Exception as error:  # Ray itself ends, and with it this process
            print(f"{type(error).__name__}: {error}", file=sys.stderr)


def _leave_with_driver() -> None:
    """A run that reports waits until the driver asks for more, which it will not do again: let it go on."""
    _driver_leaves.set()
    if not leaving.is_under_way():
        _say_done()
    leaving.ask()
    session: Any = get_session()
    session.pause_reporting()
    session.continue_lock.release()


def _leaves(job: str) -> bytes:
    return f"the driver of job {job} leaves".encode()


def _say_done() -> None:
    """In a worker: nothing is lost any more when this process ends."""
    here = ray.get_runtime_context()
    _internal_kv_put(_leaves(here.get_job_id()) + f", without {here.get_actor_id()}".encode(), b"")


def _done(job: str) -> set[str]:
    """The actors that said so."""
    return {name.decode().rpartition(" ")[2] for name in _internal_kv_list(_leaves(job) + b", without ")}


def _alive(job: str) -> set[str]:
    return set(ray._private.state.actors(job_id=ray.JobID.from_hex(job), actor_state_name="ALIVE"))
