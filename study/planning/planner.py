"""What a study runs next: from what it asks and what has become of its runs, which of them start now, together.

There are no phases. A run is offered as soon as what it needs is there: a row its teacher and its weight, a tuning run
its teacher and the results of the round before. What many others wait for comes first: teachers, then tuning, then
rows, then the search. Where a study makes claims, its rows come in waves (`waves.py`), each decided by all before it.
Records are the truth, so a planner that is made anew goes on where the last one ended.
"""

from collections.abc import Callable, Iterable
from math import ceil
from typing import Literal, NamedTuple

from study.nouns.assignment import Assignment
from study.nouns.promised import PlannedRun
from study.planning.cohorts import MOST, size, stream_of
from study.planning.missing import assign, fail, still_to_run
from study.planning.plan import too_weak
from study.planning.study_state import StudyState

Kind = Literal["teacher", "student"]
ROUNDS = 4
"""Into so many parts, at least, the trials of a search are divided after its start: each learns from those before."""


class Waiting(NamedTuple):
    """A run that may start, with what decides when and with whom: a key takes a tenth of a millisecond to make."""

    run: PlannedRun
    teacher: str | None
    """The key of the teacher that it needs; None where it needs none."""
    stream: str
    """Equal for runs that may train together."""


class Planner:
    """The runs of one launch: what waits, what is under way, what is over.

    Args:
        state: the study, read and begun.
        force: distill also from a teacher below its `teacher.minimum`.
        say: where its words go.
        given_up: told of a run that has failed without having been started, and why.
        promised: told how many more runs there are than were known.
        places: how many cohorts of students the cluster holds, taken or free.
        together: how many runs a cohort may have at most, as far as the study leaves that open.
    """

    def __init__(
        self,
        state: StudyState,
        *,
        force: bool,
        say: Callable[[str], None],
        given_up: Callable[[Assignment, str], None],
        promised: Callable[[int], None],
        places: Callable[[], int],
        together: int = MOST,
    ) -> None:
        self.state, self.files, self.force, self.say, self.given_up = state, state.files, force, say, given_up
        self.promised, self.places, self.together = promised, places, together
        self.running: set[str] = set()
        self.unfit: dict[str, str] = {}
        """By the keys of teachers from which nothing is distilled: why not."""
        self._teachers: dict[str, PlannedRun] = {}
        self._ready: set[str] = set()
        self._over: set[str] = set()
        self._searched = _waiting(state.searched[0]) if state.searched and not state.is_part else None
        self._suggested: list[Assignment] = []
        self._used = state.used()
        self._wave_is_too_large = False
        self._look_for_runs()
        self._start_waves()

    def next(self, free: Callable[[Kind], int]) -> list[Assignment]:
        """The runs to start now, together; none where all that could start has been started.

        Args:
            free: how many more cohorts of a kind would find room now; asked only where one waits.
        """
        runs: list[Assignment] = []
        if (teacher := self._next_teacher()) and free("teacher"):
            runs = [assign(teacher, self.files)]
        elif self._students_wait and (room := free("student")):
            runs = (self._next_rows(room) or self._next_suggested(room))[: self._left]
            self._used += len(runs)
        self.running.update(run.config.key for run in runs)
        return runs

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing can start any more."""
        return not (self.running or self._next_teacher() or self._students_wait)

    @property
    def stopped(self) -> str | None:
        """Why the study is not done, where nothing can start any more; None where it is."""
        if (self._left == 0 and self._student_is_open) or self._wave_is_too_large:
            return f"the limit of budget.runs={self.state.spec.budget.runs} is reached, all launches counted"
        return next(iter(self.unfit.values()), None)

    def ended(self, keys: Iterable[str]) -> None:
        """Runs are over; each has a record now, finished or failed, unless none could be written."""
        keys = list(keys)
        self.running.difference_update(keys)
        self._over.update(keys)  # not to be started again by this launch, whatever their records say
        for key in keys:
            if key in self._teachers:
                self._judge(key)
            if self.state.search is not None:
                self.state.search.ended(key)
            self._rows.pop(key, None)
        self._confirm()
        if not self._tuned.keys().isdisjoint(keys):  # the next round can start, or a row has its weight, or never will
            self.state.read()
            self.state.keep()
            self._look_for_runs()
        self._start_waves()

    def _next_teacher(self) -> PlannedRun | None:
        known = self.running | self._ready | self.unfit.keys()
        return next((run for key, run in self._teachers.items() if key not in known), None)

    @property
    def _left(self) -> int | None:
        """How many runs of rows, tuning and search may still be started; None is any number."""
        runs = self.state.spec.budget.runs
        return None if runs is None else max(0, runs - self._used)

    @property
    def _students_wait(self) -> bool:
        return self._left != 0 and self._student_is_open

    @property
    def _student_is_open(self) -> bool:
        return bool(self._suggested or self._search_has_more() or self._waiting())

    def _waiting(self) -> list[Waiting]:
        """Tuning runs, or else rows, that could start now."""
        known = self.running | self._over
        for runs in (self._tuned, self._rows):
            if ready := [one for key, one in runs.items() if key not in known and self._taught(one)]:
                return ready
        return []

    def _next_rows(self, room: int) -> list[Assignment]:
        waiting = self._waiting()
        together = [one.run for one in waiting if one.stream == waiting[0].stream]
        return [
            self.state.assign(run)
            for run in together[: size(self.state.spec.budget, len(waiting), room, self.together)]
        ]

    def _next_suggested(self, room: int) -> list[Assignment]:
        if not self._suggested:
            search, spec = self.state.search, self.state.spec
            assert search is not None, "a search has more"
            assert spec.search is not None, "a study with a search"
            most = min(max(search.draws_left, ceil(spec.search.trials / ROUNDS)), ceil(search.left / room))
            self._suggested = search.ask(max(1, min(most, spec.budget.cohort or self.together)), self.state.keep)
            # What is a row too is run as such, and told to the search when it ends.
            known = self.running | self._rows.keys()
            self._suggested = [one for one in self._suggested if one.config.key not in known]
            self._confirm()  # all may be answered already
        streams = [stream_of(one.config) for one in self._suggested]
        together = [one for one, stream in zip(self._suggested, streams, strict=True) if stream == streams[0]]
        self._suggested = [one for one in self._suggested if one not in together]
        return together

    def _search_has_more(self) -> bool:
        search, base = self.state.search, self._searched
        return search is not None and base is not None and search.left > 0 and self._taught(base)

    def _confirm(self) -> None:
        """Where the search has just ended, its best run is repeated."""
        if self.state.confirm():
            self.state.keep()
            self._look_for_runs()

    def _taught(self, one: Waiting) -> bool:
        """Whether the teacher that a run needs is there and fit."""
        return one.teacher is None or one.teacher in self._ready

    def _judge(self, key: str) -> None:
        """Is a teacher there, and good enough?"""
        run = self._teachers[key]
        record = self.files.finished(key)
        if record is None:
            failed = self.files.ended(key)
            if failed is not None or key in self._over:
                self.unfit[key] = f"the teacher {key} failed ({failed.error if failed else 'it left no record'})"
            return
        weak = too_weak(run.config, record)
        if weak and not self.force:
            self.unfit[key] = weak
            return
        if weak:
            self.say(f"forced: {weak.partition('. ')[0]}")
        self._ready.add(key)

    def _start_waves(self) -> None:
        """Where claims decide and all waves are over, plan the next one; its runs may all be there already."""
        state, waves = self.state, self.state.waves
        if waves is None or any(one.teacher not in self.unfit for one in self._rows.values()):
            return
        unfit = [run for run in state.points if run.config.distills and run.config.teacher_run().key in self.unfit]
        gone = self._over | {run.config.key for run in unfit}
        while waves.look(state.points, gone):
            for line in waves.news():
                self.say(line)
            runs = (
                []
                if state.is_part
                else waves.next(self.places(), self._left, {run.label for run in unfit}, state.points)
            )
            self._wave_is_too_large = not runs and not state.is_part and waves.wants()
            if not runs:
                return
            state.further_wave(runs)
            self._look_for_runs()
            self.promised(len(self._rows))

    def _look_for_runs(self) -> None:
        """Which teachers, tuning runs and rows are open; rows whose tuning was in vain fail."""
        for run in self.state.needed:
            if run.config.key not in self._teachers:
                self._teachers[run.config.key] = run
                self._judge(run.config.key)
        tunings = {tuning.row.label: tuning for tuning in self.state.tunings}
        self._tuned = _by_key(run for tuning in self.state.tuned for run in tuning.open)
        rows = []
        for run in self.state.students:
            self.files.go_on(run.config.key)  # a row is run to its end, whatever search pruned it
        for run in still_to_run(self.state.students, self.files):
            tuning = tunings.get(run.label)
            if tuning is not None and tuning.hopeless:
                reason = tuning.in_vain
                fail(assign(run, self.files), reason)
                self.given_up(assign(run, self.files), reason)
            elif tuning is None or tuning.chosen is not None:
                rows.append(run)
        self._rows = _by_key(rows)


def _by_key(runs: Iterable[PlannedRun]) -> dict[str, Waiting]:
    return {run.config.key: _waiting(run) for run in runs}


def _waiting(run: PlannedRun) -> Waiting:
    return Waiting(run, run.config.teacher_run().key if run.config.distills else None, stream_of(run.config))
