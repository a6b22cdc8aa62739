"""From a StudySpec and a trainable to records, through Ray Tune: teachers, tuning, points, search.

Records are the truth: a run is finished when its record says so and its detector is there, and Tune's own state is
scratch. So the driver, a node or a run may die at any moment, and the next launch does what is missing.

A trainable is a function of Tune's config and keeps this contract:
- it is called only for a run that is not over; `assignment.compose(config)` is that run;
- it trains, going on from its own newest checkpoint in `files.run(key)`, and at every validation reports
  `{metric, "epoch", "epochs", "key"}`; it leaves the detector in `files.checkpoint(key)` and then writes the RunRecord
  itself: finished, or failed with the reason and raises.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from study.driver import cluster
from study.driver.no_run_without_record import RETRIES, Clock, Guard, TimeIsUpError, recorded, write_failure
from study.driver.progress import Progress, run_of
from study.driver.watch import NodesLostError, watching
from study.nouns.assignment import carry, compose
from study.nouns.promised import PlannedRun
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec
from study.planning.missing import ended, finished, home, still_to_run
from study.planning.offered import Offered
from study.planning.plan import check_devices, too_weak
from study.planning.same_study import check, only_driver
from study.planning.study_state import Outcome, StudyState


def launch(
    spec: StudySpec,
    *,
    offered: Offered,
    files: StudyFiles,
    address: str = "local",
    resume: bool = False,
    force: bool = False,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Run what the study still misses, several runs at a time, and leave one record per run.

    Args:
        spec: the question.
        offered: what the trainables do and know (the contract of the trainable stands above).
        files: where everything of this study lies.
        address: `local` starts a Ray of its own; `auto` or `host:port` joins that cluster.
        resume: go on with the study that is already there.
        force: distill also from a teacher below its `teacher.minimum`.
        say: where the lines of progress go.

    Returns:
        What became of all the runs of the study, those of earlier launches included.

    Raises:
        InputError: a config, the metric, the folder, the address or the resources cannot be used. Nothing was started,
            and nothing is left behind.
    """
    state = StudyState(spec, offered, files)
    phases = _Phases(state, say, force)
    with only_driver(files), ExitStack() as ray:
        state.read()
        check(state.spec, state.plan(), files, resume)
        known = files.read_study() is not None
        if known:
            state.begin(say)
        if not known or state.missing():
            ray.enter_context(_ray(address))
            ray.enter_context(phases.watched())
        if not known:
            state.begin(say)
        stopped = phases.run()
    outcome = state.outcome(stopped)
    if stopped:
        say(f"stopped: {stopped}. Finished runs are kept; the same command with --resume goes on from here.")
    return outcome


class _Phases:
    """The four phases of a study on one Ray."""

    def __init__(self, state: StudyState, say: Callable[[str], None], force: bool) -> None:
        self.state, self.say, self.force = state, say, force
        self.files, self.budget, self.metric = state.files, state.spec.budget, state.metric
        self.trainable = recorded(state.offered.trainable)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Make sure that one run, and one teacher where one is missing, fits on a node, and watch over the nodes.

        Raises:
            InputError: no node holds a run, or one does not see the results.
        """
        self.budget = cluster.settled(self.budget, self.state.spec.base.training.devices, self.say)
        check_devices(self.budget, self.state.configs)
        hints = {"CPU": "budget.cpus_per_trial", "GPU": "budget.gpus_per_trial"}
        cluster.require(self._resources(), hints)
        if still_to_run(self.state.needed, self.files):
            cluster.require(self._resources(teacher=True), {**hints, "CPU": "budget.teacher_cpus"})
        with watching(self.files.root, self._resources(), self.say) as self.watch:
            yield

    def run(self) -> str | None:
        """All phases; returns why they stopped early, or None."""
        total = self.state.missing()
        if not total:
            self.say("nothing is missing")
            return None
        self.progress = Progress(total, self.metric.name, self.say, self.state.offered.called)
        self.clock = Clock(self.files, self.budget.hours)
        try:
            self._fixed("teachers", self.state.needed, self._resources(teacher=True))
            if unfit := self._unfit():
                return unfit
            self._tune()
            self._fixed("points", self.state.students, self._resources())
            if self.state.search is not None and self.state.search.left:
                self._phase("search", self.state.search.left, self._resources(), search_alg=self.state.search.searcher)
        except KeyboardInterrupt:
            return "interrupted"
        except TimeIsUpError:
            return f"the limit of budget.hours={self.budget.hours:g} is reached, all launches counted"
        except NodesLostError as lost:
            return str(lost)
        finally:
            self.clock.keep(at_once=True)
            self.state.adopt()
            self.files.write_plan(self.state.plan())
        self.say(self.progress.summary())
        return None

    def _tune(self) -> None:
        """Round after round of all rows together, until every row has its weight, or a reason why it has none."""
        while runs := [run for tuning in self.state.tunings for run in tuning.open]:
            self._fixed("tuning", runs, self._resources())
            self.state.read()
            self.files.write_plan(self.state.plan())
        for tuning in self.state.tunings:
            if tuning.hopeless:
                reason = f"none of {tuning.trials} tuning runs has a result: {tuning.tried[0].error}"
                points = [run for run in self.state.points if run.label == tuning.row.label]
                for run in still_to_run(points, self.files):
                    carried = {"run": carry(run, self.files)}
                    write_failure(carried, reason)
                    self.progress.give_up(carried, reason)

    def _unfit(self) -> str | None:
        """Why there is no teacher to learn from: one has no result, or a result that is too low and not forced."""
        for run in self.state.needed:
            record = finished(run, self.files)
            if record is None:
                failed = ended(run, self.files)
                return f"the teacher {run.config.key} failed ({failed.error if failed else 'no record'})"
            weak = too_weak(run.config, record)
            if weak and not self.force:
                return weak
            if weak:
                self.say(f"forced: {weak.partition('. ')[0]}")
        return None

    def _resources(self, teacher: bool = False) -> dict[str, float]:
        cpus = self.budget.teacher_cpus if teacher else self.budget.cpus_per_trial
        gpus = self.budget.gpus_per_trial or 0
        # A share of a GPU is for students that run side by side; the teacher has nobody to share with.
        return {"CPU": cpus, "GPU": max(1.0, gpus) if teacher and gpus else gpus}

    def _fixed(self, phase: str, runs: list[PlannedRun], resources: dict[str, float]) -> None:
        """Run what has to be run of these runs; afterwards each of them has a record."""
        runs = still_to_run(runs, self.files)
        if not runs:
            return
        carried = [{"run": carry(run, home(run, self.files))} for run in runs]
        self._phase(phase, len(runs), resources, param_space={"run": tune.grid_search([one["run"] for one in carried])})
        for run, one in zip(runs, carried, strict=True):
            if ended(run, self.files) is None:
                write_failure(one, f"it left no record in {home(run, self.files).records} that this node could see")

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
                metric=None if searched else self.metric.name,
                mode=None if searched else self.metric.direction,
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
                callbacks=[Guard(self.clock, self.watch, self.say), self.progress],
            ),
        )
        tuner.fit()


def _folder(trial: Trial) -> str:
    return f"{compose(run_of(trial.config)).config.key}-{trial.trial_id}"


@contextmanager
def _ray(address: str) -> Iterator[None]:
    cluster.join(address)
    try:
        yield
    finally:
        cluster.leave()
