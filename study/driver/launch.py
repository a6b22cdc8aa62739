"""From a StudySpec and a trainable to records, through Ray Tune: teachers, tuning, points, search.

Records are the truth: a run is finished when its record says so, and Tune's own state is scratch. So the driver, a
node or a run may die at any moment, and the next launch does what has no record yet.

A trainable is a function of Tune's config and keeps this contract:
- it is called only for a run that has no record; `space.compose(config)` is that run;
- it trains, going on from its own newest checkpoint in `files.run(key)`, and at every validation reports
  `{metric, "epoch", "epochs", "key"}`; it writes the RunRecord itself: finished, or failed with the reason and raises.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ray import tune
from ray.tune.experiment import Trial

from study.driver import cluster
from study.driver.no_run_without_record import RETRIES, Guard, TimeIsUpError, Trainable, recorded, write_failure
from study.driver.progress import Progress, run_of
from study.driver.watch import NodesLostError, watching
from study.nouns.assignment import carry, compose
from study.nouns.config import TrialConfig
from study.nouns.promised import Plan, PlannedRun, Promise
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec
from study.planning.optuna_search import Search, open_search
from study.planning.plan import Resolve, check_devices, expand, missing, search_bases, teachers, too_weak
from study.planning.same_study import claim, only_driver
from study.planning.weight_tuning import chosen, hopeless, retry, rows, suggested, tried, unfinished


class Outcome(NamedTuple):
    """How a launch ended: runs with a result, runs without one, and why it stopped early (None: it did not)."""

    finished: int
    failed: int
    stopped: str | None


def launch(
    spec: StudySpec,
    *,
    trainable: Trainable,
    resolve: Resolve,
    files: StudyFiles,
    address: str = "local",
    resume: bool = False,
    force: bool = False,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Run what the study still misses, several runs at a time, and leave one record per run.

    Args:
        spec: the question.
        trainable: trains one run (contract above).
        resolve: completes a config (method defaults, data digests), so that its key is final.
        files: where everything of this study lies.
        address: `local` starts a Ray of its own; `auto` or `host:port` joins that cluster.
        resume: go on with the study that is already there.
        force: distill also from a teacher below its `teacher.minimum`.
        say: where the lines of progress go.

    Returns:
        What became of all the runs of the study, those of earlier launches included.

    Raises:
        InputError: a config, the folder, the address or the resources cannot be used. Nothing was started.
    """
    study = _Study(spec, trainable, resolve, files, say, force)
    bases = search_bases(spec, resolve)
    asked = [*study.points(), *(PlannedRun(role="tuning", label=row.label, config=row.base) for row in study.rows)]
    needed = teachers(spec, asked, resolve)
    runs = [*(run.config for run in [*asked, *needed]), *bases.values()]
    if spec.budget.gpus_per_trial is not None:
        check_devices(spec.budget, runs)
    with only_driver(files):
        claim(spec, files, resume)
        for run in needed:
            files.teachers().retry(run.config.key)  # another study's failure is not this one's
        retry(study.rows, spec, files)
        _adopt(study.points(), files)
        search = open_search(spec, bases, files)
        stopped = study.run(needed, runs, search, address)
        _adopt(study.points(), files)
    failed = sum(record.status == "failed" for record in files.all())
    outcome = Outcome(sum(1 for _ in files.all()) - failed, failed, stopped)
    if stopped:
        say(f"stopped: {stopped}. Finished runs are kept; the same command with --resume goes on from here.")
    return outcome


