"""How much of a machine's memory a cohort will take: as earlier runs of its kind did, as the study says, or a guess.

Ray counts what it is told and looks at nothing else, so two large cohorts would meet on a small node. What is planned
is resident memory of the training process; a GPU's own memory is another matter.
"""

from collections.abc import Iterable, Sequence
from math import ceil
from typing import NamedTuple

from study.nouns.config import TrialConfig
from study.nouns.records import StudyFiles
from study.planning.cohorts import MOST
from study.planning.forecast import kind_of_batches

GIB = 2**30
FACT = "host_memory_mb"
"""Under this name a record holds the most memory that its training process took, in MiB, whoever trained beside it."""
LIBRARIES_MIB = 600.0
"""What a process takes before it has built anything."""
ROOM = 1.2
"""So much more than was seen is planned: a search varies what a run takes."""
GUESS_GIB, GUESS_PER_RUN_GIB = 2.0, 0.25
"""Of what nobody has run yet: so much for each run, and at least so much. Sixteen full-size students took 3.5 GiB."""
STEP = GIB // 2
"""Amounts are whole steps, as Tune uses a worker again for cohorts that take as much."""
NEWEST = 300
"""So many records are read."""


class Memory(NamedTuple):
    """What is known of the memory that runs take.

    Args:
        said: GiB of every cohort and teacher, as the study asks for it; 0 plans none; None: it does not say.
        seen: of earlier runs by kind, how many trained together and what their process took, in MiB.
        node: bytes of the largest node, beyond which nothing is guessed; 0: the nodes do not tell, so none is planned.
    """

    said: float | None
    seen: dict[str, list[tuple[int, float]]]
    node: int

    def of(self, runs: Sequence[TrialConfig]) -> int:
        """Bytes that a cohort of these runs takes; 0 is not planned."""
        if self.said is not None:
            return round(self.said * GIB)
        if not self.node:
            return 0
        kinds = set(map(_kind, runs)) if self.seen else ()
        if known := [_likely(self.seen[kind], len(runs)) for kind in kinds if kind in self.seen]:
            return ceil(max(known) * ROOM * runs[0].training.devices * 2**20 / STEP) * STEP
        return min(ceil(max(GUESS_GIB, GUESS_PER_RUN_GIB * len(runs)) * GIB / STEP) * STEP, self.node)

    def together(self, configs: Iterable[TrialConfig]) -> int:
        """How many runs like any of these can train together on the largest node; at least 1."""
        if self.said is not None or not self.seen:
            return MOST
        fit = [max((n for n in range(1, MOST + 1) if self.of([one] * n) <= self.node), default=1) for one in configs]
        return min(fit, default=MOST)


def memory(said: float | None, files: StudyFiles, node: int) -> Memory:
    """Read what earlier runs below this results folder took."""
    seen: dict[str, list[tuple[int, float]]] = {}
    if said is None and node:
        written = {path: path.stat().st_mtime_ns for path in files.runs.glob("*/record.json")}
        for path in sorted(written, key=lambda one: -written[one])[:NEWEST]:
            record = files.record(path.parent.name)
            if record is not None and record.status == "finished" and FACT in record.facts:
                runs = int(record.facts.get("cohort", 1))
                seen.setdefault(_kind(record.config), []).append((runs, record.facts[FACT]))
    return Memory(said, seen, node)


def one_of_each(configs: Iterable[TrialConfig]) -> list[TrialConfig]:
    """A run of every kind that takes as much memory: there are thousands of runs, and few kinds."""
    return list({_kind(config): config for config in configs}.values())


def _likely(seen: list[tuple[int, float]], runs: int) -> float:
    """MiB of so many runs: the most that as many took; of more than ever were together, as much more for each."""
    nearest = min((together for together, _ in seen), key=lambda together: (abs(together - runs), -together))
    took = max(mib for together, mib in seen if together == nearest)
    more = max(0, runs - nearest)
    return took + more * max(0.0, took - LIBRARIES_MIB) / nearest


def _kind(config: TrialConfig) -> str:
    """Equal for runs that take as much; students of all methods count as one kind, as they train together."""
    return kind_of_batches("teacher" if config.method == "teacher" else "student", config)
