"""How far a study is, from its folder alone: is a driver alive, what became of its runs, what is said of its claims.

No Ray: any machine that sees the folder can tell, while the study runs and afterwards.
"""

import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

from study.evidence.told import told
from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from study.nouns.leases import BEAT_S, Lease
from study.nouns.promised import Plan
from study.nouns.records import StudyFiles

SILENT_S = 120.0
"""A driver keeps its time every half minute; one on another machine that has not for so long is probably gone."""


class Driver(Frozen):
    """The process that runs a study, or ran it."""

    alive: bool | None
    """None: it began on another machine, and gave no sign of life while it was looked at."""
    host: str = ""
    pid: int | None = None
    said_s: float | None = None
    """Seconds since it last kept its time."""

    @property
    def gone(self) -> bool:
        """Whether it is certain, or likely after a long silence, that no driver is there."""
        return self.alive is False or (self.alive is None and (self.said_s is None or self.said_s > SILENT_S))

    def text(self) -> str:
        """In a line."""
        if self.alive:
            return f"a driver is alive: process {self.pid} on {self.host}" if self.pid else "a driver is alive"
        if self.alive is False:
            died = f"; the last one, process {self.pid} on {self.host}, was killed" if self.pid else ""
            return f"no driver is alive{died}"
        said = "has not kept its time yet" if self.said_s is None else f"kept its time {self.said_s:.0f} s ago"
        guess = "probably gone" if self.gone else "probably alive"
        return f"a driver began on {self.host} (process {self.pid}), and gives no sign of life: it {said}, {guess}"


class Row(Frozen):
    """What has become of the runs of one row, of its tuning, or of the search."""

    name: str
    planned: int
    finished: int
    failed: int
    pruned: int
    open: int
    seeds: dict[str, tuple[int, ...]]
    """Of rows: seeds by what has become of them (`open` among them)."""


class Verdict(Frozen):
    """What is said of a claim so far."""

    claim: str
    verdict: str


class Standing(Frozen):
    """How far a study is."""

    study: str
    folder: str
    driver: Driver
    rows: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]
    last_record_s: float | None
    """Seconds since the last run ended."""
    spent_s: float
    """Of all launches."""
    left_s: float | None
    """At the pace so far, as far as runs are planned by now; None before a run of this study has ended."""

    def count(self, what: str) -> int:
        """Runs of all rows that are `planned`, `finished`, `failed`, `pruned` or `open`."""
        return sum(getattr(row, what) for row in self.rows)


def standing(files: StudyFiles) -> Standing:
    """How far the study of a folder is.

    Raises:
        InputError: the folder holds no study, or one that cannot be read.
    """
    spec = files.read_study()
    if spec is None:
        raise InputError(f"{files.root}: expected a study's folder, and there is no study.json in it")
    plan, record = files.read_plan(), cache(files.ended)
    ended = {run.config.key: one for run in plan.runs if run.final and (one := record(run.config.key))}
    planned, counts = counted(plan, lambda key: ended[key].status if key in ended else None)
    rows = tuple(_row(name, plan, planned[name], counts[name], files) for name in planned)
    answers = told(spec, plan.runs, ended.get).claims if spec.claims else ()
    here, spent = sum(one.study == files.study for one in ended.values()), files.spent()
    open_ = sum(row.open for row in rows)
    return Standing(
        study=files.study, folder=str(files.root), driver=driver_of(files), rows=rows,
        verdicts=tuple(Verdict(claim=one.text, verdict=one.verdict) for one in answers),
        last_record_s=min(map(_age, map(files.record_json, ended)), default=None),
        spent_s=spent, left_s=spent * open_ / here if here and spent else None,
    )  # fmt: skip


def counted(plan: Plan, status: Callable[[str], str | None]) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """Of each row how many runs are planned, and how those that are over have ended.

    Args:
        plan: of the study.
        status: how the run of a key has ended; None for one that has not.
    """
    planned = Counter(row_of(run.role, run.label) for run in plan.runs)
    planned += Counter({row_of(promise.role, promise.label): promise.runs for promise in plan.unasked()})
    ended = {name: Counter[str]() for name in planned}
    for run in plan.runs:
        if run.final and (how := status(run.config.key)):
            ended[row_of(run.role, run.label)][how] += 1
    return planned, ended


def row_of(role: str, label: str) -> str:
    """The line of a table that a run counts in."""
    return f"tuning of {label}" if role == "tuning" else label


def driver_of(files: StudyFiles) -> Driver:
    """Whether a driver runs the study now. One on another machine is given time for a sign of life."""
    lease = Lease(files.lease_places()[-1])
    if (holder := lease.holder()) is None:
        return Driver(alive=False)
    alive = holder.runs
    if alive is None and lease.changes_within(1.5 * BEAT_S):
        alive = True
    said = _age(files.spent_json) if files.spent_json.exists() else None
    return Driver(alive=alive, host=holder.host, pid=holder.pid, said_s=said)


def _row(name: str, plan: Plan, planned: int, ended: Counter[str], files: StudyFiles) -> Row:
    seeds: dict[str, list[int]] = {}
    for run in plan.runs:
        if run.role in ("row", "confirmation") and row_of(run.role, run.label) == name:
            how = files.status(run.config.key) if run.final else None
            seeds.setdefault(how or "open", []).append(run.config.seed)
    counts = {how: ended[how] for how in ("finished", "failed", "pruned")}
    open_ = planned - ended.total()
    return Row(
        name=name,
        planned=planned,
        open=open_,
        seeds={how: tuple(sorted(found)) for how, found in seeds.items()},
        **counts,
    )


def _age(path: Path) -> float:
    return max(0.0, time.time() - path.stat().st_mtime)
