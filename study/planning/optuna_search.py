"""A search that survives its driver: Optuna's journal file, read again when a killed study goes on.

Optuna leaves three traps here (Optuna 5.0, Ray 2.60), each met below:
- a trial whose driver died stays RUNNING for ever: it is closed, and its parameters are asked for again, so that the
  run goes on from its own checkpoint;
- a new sampler with the old seed draws the same start-up trials again: the seed moves with the trials already there;
- a killed writer leaves half a line, and a lock that costs the next one 30 s: both are cleared. The caller makes sure
  that no other driver of this study is alive.
"""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FixedTrial, FrozenTrial, TrialState
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from study.nouns.assignment import carry, compose
from study.nouns.config import IDENTITY_VERSION, TrainingConfig, TrialConfig
from study.nouns.errors import InputError
from study.nouns.metrics import Metric
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun, Promise
from study.nouns.records import StudyFiles
from study.nouns.spec import StudySpec
from study.planning.offered import Resolve
from study.planning.search_space import Space, suggest

REFUSED = "refused"
"""The attribute of an Optuna trial whose values cannot be a run together; its value says why."""
TRIES = 100
"""So many suggestions in a row may be refused before a search ends."""


class Asked(NamedTuple):
    """What a suggestion is made of."""

    space: Space
    said: TrialConfig
    """The base run as the study says it."""
    base: TrialConfig
    """The same, resolved."""
    resolve: Resolve

    def run(self, trial: optuna.trial.BaseTrial) -> PlannedRun:
        """Ask a trial for a run, resolved for its own values, so that its key is final.

        Raises:
            InputError: the values cannot be a run together.
        """
        config = self.resolve(override(self.said, suggest(trial, self.space, self.base)))
        return PlannedRun(role="search", label="search", config=config)


class Search(NamedTuple):
    """What is left of a search: the searcher for Tune, and how many runs it may still ask for."""

    searcher: OptunaSearch | None
    left: int
    study: optuna.Study
    promised: Promise

    def promise(self, files: StudyFiles) -> Promise:
        """The runs of the search in all: those that have a result, and those that it may still ask for.

        A suggestion that another run of the study answers is none of them.
        """
        found = sum(record.role == "search" and record.status == "finished" for record in files.all())
        return self.promised.model_copy(update={"runs": found + _left(self.study, self.promised.runs)})


class SearchInFlight(OptunaSearch):
    """Optuna's suggestions for Tune, without two equal runs at a time: they would share a folder.

    A suggestion that is being run already waits until that run is over, and is then answered from its record.
    """

    def __init__(self, ask: Any, **options: Any) -> None:
        super().__init__(ask, **options)
        self._in_flight: dict[str, str] = {}
        self._waiting: optuna.Trial | None = None

    def suggest(self, trial_id: str) -> dict[str, Any] | Any:
        """One run, None where it has to wait, or Tune's word for the end of a search without any that can be run."""
        for _ in range(TRIES):
            if self._waiting is not None:
                self._ot_trials[trial_id], self._waiting = self._waiting, None
            try:
                suggestion = super().suggest(trial_id)
            except InputError as error:
                refused = self._ot_trials.pop(trial_id)
                refused.set_user_attr(REFUSED, str(error))
                assert self._ot_study is not None, "a search has a study"
                self._ot_study.tell(refused, state=TrialState.FAIL)
                continue
            assert suggestion is not None, "Optuna always has a suggestion"
            key = compose(suggestion["run"]).config.key
            if key in self._in_flight.values():
                self._waiting = self._ot_trials.pop(trial_id)
                return None
            self._in_flight[trial_id] = key
            return suggestion
        return Searcher.FINISHED

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Only the result after the last epoch counts: nothing prunes."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A run is over: its result, or that it has none, is told to Optuna."""
        self._in_flight.pop(trial_id, None)
        super().on_trial_complete(trial_id, result, error)


