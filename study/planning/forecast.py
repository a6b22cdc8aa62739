"""What a study will take: its runs by row, the time and the disk that they need as earlier runs did, what claims hold.

A run takes as long per epoch as earlier runs of its kind: same method, detector, compression, data and batches. What
no record tells is not guessed.
"""

import json
from collections.abc import Iterable
from functools import cache
from statistics import median

from study.evidence.power import power_of
from study.evidence.told import told
from study.nouns.claims import Claim, leveled
from study.nouns.config import TrialConfig
from study.nouns.frozen import Frozen
from study.nouns.promised import PlannedRun
from study.nouns.records import DETECTOR, RunRecord, StudyFiles
from study.nouns.sizes import size_of
from study.planning.offered import Parameters
from study.planning.same_study import check
from study.planning.study_state import StudyState

BYTES_PER_WEIGHT = 4
CHECKPOINT_WEIGHTS = 3
"""A checkpoint to go on from holds every weight, and two moments of each."""
OTHER_FILES = 50_000
"""Bytes of a record, a detector's config and a log, where no earlier run tells."""
OVER = ("finished", "pruned")


class Group(Frozen):
    """The runs of one role and label."""

    role: str
    label: str
    runs: int
    done: int
    config: TrialConfig
    """Of one of them; the others take as long."""
    hours: float | None
    """Device-hours of what is left; None where no record tells."""
    disk: int
    """Bytes that what is left will keep: records and detectors."""
    checkpoint: int
    """Bytes of the checkpoint that each run under way has besides."""

    @property
    def left(self) -> int:
        """Runs that are still to be done."""
        return self.runs - self.done


class Power(Frozen):
    """The chance that a difference of a claim, if it is just what is claimed, is shown with all seeds."""

    claim: str
    level: float
    seeds: int
    noise: float
    """Standard deviation of the difference of two rows."""
    measured: bool
    power: float


class Forecast(Frozen):
    """What a study will take."""

    study: str
    groups: tuple[Group, ...]
    further: tuple[Group, ...]
    """What claims may ask for at most, besides."""
    devices: tuple[str, ...]
    """On which hours were measured."""
    records: int
    """From how many runs."""
    claims: tuple[Power, ...]


class Measured:
    """What earlier runs took, by kind."""

    def __init__(self, files: StudyFiles) -> None:
        self.seconds: dict[str, list[float]] = {}
        self.bytes: dict[str, list[int]] = {}
        self.devices: dict[str, set[str]] = {}
        for path in sorted(files.runs.glob("*/record.json")):
            record = files.record(path.parent.name)  # read once: there are many
            if record is not None and record.status == "finished" and files.has(record.key, DETECTOR):
                self._add(record, files)

    def _add(self, record: RunRecord, files: StudyFiles) -> None:
        kind, kept = _kind(record.config), (files.checkpoint(record.key), files.record_json(record.key))
        of_detector = _detector(record.config)
        self.bytes.setdefault(of_detector, []).append(
            sum(map(size_of, (*kept, files.run(record.key) / "detector.py", files.run(record.key) / "train.log")))
        )
        seconds = [one.seconds if one.shared_seconds is None else one.shared_seconds for one in record.epochs]
        per_epoch = record.seconds if record.config.measures else sum(seconds) / max(1, len(seconds))
        if per_epoch > 0:
            self.seconds.setdefault(kind, []).append(per_epoch)
            self.devices.setdefault(kind, set()).add(record.device or record.host)

    def hours(self, config: TrialConfig, share: float) -> float | None:
        """Device-hours of a run; None where no run of its kind has a record."""
        found = self.seconds.get(_kind(config))
        if found is None:
            return None
        epochs = 1 if config.measures else config.training.epochs
        return median(found) * epochs * config.training.devices * share / 3600


