"""What is known of a study by now: its runs, how far tuning and search are, what is missing, what became of it all.

No Ray: a launch (study/driver/launch.py) reads here what to run and comes back with records.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from study.evidence.next_seeds import Run
from study.nouns.assignment import Assignment
from study.nouns.promised import Plan, PlannedRun
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec
from study.planning import confirming, pruning
from study.planning.completing import check_rows, complete, metric_of
from study.planning.goals import goals_of
from study.planning.missing import assign, still_to_run
from study.planning.offered import Offered
from study.planning.optuna_search import Search, open_search, promised
from study.planning.plan import check_devices, expand, part_of, teachers
from study.planning.rating import rate
from study.planning.same_study import searched_around
from study.planning.search_space import around
from study.planning.waves import Waves
from study.planning.weight_tuning import Tuning, read, rows, to_retry

WAVE = "further wave"
"""Of runs that claims ask for: their number is not known yet."""
TRIES = ("tuning", "search")
"""Roles of runs some of which may fail: that is part of looking for good values."""


class Outcome(NamedTuple):
    """How a launch ended, earlier launches of the study included."""

    finished: int
    """Runs with a result."""
    failed: int
    """Rows without a result, and a search's runs where none of them has one."""
    failed_tries: int
    """Tuning and searched runs without a result: some that diverge are part of looking for good values."""
    stopped: str | None
    """Why it stopped early; None: it did not."""