class _Study:
    """The four phases on one Ray."""

    def __init__(
        self,
        spec: StudySpec,
        trainable: Trainable,
        resolve: Resolve,
        files: StudyFiles,
        say: Callable[[str], None],
        force: bool,
    ) -> None:
        self.spec, self.resolve, self.files, self.say, self.force = spec, resolve, files, say, force
        self.budget = spec.budget
        self.rows = rows(spec, resolve)
        self.weights: dict[str, float | None] = {}
        self.planned = expand(spec, resolve)
        self.trainable = recorded(trainable)
        self.deadline = time.monotonic() + self.budget.hours * 3600 if self.budget.hours else None

    def points(self) -> list[PlannedRun]:
        """Every point for every seed, with the weight that tuning chose for it, where it has chosen."""
        weights = {row.label: chosen(row, self.spec, self.files) for row in self.rows}
        if weights != self.weights:
            self.weights, self.planned = weights, expand(self.spec, self.resolve, weights)
        return self.planned

    def run(self, needed: list[PlannedRun], runs: list[TrialConfig], search: Search, address: str) -> str | None:
        """All phases; returns why they stopped early, or None."""
        self.needed, self.search = needed, search
        self._keep_plan()
        untaught = missing(needed, self.files.teachers())
        untried = sum(self.spec.tuning.trials - len(tried(row, self.spec, self.files)) for row in self.rows)
        total = len(untaught) + untried + len(missing(_students(self.points()), self.files)) + search.trials
        if not total:
            self.say("nothing is missing")
            return None
        self.progress = Progress(total, self.spec.metric, self.say)
        with _ray(address):
            self.budget = cluster.settled(self.budget, self.spec.base.training.devices, self.say)
            check_devices(self.budget, runs)
            self._check(bool(untaught))
            with watching(self.files.root, self._resources(), self.say) as self.watch:
                try:
                    self._fixed("teachers", untaught, self.files.teachers(), self._resources(teacher=True))
                    if unfit := self._unfit(needed):
                        return unfit
                    self._tune()
                    points = [run for run in _students(self.points()) if self.files.record(run.config.key) is None]
                    self._fixed("points", points, self.files, self._resources())
                    if search.searcher is not None:
                        self._phase("search", search.trials, self._resources(), search_alg=search.searcher)
                except KeyboardInterrupt:
                    return "interrupted"
                except TimeIsUpError:
                    return f"the limit of budget.hours={self.budget.hours:g} is reached"
                except NodesLostError as lost:
                    return str(lost)
        self.say(self.progress.summary())
        return None

    def _tune(self) -> None:
        """Round after round of all rows together, until every row has its weight, or a reason why it has none."""
        while runs := [run for row in self.rows for run in unfinished(row, self.spec, self.files)]:
            self._fixed("tuning", list({run.config.key: run for run in runs}.values()), self.files, self._resources())
            self._keep_plan()
        for row in self.rows:
            if hopeless(row, self.spec, self.files):
                first = next(record.error for record in tried(row, self.spec, self.files))
                reason = f"none of {self.spec.tuning.trials} tuning runs has a result: {first}"
                for run in missing([run for run in self.points() if run.label == row.label], self.files):
                    carried = carry(run, self.files)
                    write_failure(carried, reason)
                    self.progress.give_up(carried, reason)

    def _keep_plan(self) -> None:
        """Keep what is promised, and what is known of it by now."""
        tuning = {row.label: suggested(row, self.spec, self.files) for row in self.rows}
        runs = [*self.points(), *(run for runs in tuning.values() for run in runs), *self.needed]
        known = {run.config.key: run for run in reversed(runs)}  # of equal runs the first is kept
        labels = Counter((run.role, run.label) for run in known.values())
        promised = [
            Promise(
                role="tuning",
                label=row.label,
                runs=labels["tuning", row.label] + self.spec.tuning.trials - len(tuning[row.label]),
                around=row.base,
            )
            for row in self.rows
        ]
        if self.search.base is not None:
            found = sum(record.role == "search" and record.status == "finished" for record in self.files.all())
            promised.append(
                Promise(role="search", label="search", runs=found + self.search.trials, around=self.search.base)
            )
        self.files.write_plan(Plan(runs=tuple(reversed(known.values())), promised=tuple(promised)))

    def _unfit(self, needed: list[PlannedRun]) -> str | None:
        """Why there is no teacher to learn from: one has no result, or a result that is too low and not forced."""
        for run in needed:
            record = self.files.teachers().record(run.config.key)
            if record is None or record.status == "failed":
                return f"the teacher {run.config.key} failed ({record.error if record else 'no record'})"
            weak = too_weak(run.config, record)
            if weak and not self.force:
                return weak
            if weak:
                self.say(f"forced: {weak.partition('. ')[0]}")
        return None

    def _check(self, with_teacher: bool) -> None:
        hints = {"CPU": "budget.cpus_per_trial", "GPU": "budget.gpus_per_trial"}
        cluster.require(self._resources(), hints)
        if with_teacher:
            cluster.require(self._resources(teacher=True), {**hints, "CPU": "budget.teacher_cpus"})

    def _resources(self, teacher: bool = False) -> dict[str, float]:
        cpus = self.budget.teacher_cpus if teacher else self.budget.cpus_per_trial
        gpus = self.budget.gpus_per_trial or 0
        # A share of a GPU is for students that run side by side; the teacher has nobody to share with.
        return {"CPU": cpus, "GPU": max(1.0, gpus) if teacher and gpus else gpus}

    def _fixed(self, phase: str, runs: list[PlannedRun], files: StudyFiles, resources: dict[str, float]) -> None:
        if runs:
            configs = [carry(run, files) for run in runs]
            self._phase(phase, len(runs), resources, param_space={"run": tune.grid_search(configs)})

    def _phase(
        self,
        phase: str,
        runs: int,
        resources: dict[str, float],
        param_space: dict[str, Any] | None = None,
        search_alg: Any = None,
    ) -> None:
        self.progress.begin(phase, runs)
        searched = search_alg is not None
        tuner = tune.Tuner(
            tune.with_resources(self.trainable, {name.lower(): amount for name, amount in resources.items()}),
            param_space=param_space or {},
            tune_config=tune.TuneConfig(
                metric=None if searched else self.spec.metric,
                mode=None if searched else self.spec.mode,
                search_alg=search_alg,
                num_samples=runs if searched else 1,
                max_concurrent_trials=self.budget.concurrent,
                reuse_actors=True,  # a worker pays its heavy imports once, not once per run
                trial_dirname_creator=_folder,
            ),
            run_config=tune.RunConfig(
                name=f"{phase}-{datetime.now(UTC):%Y%m%d-%H%M%S}",
                storage_path=str(self.files.tune),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                callbacks=[Guard(self.deadline, self.watch), self.progress],
            ),
        )
        tuner.fit()


def _folder(trial: Trial) -> str:
    return f"{compose(run_of(trial.config)).config.key}-{trial.trial_id}"


def _students(planned: list[PlannedRun]) -> list[PlannedRun]:
    return [run for run in planned if run.config.method != "teacher"]


def _adopt(rows: list[PlannedRun], files: StudyFiles) -> None:
    """Give the study's rows the records that other runs left of them.

    A row of method=teacher was trained among the shared teachers; another may have been found by the search before it
    became a row.
    """
    for row in rows:
        teaches = row.config.method == "teacher"
        record = (files.teachers() if teaches else files).finished(row.config.key)
        if record is not None and (teaches or record.role != "row"):
            files.write(record.model_copy(update={"study": files.study, "label": row.label, "role": "row"}))


@contextmanager
def _ray(address: str) -> Iterator[None]:
    cluster.join(address)
    try:
        yield
    finally:
        cluster.leave()
