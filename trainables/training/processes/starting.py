"""Several processes that train one run together: started, listened to and ended by the process of the trial.

Each is `python -m trainables.training.processes.one_process` with a GPU of its own or, without CUDA, a share of the
cores. It reads its task, one line of JSON, from standard input and says what it has to say in lines of JSON on standard
output. The first that fails or dies ends all of them, and with them the run. They end too when standard input closes,
as it does when the process of the trial dies, even of `kill -9`: nothing of a run outlives another part of it.

Where the process of the trial is to end, it asks them to leave by an empty line. They agree on a step, keep one
checkpoint of all of them and say so. One that gets SIGTERM itself has the others leave, too.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from subprocess import PIPE, Popen, TimeoutExpired
from tempfile import TemporaryDirectory
from typing import Any

import torch

from study.nouns import leaving
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from study.nouns.leases import fence
from study.nouns.records import EpochRecord
from trainables.training.epochs import Trained
from trainables.training.failing import RankFailedError

PROJECT = Path(__file__).resolve().parents[3]
LOOK_S = 0.5
"""How often the processes are looked after while they say nothing."""

LEAVE_S = 10.0
"""How long processes that are done may take to give back what they hold."""


class Task(Frozen):
    """What one process is told: the run, prepared by the process of the trial, and its place in it."""

    config: TrialConfig
    data: Path
    folder: Path
    teacher: Path | None
    meeting: Path
    """A file by which the processes find each other."""
    rank: int
    lease: int = 0
    """The number under which the process of the trial holds the folder."""


def train(
    config: TrialConfig, data: Path, folder: Path, teacher: Path | None, tell: Callable[[EpochRecord], None]
) -> Trained:
    """Train one run in `config.training.devices` processes; arguments and result as of `alone.train`.

    Raises:
        InputError: there are fewer GPUs than processes.
        RankFailedError: a process failed or died.
        LeavingError: this process was asked to end, or one of them was, and what they did is kept.
    """
    devices = config.training.devices
    if torch.cuda.is_available() and torch.cuda.device_count() < devices:
        raise InputError(f"training.devices={devices}, but this run sees {torch.cuda.device_count()} GPUs")
    with TemporaryDirectory(prefix="meeting-") as place:
        whole = Task(
            config=config, data=data, folder=folder, teacher=teacher, meeting=Path(place) / "processes", rank=0,
            lease=fence(folder),
        )  # fmt: skip
        tasks = [whole.model_copy(update={"rank": rank}) for rank in range(devices)]
        with leaving.under_way(), _started(tasks) as (ranks, heard):
            try:
                return _until_all_are_done(ranks, heard, tell)
            except RankFailedError:
                if leaving.asked() and any(rank.was_killed for rank in ranks):
                    leaving.leave()  # whoever has this process end has ended one of them first
                raise


Said = tuple[int, dict[str, Any]]
"""A line that a process wrote: its rank, and an `epoch`, why it `failed`, that it `left`, or what it `trained`."""


class _Rank:
    """One process, and the thread that reads what it says."""

    def __init__(self, task: Task, heard: Queue[Said]) -> None:
        devices = task.config.training.devices
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // devices)),
        }
        command = [sys.executable, "-P", "-m", "trainables.training.processes.one_process"]
        self.rank = task.rank
        self.name = f"process {task.rank + 1} of {devices}"
        # A session of its own, to be ended together with the data loading processes that it starts.
        self.process = Popen(command, env=environment, stdin=PIPE, stdout=PIPE, text=True, start_new_session=True)
        self._reader = threading.Thread(target=self._read, args=(heard,), daemon=True)
        self._reader.start()
        with suppress(BrokenPipeError):  # it died already, which shows below
            print(task.model_dump_json(), file=self.process.stdin, flush=True)

    def _read(self, heard: Queue[Said]) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                heard.put((self.rank, json.loads(line)))

    def ask_to_leave(self) -> None:
        """Have it keep what it did and leave."""
        with suppress(BrokenPipeError):
            print(file=self.process.stdin, flush=True)

    @property
    def was_killed(self) -> bool:
        """True when a signal ended it: what the others say then is only about its absence."""
        return (self.process.poll() or 0) < 0

    def death(self) -> str | None:
        """How the process ended, or None while it lives. Its last words have been heard by then."""
        code = self.process.poll()
        if code is None:
            return None
        self._reader.join(timeout=1)
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        return f"{self.name} {how}, without a word (killed, or out of memory?)"

    def end(self) -> None:
        """End the process, at once and with everything that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()


@contextmanager
def _started(tasks: list[Task]) -> Iterator[tuple[list[_Rank], Queue[Said]]]:
    heard: Queue[Said] = Queue()
    ranks: list[_Rank] = []
    try:
        for task in tasks:
            ranks.append(_Rank(task, heard))
        yield ranks, heard
        for rank in ranks:
            with suppress(TimeoutExpired):
                rank.process.wait(LEAVE_S)
    finally:
        for rank in ranks:
            rank.end()


def _until_all_are_done(ranks: list[_Rank], heard: Queue[Said], tell: Callable[[EpochRecord], None]) -> Trained:
    """Pass the epochs on until every process has trained; the memory of the result is the largest of theirs."""
    done: dict[int, Trained] = {}
    left: set[int] = set()
    asked = False
    while len(done) + len(left) < len(ranks):
        if leaving.asked() and not asked:
            asked = True
            for one in ranks:
                one.ask_to_leave()
        try:
            rank, said = heard.get(timeout=LOOK_S)
        except Empty:
            over = left | done.keys()
            deaths = [death for rank in ranks if rank.rank not in over and (death := rank.death())]
            if deaths and heard.empty():
                raise RankFailedError(deaths[0]) from None
            continue
        if "epoch" in said:
            tell(EpochRecord.model_validate(said["epoch"]))
        elif "failed" in said:
            deaths = [str(rank.death()) for rank in ranks if rank.was_killed]
            raise RankFailedError(*deaths[:1] or [f"{ranks[rank].name}: {said['failed']}"])
        elif "left" in said:
            left.add(rank)
        else:
            done[rank] = Trained.model_validate(said["trained"])
    if left:
        leaving.ask()  # one of them may have been asked instead
        leaving.leave()
    return done[0].model_copy(update={"peak_memory_mb": max(trained.peak_memory_mb for trained in done.values())})