class StudyState:
    """A study and what is known of it.

    Args:
        spec: the question.
        offered: what the trainables know.
        files: where the study lies.
        only: labels of the rows that this launch runs, and what they need; none: it runs the whole study.

    Raises:
        InputError: a config, the metric, a label or the budget cannot be used. Nothing was written.
    """

    def __init__(self, spec: StudySpec, offered: Offered, files: StudyFiles, only: Sequence[str] = ()) -> None:
        self.spec, self.offered, self.files = complete(spec, offered), offered, files
        self.part = part_of(self.spec, only)
        """The study as far as this launch runs it."""
        self.rows = rows(self.spec, offered)
        self.tunings: list[Tuning] = []
        self.chosen: dict[str, dict[str, Any]] = {}
        before = files.read_plan()
        self.waves: Waves | None = None
        self._every, self._wanted = self._expanded()
        around_ = searched_around(before)  # a search goes on with its own seed, whatever comes first now
        seed = around_.seed if around_ is not None and around_.seed in spec.seeds else spec.seeds[0]
        self.searched = around(self.spec, seed, offered.resolve)
        self.search: Search | None = None
        self._suggested = {run.config.key: run for run in before.runs if run.role == "search"}
        self.confirmed = [run for run in before.runs if run.role == "confirmation"]
        """The search's best on further seeds, once it is over."""
        self._has_confirmed = False
        """Whether this launch has looked for it: that reads the records of the whole search."""
        tuned = [PlannedRun(role="tuning", label=row.label, config=row.base) for row in self.rows]
        asked = [*self._every, *tuned, *self.searched]
        self.metric = metric_of(self.spec, [run.config for run in asked], offered)
        self.goals = goals_of(self.spec, offered)
        if self.spec.decides:
            check_rows(self.spec, self._every)
            self.waves = Waves(self.spec, self._every, self.metric, files, before)
        for run in tuned:
            pruning.check(self.spec.tuning.prune, run.config, "tuning.prune")
        for run in self.searched:
            pruning.check(self.spec.search.prune if self.spec.search else None, run.config, "search.prune")
        self._tuned = tuned
        self._lay_out()
        self.configs = [run.config for run in [*asked, *teachers(asked, offered.resolve)]]
        if spec.budget.gpus_per_trial is not None:  # else the nodes decide
            check_devices(spec.budget, self.configs)

    @property
    def is_part(self) -> bool:
        """Whether this launch runs some rows only, and no search."""
        return self.part is not self.spec

    @property
    def students(self) -> list[PlannedRun]:
        """The rows and confirmations that this launch runs; rows of method=teacher are among the teachers."""
        rows = [run for run in self.asked if run.config.method != "teacher"]
        return rows if self.is_part else [*rows, *self.confirmed]

    @property
    def further(self) -> list[PlannedRun]:
        """Rows on the seeds that claims may still ask for."""
        planned = {run.config.key for run in self.points}
        return [run for run in self._every if run.config.key not in planned]

    @property
    def tuned(self) -> list[Tuning]:
        """The tuning of the rows that this launch runs."""
        return [tuning for tuning in self.tunings if self._is_asked(tuning.row.label)]

    def read(self) -> None:
        """Read how far tuning is, once, and give the points what it chose."""
        self.tunings = [read(row, self.spec, self.metric, self.files) for row in self.rows]
        chosen = {one.row.label: one.row.changes(one.chosen) for one in self.tunings if one.chosen is not None}
        if chosen != self.chosen:
            self.chosen = chosen
            self._every, self._wanted = self._expanded()
            self._lay_out()

    def plan(self) -> Plan:
        """What is promised, and what is known of it by now."""
        open_ = self._without_weight()
        points = [run.model_copy(update={"final": False}) if run.label in open_ else run for run in self.points]
        tried = [run for tuning in self.tunings for run in tuning.runs]
        known: dict[str, PlannedRun] = {}
        for run in [*points, *tried, *self.teachers, *self.confirmed]:
            known.setdefault(run.config.key, run)
        suggested = self.search.runs if self.search is not None else self._suggested
        searched = {key: run for key, run in suggested.items() if key not in known}  # others answer the rest
        labels = Counter((run.role, run.label) for run in known.values())
        promises = [tuning.promise(labels["tuning", tuning.row.label]) for tuning in self.tunings]
        if self.search is not None:
            promises.append(self.search.promise(searched))
        elif self.searched:
            promises.append(promised(self.spec, self.searched[0].config))
        if self.spec.search is not None and self.spec.search.confirm:
            own = labels["confirmation", confirming.LABEL] if self.confirmed else None
            promises.append(confirming.promised(self.spec, own, self.searched[0].config))
        return Plan(runs=(*known.values(), *searched.values()), promised=tuple(promises))

    def keep(self) -> None:
        """Write down what is promised. A run stands there before it can start: nothing else refers to it."""
        self.files.write_plan(self.plan())

    def begin(self, say: Callable[[str], None]) -> None:
        """Make this the folder of the study, and everything that failed or cannot be read runnable again."""
        plan = self.plan()
        self.files.write_plan(plan)
        self.files.write_study(self.spec)
        for reason in self.files.set_unreadable_aside(run.config.key for run in plan.runs):
            say(f"set aside, its run is run again: {reason}")
        tried = [run for tuning in self.tuned for run in tuning.runs]
        settled = self.waves.settled(self.points) if self.waves is not None else ()
        for key in to_retry(self.tuned, [*self.asked, *self.needed, *tried] if self.is_part else plan.runs):
            if key not in settled:
                self.files.retry(key)
        self.read()
        if self.goals is not None:
            self.search = open_search(
                self.spec, self.searched[0].config, self.goals, self.files, self.offered.resolve, self._suggested
            )
            self.confirm()
        self.first_wave()
        if (now := self.plan()) != plan:
            self.files.write_plan(now)

    def confirm(self) -> bool:
        """Once the search is over, plan its best run on the seeds that confirm it. Returns whether that is news."""
        if self._has_confirmed or self.search is None or self.goals is None or not self.search.over:
            return False
        self._has_confirmed = True
        known = {run.config.key for run in self.confirmed}
        found = confirming.confirmations(self.spec, self.goals, map(self.files.finished, self.search.runs))
        new = [run for run in found if run.config.key not in known]
        if new:
            self.confirmed += new
            self._lay_out()
        return bool(new)

    def assign(self, run: PlannedRun) -> Assignment:
        """A row, a confirmation or a tuning run as a trainable receives it."""
        assigned = assign(run, self.files)
        if run.role != "tuning" or run.config.seed != self.spec.tuning.seed:
            return assigned
        (tuning,) = (one for one in self.tunings if one.row.label == run.label)
        return assigned._replace(bars=pruning.bars(self.spec.tuning.prune, self.metric, tuning.single))

    def rate(self) -> None:
        """Keep how much each searched value mattered so far."""
        if self.search is not None:
            rate(self.search.study).write(self.files.importances_json)

    def first_wave(self) -> None:
        """Where claims decide and nothing has been started, promise what they need first."""
        if self.waves is not None and not self.waves.started:
            self.waves.start(self.waves.next(1, self.spec.budget.runs, (), ()))
            self._lay_out()

    def further_wave(self, runs: Iterable[Run]) -> None:
        """Promise the runs of a further wave."""
        assert self.waves is not None, "claims decide"
        self.waves.start(runs)
        self._lay_out()
        self.keep()

    def used(self) -> int:
        """How many runs of rows, tuning and search are over, those of earlier launches included."""
        runs = [run for run in self.plan().runs if run.final and run.role != "teacher"]
        return sum(self.files.status(run.config.key) is not None for run in runs)

    def missing(self) -> dict[str, int]:
        """How many runs this launch has to do, by what they are; nothing that needs none."""
        open_ = self._without_weight()
        final = still_to_run([run for run in self.students if run.label not in open_], self.files)
        confirm = self.spec.search.confirm if self.spec.search is not None and not self.is_part else ()
        confirming_ = [run for run in final if run.role == "confirmation"]
        counts = {
            "teacher": len(still_to_run(self.needed, self.files)),
            "tuning run": sum(tuning.left + len(tuning.open) for tuning in self.tuned),
            "row": len(final) - len(confirming_) + sum(run.label in open_ for run in self.students),
            "searched run": self.search.left if self.search and not self.is_part else 0,
            "confirmation": len(confirming_) if self.confirmed else len(confirm),
            WAVE: int(self.waves is not None and self.waves.look(self.points) and self.waves.wants()),
        }
        return {what: count for what, count in counts.items() if count}

    def outcome(self, stopped: str | None) -> Outcome:
        """What became of all runs; after an early stop, rows that are still open have not failed."""
        runs = [run for run in self.plan().runs if run.final and run.role != "teacher"]
        ended = Counter((run.role, self.files.status(run.config.key)) for run in runs)
        found = ended["search", "finished"]
        in_vain = 0 if found else ended["search", "failed"]
        failed_tries = ended["tuning", "failed"] + ended["search", "failed"] - in_vain
        failed_rows = sum(count for (role, status), count in ended.items() if status == "failed" and role not in TRIES)
        done = sum(count for (_, status), count in ended.items() if status == "finished")
        return Outcome(done, failed_rows + in_vain, failed_tries, stopped)

    def _expanded(self) -> tuple[list[PlannedRun], list[PlannedRun]]:
        """The rows on all seeds: those of the study, and those that this launch runs."""
        every = expand(self.spec, self.offered.resolve, self.chosen)
        return every, expand(self.part, self.offered.resolve, self.chosen) if self.is_part else every

    def _lay_out(self) -> None:
        """What is promised by now: with claims the runs of the waves, else one on every seed."""
        self.points, self.asked = self._every, self._wanted
        if self.waves is not None:
            self.points, self.asked = self.waves.of(self._every), self.waves.of(self._wanted)
        resolve, tuned = self.offered.resolve, self._tuned
        self.teachers = self.needed = teachers([*self.points, *tuned, *self.searched, *self.confirmed], resolve)
        """What students of the whole study learn from, and those of this launch."""
        if self.is_part:
            self.needed = teachers([*self.asked, *(run for run in tuned if self._is_asked(run.label))], resolve)

    def _is_asked(self, label: str) -> bool:
        return any(point.label == label for point in self.part.points)

    def _without_weight(self) -> set[str]:
        """Labels of rows whose weight is still to be chosen: what they are now is not what they will be."""
        return {tuning.row.label for tuning in self.tunings if tuning.chosen is None and not tuning.hopeless}