def open_search(spec: StudySpec, base: TrialConfig, metric: Metric, files: StudyFiles, resolve: Resolve) -> Search:
    """Open the study's journal (new or old) and prepare the runs that are missing in it.

    Args:
        spec: a completed study with a search.
        base: the resolved run around which is searched.
        metric: the study's.
        files: where journal and records lie.
        resolve: completes what is suggested.
    """
    assert spec.search is not None, "only a study with a search is searched"
    assert spec.search.space is not None, "a completed search has a space"
    asked = Asked(spec.search.space, override(spec.base, {"seed": base.seed}), base, resolve)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    files.root.mkdir(parents=True, exist_ok=True)
    _mend(files.journal)
    storage = JournalStorage(JournalFileBackend(str(files.journal)))
    direction = StudyDirection.MAXIMIZE if metric.direction == "max" else StudyDirection.MINIMIZE
    name = study_name(spec, base.seed)
    study = optuna.create_study(storage=storage, study_name=name, direction=direction, load_if_exists=True)
    _settle(study, asked, metric, files)
    left = _left(study, spec.search.trials)
    if not left:
        return Search(None, 0, study, promised(spec, base))
    sampler = optuna.samplers.TPESampler(
        seed=base.seed + len(study.trials), n_startup_trials=spec.search.startup, constant_liar=True
    )
    searcher = SearchInFlight(
        partial(_ask, asked=asked, files=files),
        metric=metric.name, mode=metric.direction, sampler=sampler, storage=storage, study_name=name,
    )  # fmt: skip
    return Search(searcher, left, study, promised(spec, base))


def promised(spec: StudySpec, base: TrialConfig) -> Promise:
    """The runs that a search may ask for, before any of them was."""
    assert spec.search is not None, "only a study with a search promises its runs"
    return Promise(role="search", label="search", runs=spec.search.trials, around=base)


def study_name(spec: StudySpec, seed: int) -> str:
    """A name that only the same search has: another base, space or metric can never mix with it.

    It follows from what the study says, so that a default which a release adds changes nothing. That the data are the
    same is checked where a study goes on (`same_study`).
    """
    assert spec.search is not None, "only a study with a search has a journal"
    workers = TrainingConfig().workers
    free = {"dataset.root": None, "training.workers": workers, "teacher.training.workers": workers}
    said = override(spec.base, {**free, "teacher.minimum": None}).model_dump(mode="json", exclude_defaults=True)
    space = spec.search.model_dump(mode="json", exclude_defaults=True).get("space")
    identity = json.dumps([IDENTITY_VERSION, said, space, spec.metric, seed], sort_keys=True)
    return f"{spec.name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def _left(study: optuna.Study, trials: int) -> int:
    return max(0, trials - len(study.get_trials(states=[TrialState.COMPLETE])))


def _ask(trial: optuna.Trial, asked: Asked, files: StudyFiles) -> dict[str, Any]:
    return {"run": carry(asked.run(trial), files)}


def _settle(study: optuna.Study, asked: Asked, metric: Metric, files: StudyFiles) -> None:
    """Close what a dead driver left open, and ask again for every suggestion that has no result."""
    waiting = [trial.system_attrs["fixed_params"] for trial in study.get_trials(states=[TrialState.WAITING])]
    for trial in study.get_trials(states=[TrialState.RUNNING, TrialState.FAIL]):
        value = _measured(trial, asked, metric, files)
        if value is not None and trial.state == TrialState.RUNNING:
            study.tell(trial.number, value)
            continue
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
        if value is None and trial.params and trial.params not in waiting and REFUSED not in trial.user_attrs:
            study.enqueue_trial(trial.params)
            waiting.append(trial.params)


def _measured(trial: FrozenTrial, asked: Asked, metric: Metric, files: StudyFiles) -> float | None:
    """The result of a suggestion, where its run is finished."""
    try:
        run = asked.run(FixedTrial(trial.params))
    except ValueError:  # the driver died between two suggestions of this trial, or it was refused
        return None
    record = files.finished(run.config.key)
    return record.metrics.get(metric.name) if record else None


def _mend(journal: Path) -> None:
    """Cut off the half line of a killed writer and remove its lock."""
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.exists():
        whole = journal.read_bytes().rpartition(b"\n")
        if whole[2]:
            with journal.open("r+b") as file:
                file.truncate(len(whole[0]) + len(whole[1]))
