"""What a study runs next: from what it asks and what has become of its runs, which of them start now, together.

There are no phases. A run is offered as soon as what it needs is there: a row its teacher and its weight, a tuning run
its teacher and the results of the round before. What many others wait for comes first: teachers, then tuning, then
rows, then the search. Records are the truth, so a planner that is made anew goes on where the last one ended.
"""

from collections.abc import Callable, Iterable
from math import ceil
from typing import Literal

from study.nouns.assignment import Assignment
from study.nouns.config import TrialConfig
from study.nouns.promised import PlannedRun
from study.planning.cohorts import size, stream_of
from study.planning.missing import assign, ended, fail, finished, still_to_run
from study.planning.plan import too_weak
from study.planning.study_state import StudyState

Kind = Literal["teacher", "student"]
ROUNDS = 4
"""Into so many parts, at least, the trials of a search are divided after its start: each learns from those before."""


class Planner:
    """The runs of one launch: what waits, what is under way, what is over.

    Args:
        state: the study, read and begun.
        force: distill also from a teacher below its `teacher.minimum`.
        say: where its words go.
        given_up: told of a run that has failed without having been started, and why.
    """

    def __init__(
        self,
        state: StudyState,
        *,
        force: bool,
        say: Callable[[str], None],
        given_up: Callable[[Assignment, str], None],
    ) -> None:
        self.state, self.files, self.force, self.say, self.given_up = state, state.files, force, say, given_up
        self.running: set[str] = set()
        self.unfit: dict[str, str] = {}
        """By the keys of teachers from which nothing is distilled: why not."""
        self._teachers = {run.config.key: run for run in state.needed}
        self._ready: set[str] = set()
        self._over: set[str] = set()
        self._needs: dict[str, str | None] = {}
        self._streams: dict[str, str] = {}
        for key in self._teachers:
            self._judge(key)
        self._suggested: list[Assignment] = []
        self._look_for_rows()

    def next(self, free: Callable[[Kind], int]) -> list[Assignment]:
        """The runs to start now, together; none where all that could start has been started.

        Args:
            free: how many more cohorts of a kind would find room now.
        """
        runs = self._next_teacher() if free("teacher") else []
        if not runs and (room := free("student")):
            runs = self._next_students(room)
        self.running.update(run.config.key for run in runs)
        return runs

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing can start any more."""
        return not self.running and not self.next_exists

    @property
    def next_exists(self) -> bool:
        """Whether something could start, if there were room."""
        return bool(self._next_teacher() or self._suggested or self._search_has_more() or self._waiting())

    def ended(self, keys: Iterable[str]) -> None:
        """Runs are over; each has a record now, finished or failed, unless none could be written."""
        for key in keys:
            self.running.discard(key)
            self._over.add(key)  # not to be started again by this launch, whatever its record says
            if key in self._teachers:
                self._judge(key)
            elif key in self._tuned:
                self._tuned_more()
            self._rows.pop(key, None)
            if self.state.search is not None:
                self.state.search.ended(key)

    def _next_teacher(self) -> list[Assignment]:
        known = self.running | self._ready | self.unfit.keys()
        return next(([assign(run, self.files)] for key, run in self._teachers.items() if key not in known), [])

    def _next_students(self, room: int) -> list[Assignment]:
        waiting = self._waiting()
        if waiting:
            together = [run for run in waiting if self._stream(run.config) == self._stream(waiting[0].config)]
            return [assign(run, self.files) for run in together[: size(self.state.spec.budget, len(waiting), room)]]
        return self._next_suggested(room)

    def _waiting(self) -> list[PlannedRun]:
        """Tuning runs, or else rows, that could start now."""
        for runs in (self._tuned.values(), self._rows.values()):
            known = self.running | self._over
            if ready := [run for run in runs if run.config.key not in known and self._taught(run.config)]:
                return ready
        return []

    def _next_suggested(self, room: int) -> list[Assignment]:
        if not self._suggested and self._search_has_more():
            search, spec = self.state.search, self.state.spec
            assert search is not None, "a search has more"
            assert spec.search is not None, "a study with a search"
            drawn = spec.search.startup - len(search.study.trials)  # these learn from nothing
            most = min(max(drawn, ceil(spec.search.trials / ROUNDS)), ceil(search.left / room))
            self._suggested = search.ask(max(1, min(most, spec.budget.cohort or most)))
            # What is a row too is run as such, and told to the search when it ends.
            known = self.running | self._rows.keys()
            self._suggested = [one for one in self._suggested if one.config.key not in known]
        streams = [self._stream(one.config) for one in self._suggested]
        together = [one for one, stream in zip(self._suggested, streams, strict=True) if stream == streams[0]]
        self._suggested = [one for one in self._suggested if one not in together]
        return together

    def _stream(self, config: TrialConfig) -> str:
        if config.key not in self._streams:
            self._streams[config.key] = stream_of(config)
        return self._streams[config.key]

    def _search_has_more(self) -> bool:
        search = self.state.search
        return search is not None and search.left > 0 and self._taught(self.state.searched[0].config)

    def _taught(self, config: TrialConfig) -> bool:
        """Whether the teacher that a run needs is there and fit."""
        if config.key not in self._needs:
            self._needs[config.key] = config.teacher_run().key if config.distills else None
        teacher = self._needs[config.key]
        return teacher is None or teacher in self._ready

    def _judge(self, key: str) -> None:
        """Is a teacher there, and good enough?"""
        run = self._teachers[key]
        record = finished(run, self.files)
        if record is None:
            failed = ended(run, self.files)
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

    def _tuned_more(self) -> None:
        """A tuning run is over: perhaps the next round can start, or a row has its weight, or none will ever fit it."""
        before = self.state.weights
        self.state.read()
        self.files.write_plan(self.state.plan())
        self._tuned = {run.config.key: run for tuning in self.state.tunings for run in tuning.open}
        if before != self.state.weights or any(tuning.hopeless for tuning in self.state.tunings):
            self._look_for_rows()

    def _look_for_rows(self) -> None:
        """Which tuning runs and rows are open; rows whose tuning was in vain fail."""
        tunings = {tuning.row.label: tuning for tuning in self.state.tunings}
        self._tuned = {run.config.key: run for tuning in tunings.values() for run in tuning.open}
        self._rows = {}
        for run in still_to_run(self.state.students, self.files):
            tuning = tunings.get(run.label)
            if tuning is not None and tuning.hopeless:
                reason = f"none of {tuning.trials} tuning runs has a result: {tuning.tried[0].error}"
                fail(assign(run, self.files), reason)
                self.given_up(assign(run, self.files), reason)
            elif tuning is None or tuning.chosen is not None:
                self._rows[run.config.key] = run
