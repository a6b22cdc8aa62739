"""From a StudySpec and a trainable to records: one Ray, one Tuner, and the planner that it asks.

Records are the truth: a run is finished when its record says so and its detector is there, whichever study it was
trained for. Tune's own state is scratch. So the driver, a node or a run may die at any moment, and the next launch does
what is missing.

A trainable is a function of Tune's config and keeps this contract:
- `assignment.compose(config)` are the runs of a cohort, none of which is over;
- it trains each, going on from its own newest checkpoint in `files.run(key)`, and at every validation of one reports
  `{metric, "epoch", "epochs", "key"}`; it leaves the detector in `files.checkpoint(key)` and then writes the RunRecord
  itself: finished, or failed with the reason. A run that fails ends none of the others, and raises nothing;
- where `leaving.asked()`, it keeps checkpoints of what is `under_way` and raises LeavingError.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial
from rich.console import Console

from study.driver import cluster
from study.driver.departing import DriverLeavesError, Heard, attentive
from study.driver.live_table import LiveTable
from study.driver.lost_processes import ALWAYS, Losses
from study.driver.no_run_without_record import Clock, Guard, recorded
from study.driver.progress import Progress
from study.driver.scheduling import Cohorts, Ended, Needs, Resources, Room
from study.driver.stopping import HeldAtEpochs, Stopping
from study.driver.tracking import Tracking, check_trackers, trackers
from study.driver.watch import NodesLostError, watching
from study.nouns.assignment import compose
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec
from study.planning.memory import memory, one_of_each
from study.planning.offered import Offered
from study.planning.plan import check_devices
from study.planning.planner import Kind, Planner
from study.planning.same_study import check, only_driver
from study.planning.study_state import WAVE, Outcome, StudyState


def launch(
    spec: StudySpec,
    *,
    offered: Offered,
    files: StudyFiles,
    address: str = "local",
    resume: bool = False,
    force: bool = False,
    only: Sequence[str] = (),
    track: Sequence[str] = (),
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
        only: labels of the rows to run now, with what they need; none: the whole study.
        track: names of trackers of experiments that are told of every run (study/driver/tracking.py).
        say: where the lines of progress go.

    Returns:
        What became of all the runs of the study, those of earlier launches included.

    Raises:
        InputError: a config, the metric, the folder, the address or the resources cannot be used. Nothing was started,
            and nothing is left behind.
    """
    state = StudyState(spec, offered, files, only)
    check_trackers(track)
    loop = _Loop(state, say, force, track)
    with only_driver(files, say), ExitStack() as ray:
        state.read()
        check(state.spec, state.plan(), files, resume)
        files.stop.unlink(missing_ok=True)  # what stopped an earlier launch does not stop this one
        known = files.read_study() is not None
        if known:
            state.begin(say)
        if not known or state.missing():
            ray.enter_context(_ray(address))
            ray.enter_context(loop.watched())
        if not known:
            state.begin(say)
        stopped = loop.run()
        state.rate()
    outcome = state.outcome(stopped)
    if stopped:
        say(f"stopped: {stopped}. Finished runs are kept; the same command with --resume goes on from here.")
    return outcome


class _Loop:
    """Everything that is missing of a study, on one Ray and through one Tuner."""

    def __init__(self, state: StudyState, say: Callable[[str], None], force: bool, track: Sequence[str]) -> None:
        self.state, self.say, self.force, self.track = state, say, force, track
        self.files, self.budget, self.metric = state.files, state.spec.budget, state.metric

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Make sure that one run, and one teacher where one is missing, fits on a node, and watch over the nodes.

        Raises:
            InputError: no node holds a run, or one cannot write results.
        """
        self.budget = cluster.settled(self.budget, self.state.spec.base.training.devices, self.say)
        check_devices(self.budget, self.state.configs)
        teachers = [one for one in self.state.configs if one.method == "teacher"]
        students = one_of_each(one for one in self.state.configs if one.method != "teacher")
        taken = memory(self.budget.memory_gb, self.files, cluster.memory_of_the_largest())
        self.needs, self.together = Needs(self.budget, taken), taken.together(students)
        self.largest: dict[Kind, Resources] = {"student": self.needs.most(students or teachers)}
        hints = {"CPU": "budget.cpus_per_trial", "GPU": "budget.gpus_per_trial", "memory": "budget.memory_gb"}
        if self.budget.memory_gb is None:
            hints["memory"] = "what earlier runs took, budget.memory_gb"
        cluster.require(self.largest["student"], hints)
        self.largest["teacher"] = self.needs.most(teachers)
        if any(self.files.status(config.key) is None for config in teachers):
            cluster.require(self.largest["teacher"], {**hints, "CPU": "budget.teacher_cpus"})
        if not any(node.fits(self.largest["student"]) for node in cluster.living()):
            wanted = cluster.counted(self.largest["student"])
            self.say(
                f"no node is there yet that holds a run ({wanted}): the cluster starts nodes as they are asked for"
            )
        with watching(self.files, self.largest["student"], self.say) as self.watch:
            yield

    def run(self) -> str | None:
        """All that is missing; returns why it stopped early, or None."""
        missing = self.state.missing()
        if not missing:
            self.say("nothing is missing")
            return None
        counts = (f"{count} {what}{'s' * (count != 1)}" for what, count in missing.items())
        self.say(f"to run: {', '.join(counts)}")
        known = sum(count for what, count in missing.items() if what != WAVE)
        progress = Progress(known, self.metric.name, self.say, self.state.offered.called)
        clock = Clock(self.files, self.budget.hours)
        room = Room(self.largest, self.budget.concurrent)
        planner = Planner(
            self.state, force=self.force, say=self.say, given_up=progress.give_up, promised=progress.expect,
            places=lambda: room.places("student"), together=self.together,
        )  # fmt: skip
        table = LiveTable(self.state, progress, Console(), self.say)
        stopping = Stopping(self.files, self.say)
        tracking = Tracking(trackers(self.track, self.files), self.say, self.state.offered.called)
        heard = Heard()
        guards = [Guard(clock, self.watch, heard, self.say), Losses(self.budget.retries, self.say), stopping]
        try:
            with table.shown(), heard.listening():
                self._tune(planner, room, stopping, guards, [progress, table, tracking])
        except KeyboardInterrupt:
            return "interrupted"
        except (DriverLeavesError, NodesLostError) as reason:
            return str(reason)
        finally:
            clock.keep(at_once=True)
            self.state.keep()
        self.say(progress.summary())
        return planner.stopped

    def _tune(
        self, planner: Planner, room: Room, stopping: Stopping, guards: list[Callback], shown: list[Callback]
    ) -> None:
        tuner = tune.Tuner(
            tune.with_resources(attentive(recorded(self.state.offered.trainable)), self.needs.placed),
            tune_config=tune.TuneConfig(
                search_alg=Cohorts(planner, room, stopping, self.needs),
                scheduler=HeldAtEpochs(stopping),
                num_samples=-1,
                reuse_actors=True,  # a worker pays its heavy imports once, not once per cohort
                trial_dirname_creator=_folder,
            ),
            run_config=tune.RunConfig(
                name=f"{datetime.now(UTC):%Y%m%d-%H%M%S}",
                storage_path=str(self.files.tune),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=ALWAYS),
                callbacks=[*guards, Ended(planner, room), *shown],
            ),
        )
        tuner.fit()


def _folder(trial: Trial) -> str:
    return f"{compose(trial.config)[0].config.key}-{trial.trial_id}"


@contextmanager
def _ray(address: str) -> Iterator[None]:
    cluster.join(address)
    try:
        yield
    finally:
        cluster.leave()
