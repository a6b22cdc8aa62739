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
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from study.nouns.assignment import Assignment, Bar
from study.nouns.config import IDENTITY_VERSION, TrainingConfig, TrialConfig
from study.nouns.errors import InputError
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun, Promise
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import SearchSpec, StudySpec
from study.planning.goals import Goals
from study.planning.offered import Resolve
from study.planning.optuna_trials import ANSWERED, ANSWERS, closed, tell
from study.planning.pruning import bars
from study.planning.samplers import draws_left, sampler_of
from study.planning.search_space import Space, suggest, values_of

REFUSED = "refused"
"""The attribute of an Optuna trial whose values cannot be a run together; its value says why."""
TOLD = "told"
"""The attribute of an Optuna trial that no search suggested; its value is the key of the run that was told."""
Known = Mapping[str, PlannedRun]
"""What a search has suggested, by key."""
TRIES = 100
"""So many suggestions may be refused, or be answered already, in a row."""


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

    def answers(self, config: TrialConfig) -> FixedTrial | None:
        """What would have suggested a run; None where nothing could: another base or seed, or outside the space."""
        trial = FixedTrial(values_of(config, self.space))
        try:
            return trial if self.run(trial).config.key == config.key else None
        except ValueError:  # a value is missing, as it lies outside its range, or the values cannot be a run together
            return None


class Search:
    """A search under way: what Optuna suggests, and what became of it.

    Of equal suggestions, as small spaces bring them, one is run and answers all.

    Attributes:
        left: how many more suggestions it may make.
        study: Optuna's.
        runs: what it has suggested by now, in earlier launches too, by key.
    """

    def __init__(
        self,
        study: optuna.Study,
        asked: Asked,
        goals: Goals,
        files: StudyFiles,
        promised: Promise,
        search: SearchSpec,
        known: Known,
    ) -> None:
        self.study, self.left, self.runs = study, _left(study, promised.runs), dict(known)
        self._asked, self._goals, self._files, self._promised, self._search = asked, goals, files, promised, search
        self._open: dict[str, list[optuna.Trial]] = {}
        self._before: dict[str, RunRecord] = {}
        """Where it prunes, the records by which further runs are measured, by key."""
        for key in known if search.prune is not None else ():
            self._answer(key)
        self._is_cold = search.warm_start

    @property
    def draws_left(self) -> int:
        """How many suggestions learn from nothing before them, and so can be asked for at once."""
        return draws_left(self._search, len(self.study.trials))

    @property
    def over(self) -> bool:
        """Whether it suggests nothing more and has the result of all that it suggested."""
        return not (self.left or self._open)

    def ask(self, most: int, keep: Callable[[], None]) -> list[Assignment]:
        """Up to so many runs to start now; none where the search is at its end, or has to wait for results.

        Args:
            most: of them.
            keep: puts `runs` on disk; called before any of them can start, or is answered by what others trained.
        """
        if self._is_cold:
            self._is_cold = False
            for record in self._files.all():
                self._tell(record)
        found: list[Assignment] = []
        answered: list[str] = []
        for _ in range(TRIES):
            if len(found) == most or not self.left:
                break
            trial = self.study.ask()
            try:
                run = self._asked.run(trial)
            except InputError as error:
                trial.set_user_attr(REFUSED, str(error))
                self.study.tell(trial, state=TrialState.FAIL)
                continue
            self.left -= 1
            key = run.config.key
            known = key in self._open
            self._open.setdefault(key, []).append(trial)
            if key not in self.runs:
                self._files.retry(key)  # another study's failure is not this one's
                self._files.go_on(key)  # and no more is what it pruned
                self.runs[key] = run
            if self._files.status(key) in ANSWERS:
                answered.append(key)
            elif not known:
                found.append(Assignment(run.config, self._files, run.label, run.role, dict(trial.params), self._bars()))
        if not (found or answered or self._open):
            self.left = 0  # nothing that is suggested can be run
            return []
        keep()
        for key in answered:
            self.ended(key)
        return found

    def ended(self, key: str) -> None:
        """A run is over: its result, or that it has none, is told to Optuna.

        Of runs that it did not suggest only results are told, and they only where the search starts warm.
        """
        answer = self._answer(key)
        waiting = self._open.pop(key, [])
        for trial in waiting:
            tell(self.study, trial, answer, self._goals)
        if self._search.warm_start and not waiting and (record := self._files.finished(key)) is not None:
            self._tell(record)

    def _answer(self, key: str) -> RunRecord | None:
        """The record of a suggestion that has come to its end, or as far as it was let."""
        record = self._files.ended(key) if key in self.runs else None
        if record is None or record.status not in ANSWERS:
            return None
        if self._search.prune is not None:
            self._before[key] = record
        return record

    def _bars(self) -> tuple[Bar, ...]:
        """Where a run that is assigned now may end early."""
        return bars(self._search.prune, self._goals.objectives[0], list(self._before.values()))

    def _tell(self, record: RunRecord) -> None:
        """A run of the study that Optuna did not suggest and could have."""
        if (record.config.method, record.config.seed) != (self._asked.base.method, self._asked.base.seed):
            return
        trial = self._asked.answers(record.config)
        if trial is None or self._files.finished(record.key) is None:
            return
        made = closed(trial, record, self._goals, {TOLD: record.key})
        if made and all(trial.params != known.params for known in self.study.get_trials(deepcopy=False)):
            self.study.add_trial(made)

    def promise(self, keys: Iterable[str]) -> Promise:
        """The runs of the search in all: those that have a result, and those that it may still ask for.

        Args:
            keys: of what it has suggested and no other run of the study answers.
        """
        found = sum(self._files.status(key) in ANSWERS for key in keys)
        return self._promised.model_copy(update={"runs": found + _left(self.study, self._promised.runs)})


