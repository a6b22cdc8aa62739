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
from ray.tune.search.optuna import OptunaSearch

from study.nouns.assignment import carry
from study.nouns.config import TrialConfig
from study.nouns.overrides import override
from study.nouns.promised import PlannedRun
from study.nouns.records import StudyFiles
from study.nouns.spec import SearchSpace, StudySpec
from study.planning.search_space import Switches, suggest, switches_of

Bases = dict[Switches, TrialConfig]


class Search(NamedTuple):
    """What is left of a search: the searcher for Tune, and how many runs it may still ask for."""

    searcher: OptunaSearch | None
    trials: int
    base: TrialConfig | None
    """The run around which is searched; None where nothing is."""


def open_search(spec: StudySpec, bases: Bases, files: StudyFiles) -> Search:
    """Open the study's journal (new or old) and prepare the runs that are missing in it.

    Args:
        spec: a study with a `search`.
        bases: the resolved runs that the search varies, by the switches; empty where nothing is searched.
        files: where journal and records lie.
    """
    if spec.search is None:
        return Search(None, 0, None)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    files.root.mkdir(parents=True, exist_ok=True)
    _mend(files.journal)
    storage = JournalStorage(JournalFileBackend(str(files.journal)))
    direction = StudyDirection.MAXIMIZE if spec.mode == "max" else StudyDirection.MINIMIZE
    name = study_name(spec, bases)
    study = optuna.create_study(storage=storage, study_name=name, direction=direction, load_if_exists=True)
    _settle(study, spec, bases, files)
    base = next(iter(bases.values()))
    left = spec.search.trials - len(study.get_trials(states=[TrialState.COMPLETE]))
    if left <= 0:
        return Search(None, 0, base)
    sampler = optuna.samplers.TPESampler(
        seed=spec.seeds[0] + len(study.trials),
        n_startup_trials=spec.search.startup,
        constant_liar=True,
    )
    asked = {chosen: PlannedRun(role="search", label="search", config=base) for chosen, base in bases.items()}
    ask = partial(_ask, space=spec.search, constants={chosen: carry(run, files) for chosen, run in asked.items()})
    searcher = OptunaSearch(ask, metric=spec.metric, mode=spec.mode, sampler=sampler, storage=storage, study_name=name)
    return Search(searcher, left, base)


def study_name(spec: StudySpec, bases: Bases) -> str:
    """A name that only the same search has: other data, ranges or metric can never mix with it."""
    assert spec.search is not None, "only a study with a search has a journal"
    ranges = spec.search.model_dump(mode="json", exclude={"trials", "startup"})
    identity = json.dumps(
        [[base.identity() for base in bases.values()], ranges, spec.metric, spec.mode], sort_keys=True
    )
    return f"{spec.name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def _ask(trial: optuna.Trial, space: SearchSpace, constants: dict[Switches, dict[str, Any]]) -> dict[str, Any]:
    changes = suggest(trial, space)
    return {**constants[switches_of(changes)], **changes}


def _settle(study: optuna.Study, spec: StudySpec, bases: Bases, files: StudyFiles) -> None:
    """Close what a dead driver left open, and ask again for every suggestion that has no result."""
    waiting = [trial.system_attrs["fixed_params"] for trial in study.get_trials(states=[TrialState.WAITING])]
    for trial in study.get_trials(states=[TrialState.RUNNING, TrialState.FAIL]):
        value = _measured(trial, spec, bases, files)
        if value is not None and trial.state == TrialState.RUNNING:
            study.tell(trial.number, value)
            continue
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
        if value is None and trial.params and trial.params not in waiting:
            study.enqueue_trial(trial.params)
            waiting.append(trial.params)


def _measured(trial: FrozenTrial, spec: StudySpec, bases: Bases, files: StudyFiles) -> float | None:
    """The result of a suggestion, where its run is finished."""
    assert spec.search is not None, "only a study with a search has a journal"
    try:
        changes = suggest(FixedTrial(trial.params), spec.search)
    except ValueError:  # the driver died between two suggestions of this trial
        return None
    record = files.finished(override(bases[switches_of(changes)], changes).key)
    return record.metrics.get(spec.metric) if record else None


def _mend(journal: Path) -> None:
    """Cut off the half line of a killed writer and remove its lock."""
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.exists():
        whole = journal.read_bytes().rpartition(b"\n")
        if whole[2]:
            with journal.open("r+b") as file:
                file.truncate(len(whole[0]) + len(whole[1]))
