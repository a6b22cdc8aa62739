"""What becomes of the runs below a results folder, seen from outside: epochs as they come, and results at the end."""

import hashlib
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from study.nouns.records import LATEST, RunRecord, StudyFiles, read_record

LOOK_S = 0.03
OF_TIME_AND_MACHINE = {
    "seconds", "peak_memory_mb", "host", "device", "started", "commit", "versions", "facts", "lease"
}  # fmt: skip
OF_EPOCHS = {"seconds", "shared_seconds", "step_seconds"}
FACTS_OF_THE_MACHINE = {"cohort", "pid", "host_memory_mb"}
"""How many runs trained together is decided by what was left to train."""


class Watched:
    """Looks at the runs many times a second, for as long as a block takes.

    A file that was put in the place of another has another inode, whatever its time says.
    """

    def __init__(self, results: Path) -> None:
        self.runs = results / "runs"
        self.steps: list[float] = []
        """When each epoch came to its end, or each run: a new checkpoint, or a new finished record."""
        self.finished: dict[str, int] = {}
        self.repeated: set[str] = set()
        """Runs whose finished record was replaced by another: they were trained again."""
        self._inodes: dict[Path, int] = {}
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> "Watched":
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.look()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        """Look once."""
        with self._lock:
            for folder in self.runs.glob("*"):
                for path in (folder / LATEST, folder / "record.json"):
                    with suppress(OSError, ValueError):  # it is not there, or goes away just now
                        self._see(path)

    def _see(self, path: Path) -> None:
        inode = path.stat().st_ino
        if self._inodes.get(path) == inode:
            return
        key = path.parent.name
        if path.name == "record.json":
            if read_record(path).status != "finished":
                return
            if self.finished.setdefault(key, inode) != inode:
                self.repeated.add(key)
        self._inodes[path] = inode
        self.steps.append(time.monotonic())

    def wait_for(self, steps: float, seconds: float) -> bool:
        """Whether so many steps were taken within so many seconds."""
        give_up = time.monotonic() + seconds
        while len(self.steps) < steps and time.monotonic() < give_up:
            time.sleep(LOOK_S)
        return len(self.steps) >= steps

    def first_after(self, moment: float) -> float | None:
        """When the first step after a moment came to its end."""
        return next((step for step in self.steps if step > moment), None)


def outcome(files: StudyFiles) -> dict[str, Any]:
    """What each finished run of a study came to, by its key: its record without time and machine, and its weights."""
    found = {}
    for run in files.read_plan().runs:
        record = files.finished(run.config.key)
        if run.final and record is not None:
            weights = hashlib.sha256(files.checkpoint(record.key).read_bytes()).hexdigest()
            found[record.key] = {**_lasting(record), "weights": weights}
    return found


def _lasting(record: RunRecord) -> dict[str, Any]:
    whole = record.model_dump(mode="json", exclude=OF_TIME_AND_MACHINE | {"study", "label", "role"})
    whole["epochs"] = [epoch.model_dump(exclude=OF_EPOCHS) for epoch in record.epochs]
    facts = {name: fact for name, fact in record.facts.items() if name not in FACTS_OF_THE_MACHINE}
    return {**whole, "facts": facts}