def forecast(state: StudyState, parameters: Parameters) -> Forecast:
    """What is left of a study. Nothing is written.

    Args:
        state: of the study.
        parameters: of a detector.

    Raises:
        InputError: its folder holds another study.
    """
    state.read()
    state.first_wave()
    plan, measured, count = state.plan(), Measured(state.files), cache(parameters)
    check(state.spec, plan, state.files, resume=True)
    unknown = [
        PlannedRun(role=promise.role, label=promise.label, config=promise.around, final=False)
        for promise in plan.unasked()
        for _ in range(promise.runs)
    ]
    share = min(1.0, state.spec.budget.gpus_per_trial or 1.0)
    groups, later = (
        tuple(_group(runs, state.files, measured, count, share) for runs in found.values())
        for found in (_asked([*plan.runs, *unknown], state), _asked(state.further, state))
    )
    kinds = {_kind(group.config) for group in (*groups, *later) if group.left}
    return Forecast(
        study=state.spec.name, groups=groups, further=later, claims=tuple(_powers(state)),
        devices=tuple(sorted({device for kind in kinds for device in measured.devices.get(kind, ())})),
        records=sum(len(measured.seconds.get(kind, ())) for kind in kinds),
    )  # fmt: skip


def _asked(runs: Iterable[PlannedRun], state: StudyState) -> dict[tuple[str, str], list[PlannedRun]]:
    """By role and label, the runs of the rows that are asked for, and the teachers that these need."""
    labels, needed = {point.label for point in state.part.points}, {run.config.key for run in state.needed}
    found: dict[tuple[str, str], list[PlannedRun]] = {}
    for run in runs:
        if not state.is_part or run.label in labels or run.config.key in needed:
            found.setdefault((run.role, run.label), []).append(run)
    return found


def _group(
    runs: list[PlannedRun], files: StudyFiles, measured: Measured, parameters: Parameters, share: float
) -> Group:
    over = [run.final and files.status(run.config.key) in OVER for run in runs]
    left = [run for run, done in zip(runs, over, strict=True) if not done]
    hours = [measured.hours(run.config, share) for run in left]
    config = (left or runs)[0].config
    disk, checkpoint = 0, 0
    if left:
        sizes = measured.bytes.get(_detector(config))
        weights = parameters(config.detector, config.method == "teacher") * 1e6
        each = median(sizes) if sizes else weights * BYTES_PER_WEIGHT + OTHER_FILES
        disk = round(each * len(left))
        checkpoint = 0 if config.measures else round(weights * BYTES_PER_WEIGHT * CHECKPOINT_WEIGHTS)
    known = [one for one in hours if one is not None]
    return Group(
        role=runs[0].role, label=runs[0].label, runs=len(runs), done=sum(over), config=config,
        hours=sum(known) if len(known) == len(hours) else None, disk=disk, checkpoint=checkpoint,
    )  # fmt: skip


def _powers(state: StudyState) -> Iterable[Power]:
    spec, seeds = state.spec, len(state.spec.seeds)
    noise: dict[str, float] = {}
    there = state.files.read_study()
    if there is not None and there.claims:
        answers = told(there, state.files.read_plan().runs, state.files.record)
        noise = {row: one.sd_of_differences for one in answers.noise for row in one.rows if one.sd_of_differences}
    for claim, level in leveled(spec.claims, spec.rule):
        measured = noise.get(claim.row)
        for sd in (measured,) if measured else (claim.tolerance, claim.tolerance / 2):
            yield Power(
                claim=claim.text(), level=level, seeds=seeds, noise=sd, measured=bool(measured),
                power=_power(claim, sd, level, seeds),
            )  # fmt: skip


def _power(claim: Claim, noise: float, level: float, seeds: int) -> float:
    if claim.kind == "same":  # both sides must be shown, of a difference of 0
        return max(0.0, 2 * power_of((claim.within or claim.tolerance) / noise, level, seeds) - 1)
    return power_of(claim.tolerance / noise, level, seeds)


def _detector(config: TrialConfig) -> str:
    """Equal for runs that export detectors of the same size."""
    return json.dumps([config.method == "teacher", config.identity()["detector"]], sort_keys=True)


def _kind(config: TrialConfig) -> str:
    """Equal for runs whose epochs take as long."""
    return kind_of_batches(config.method, config)


def kind_of_batches(name: str, config: TrialConfig) -> str:
    """Equal for what has one name, detector, data and batches."""
    batches = config.training.model_dump(mode="json", include={"batch_size", "repeat", "devices", "amp"})
    identity = config.identity()
    return json.dumps([name, identity["detector"], identity["dataset"], batches], sort_keys=True)
