"""What is known of a study by now: its runs, how far tuning and search are, what is missing, what became of it all.

No Ray: a launch (study/driver/launch.py) reads here what to run and comes back with records.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from study.nouns.promised import Plan, PlannedRun
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec
from study.planning.completing import complete, metric_of
from study.planning.goals import goals_of
from study.planning.missing import finished, still_to_run
from study.planning.offered import Offered
from study.planning.optuna_search import Search, open_search, promised
from study.planning.plan import check_devices, expand, teachers
from study.planning.rating import rate
from study.planning.same_study import searched_around
from study.planning.search_space import around
from study.planning.weight_tuning import Tuning, read, retry, rows


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

    Raises:
        InputError: a config, the metric or the budget cannot be used. Nothing was written.
    """

    def __init__(self, spec: StudySpec, offered: Offered, files: StudyFiles) -> None:
        self.spec, self.offered, self.files = complete(spec, offered), offered, files
        self.rows = rows(self.spec, offered.resolve)
        self.tunings: list[Tuning] = []
        self.weights: dict[str, float | None] = {}
        self.points = expand(self.spec, offered.resolve)
        before = searched_around(files.read_plan())  # a search goes on with its own seed, whatever comes first now
        seed = before.seed if before is not None and before.seed in spec.seeds else spec.seeds[0]
        self.searched = around(self.spec, seed, offered.resolve)
        tuned = [PlannedRun(role="tuning", label=row.label, config=row.base) for row in self.rows]
        asked = [*self.points, *tuned, *self.searched]
        self.metric = metric_of(self.spec, [run.config for run in asked], offered)
        self.goals = goals_of(self.spec, offered)
        self.needed = teachers(asked, offered.resolve)
        self.search: Search | None = None
        self.configs = [run.config for run in [*asked, *self.needed]]
        if spec.budget.gpus_per_trial is not None:  # else the nodes decide
            check_devices(spec.budget, self.configs)

    @property
    def students(self) -> list[PlannedRun]:
        """The rows that are run in this study's folder: all but those of method=teacher."""
        return [run for run in self.points if run.config.method != "teacher"]

    def read(self) -> None:
        """Read how far tuning is, once, and give the points the weights that it chose."""
        self.tunings = [read(row, self.spec, self.metric, self.files) for row in self.rows]
        weights = {tuning.row.label: tuning.chosen for tuning in self.tunings}
        if weights != self.weights:
            self.weights, self.points = weights, expand(self.spec, self.offered.resolve, weights)

    def plan(self) -> Plan:
        """What is promised, and what is known of it by now."""
        runs = [*self.points, *(run for tuning in self.tunings for run in tuning.runs), *self.needed]
        known = {run.config.key: run for run in reversed(runs)}  # of equal runs the first is kept
        labels = Counter((run.role, run.label) for run in known.values())
        promises = [tuning.promise(labels["tuning", tuning.row.label]) for tuning in self.tunings]
        if self.search is not None:
            promises.append(self.search.promise())
        elif self.searched:
            promises.append(promised(self.spec, self.searched[0].config))
        return Plan(runs=tuple(reversed(known.values())), promised=tuple(promises))

    def begin(self, say: Callable[[str], None]) -> None:
        """Make this the folder of the study, and everything that failed or cannot be read runnable again."""
        self.files.write_plan(self.plan())
        self.files.write_study(self.spec)
        for reason in [*self.files.set_unreadable_aside(), *self.files.teachers().set_unreadable_aside()]:
            say(f"set aside, its run is run again: {reason}")
        for run in self.needed:
            self.files.teachers().retry(run.config.key)  # another study's failure is not this one's
        retry(self.tunings, self.files)
        self.read()
        self.adopt()
        if self.goals is not None:
            self.search = open_search(self.spec, self.searched[0].config, self.goals, self.files, self.offered.resolve)
        self.files.write_plan(self.plan())

    def rate(self) -> None:
        """Keep how much each searched value mattered so far."""
        if self.search is not None:
            rate(self.search.study).write(self.files.importances_json)

    def missing(self) -> dict[str, int]:
        """How many runs this launch has to do, by what they are; nothing that needs none."""
        counts = {
            "teacher": len(still_to_run(self.needed, self.files)),
            "tuning run": sum(tuning.trials - len(tuning.tried) for tuning in self.tunings),
            "row": len(still_to_run(self.students, self.files)),
            "searched run": self.search.left if self.search else 0,
        }
        return {what: count for what, count in counts.items() if count}

    def outcome(self, stopped: str | None) -> Outcome:
        """What became of all runs; after an early stop, rows that are still open have not failed."""
        records = list(self.files.all())
        tries = [record for record in records if record.role in ("tuning", "search")]
        found = any(record.status == "finished" for record in tries if record.role == "search")
        failed_rows = sum(record.status == "failed" for record in records if record.role not in ("tuning", "search"))
        in_vain = sum(record.status == "failed" for record in tries if record.role == "search" and not found)
        failed_tries = sum(record.status == "failed" for record in tries) - in_vain
        done = sum(record.status == "finished" for record in records)
        return Outcome(done, failed_rows + in_vain, failed_tries, stopped)

    def adopt(self) -> None:
        """Give the study's rows the records that other runs left of them.

        A row of method=teacher was trained among the shared teachers; another may have been found by the search
        before it became a row.
        """
        for run in self.points:
            record, teaches = finished(run, self.files), run.config.method == "teacher"
            if record is not None and (teaches or record.role != "row"):
                self.files.write(
                    record.model_copy(update={"study": self.files.study, "label": run.label, "role": "row"})
                )
