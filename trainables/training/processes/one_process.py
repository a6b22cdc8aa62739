"""One of the processes that train a run together, started by `trainables.training.processes.starting`.

Its output goes to the run's log: `train.log` for the first process, `train.2.log`, `train.3.log`... for the others.
"""

import json
import os
import signal
import sys
import threading
from typing import Any

from study.nouns import leaving
from study.nouns.leaving import LeavingError


def main() -> int:
    """Train as the task on standard input says; returns the exit status."""
    with open(0, "rb", buffering=0, closefd=False) as standard_input:  # what comes after the task is not read yet
        line = standard_input.readline()
    leaving.listen()
    threading.Thread(target=_listen_to_the_trial, daemon=True).start()
    with leaving.under_way():
        return _train(line)


def _train(line: bytes) -> int:
    # Only now what takes seconds to import: a process that is still starting ends with its trial too.
    from study.nouns.leases import entrust
    from study.nouns.records import EpochRecord
    from trainables.training.alone import train
    from trainables.training.failing import reason_of
    from trainables.training.processes.shared_step import together
    from trainables.training.processes.starting import Task
    from trainables.training.run_log import quietly

    task = Task.model_validate_json(line)
    out = os.fdopen(os.dup(1), "w")  # the log takes the place of standard output
    entrust(task.folder, task.lease)
    os.chdir(task.folder)  # where mmengine hands predictions from process to process, in files

    def say(what: str, content: Any) -> None:
        print(json.dumps({what: content}), file=out, flush=True)

    def tell(epoch: EpochRecord) -> None:
        say("epoch", epoch.model_dump(mode="json"))

    log = task.folder / ("train.log" if task.rank == 0 else f"train.{task.rank + 1}.log")
    try:
        with quietly(log), together(task.rank, task.config.training.devices, task.meeting):
            trained = train(task.config, task.data, task.folder, task.teacher, tell)
    except LeavingError:
        say("left", True)
        return leaving.EXIT_STATUS
    except Exception as error:
        say("failed", reason_of(error, task.folder))
        return 1
    say("trained", trained.model_dump(mode="json"))
    return 0


def _listen_to_the_trial() -> None:
    """An empty line has this process leave. Standard input closes when the trial's process ends, however it does; then
    so does this one's whole group."""
    while os.read(0, 1):
        leaving.ask()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