def open_search(
    spec: StudySpec, base: TrialConfig, goals: Goals, files: StudyFiles, resolve: Resolve, known: Known
) -> Search:
    """Open the study's journal (new or old) and prepare the runs that are missing in it.

    Args:
        spec: a completed study with a search.
        base: the resolved run around which is searched.
        goals: what it looks for.
        files: where journal and records lie.
        resolve: completes what is suggested.
        known: what earlier launches asked for.
    """
    assert spec.search is not None, "only a study with a search is searched"
    assert spec.search.space is not None, "a completed search has a space"
    asked = Asked(spec.search.space, override(spec.base, {**spec.choosing, "seed": base.seed}), base, resolve)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    files.root.mkdir(parents=True, exist_ok=True)
    _mend(files.journal)
    storage = JournalStorage(JournalFileBackend(str(files.journal)))
    maximize, minimize = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
    directions = [maximize if goal.direction == "max" else minimize for goal in goals.objectives]
    name = study_name(spec, base.seed)
    study = optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
    _settle(study, asked, goals, files, known)
    study.sampler = sampler_of(spec.search, base.seed, len(study.trials))
    return Search(study, asked, goals, files, promised(spec, base), spec.search, known)


def promised(spec: StudySpec, base: TrialConfig) -> Promise:
    """The runs that a search may ask for, before any of them was."""
    assert spec.search is not None, "only a study with a search promises its runs"
    return Promise(role="search", label="search", runs=spec.search.trials, around=base)


def study_name(spec: StudySpec, seed: int) -> str:
    """A name that only the same search has: another base, space, metric, objective or bound can never mix with it.

    It follows from what the study says, so that a default which a release adds changes nothing. That the data are the
    same is checked where a study goes on (`same_study`).
    """
    assert spec.search is not None, "only a study with a search has a journal"
    workers = TrainingConfig().workers
    free = {"dataset.root": None, "training.workers": workers, "teacher.training.workers": workers}
    said = override(spec.base, {**free, "teacher.minimum": None}).model_dump(mode="json", exclude_defaults=True)
    asked = spec.search.model_dump(mode="json", exclude_defaults=True)
    goals = [asked[name] for name in ("objectives", "constraints") if name in asked]  # older searches had neither
    goals += [spec.choose_on] if spec.choose_on else []
    identity = json.dumps([IDENTITY_VERSION, said, asked.get("space"), spec.metric, seed, *goals], sort_keys=True)
    return f"{spec.name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def _left(study: optuna.Study, trials: int) -> int:
    done = study.get_trials(deepcopy=False, states=list(ANSWERED))
    return max(0, trials - sum(TOLD not in trial.user_attrs for trial in done))


def _settle(study: optuna.Study, asked: Asked, goals: Goals, files: StudyFiles, known: Known) -> None:
    """Close what a dead driver left open, and ask again for every suggestion that has no result."""
    answered = [trial.params for trial in study.get_trials(states=list(ANSWERED))]
    waiting = [trial.system_attrs["fixed_params"] for trial in study.get_trials(states=[TrialState.WAITING])]
    # Those that a dead driver left open come first: what answers them answers what an earlier one left open, too.
    for trial in [*study.get_trials(states=[TrialState.RUNNING]), *study.get_trials(states=[TrialState.FAIL])]:
        record = _answer(trial, asked, files, known)
        made = closed(trial, record, goals, {}) if record is not None else None
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
        if made is not None and trial.state == TrialState.RUNNING:
            study.add_trial(made)
            answered.append(trial.params)
        over = made is not None and trial.params in answered
        if not over and trial.params and trial.params not in waiting and REFUSED not in trial.user_attrs:
            study.enqueue_trial(trial.params)
            waiting.append(trial.params)


def _answer(trial: FrozenTrial, asked: Asked, files: StudyFiles, known: Known) -> RunRecord | None:
    """The record of a suggestion that is known, where its run is finished or was pruned."""
    try:
        run = asked.run(FixedTrial(trial.params))
    except ValueError:  # the driver died between two suggestions of this trial, or it was refused
        return None
    record = files.ended(run.config.key) if run.config.key in known else None
    return record if record is not None and record.status in ANSWERS else None


def _mend(journal: Path) -> None:
    """Cut off the half line of a killed writer and remove its lock."""
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.exists():
        whole = journal.read_bytes().rpartition(b"\n")
        if whole[2]:
            with journal.open("r+b") as file:
                file.truncate(len(whole[0]) + len(whole[1]))
