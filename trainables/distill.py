"""One run from its config to its record, and the Ray Tune trainable around it."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from study.errors import InputError
from study.overrides import validated
from study.records import EpochRecord, RunRecord, StudyFiles
from study.space import compose
from study.spec import TrialConfig
from trainables import data, detector, distiller
from trainables.exporting import digest_of, export_detector
from trainables.model import parameter_count
from trainables.provenance import origin, peak_memory_mb, reset_peak_memory
from trainables.quiet import quietly
from trainables.training import build_runner


class RunFailedError(RuntimeError):
    """A run that ended without a result; the reason stands in its record."""


def resolve(config: TrialConfig) -> TrialConfig:
    """Check a run's names and values and fill in what its key depends on.

    Returns:
        The run with every hyper-parameter of its method and the digests of its data and teacher.

    Raises:
        InputError: an unknown detector, method or hyper-parameter, a value out of range, a file that is missing.
    """
    spec = detector.load(config.detector.name)
    parameters: dict[str, Any] = {}
    if config.distills:
        method = distiller.load(config.method)
        validated(method.Parameters, config.parameters, prefix="parameters")
        parameters = method.complete(config.parameters, spec.kind)
    elif config.parameters:
        names = ", ".join(config.parameters)
        raise InputError(f"method {config.method} has no parameters, got parameters.{names}")
    teacher = config.teacher
    if config.distills and teacher.checkpoint is not None:
        teacher = teacher.model_copy(update={"digest": digest_of(teacher.checkpoint)})
    changes = {"parameters": parameters, "dataset": data.with_digest(config.dataset), "teacher": teacher}
    resolved = config.model_copy(update=changes)
    spec.load(config.detector, teacher=not config.distills and config.method == "teacher")  # does the range fit?
    return resolved


def run(
    config: TrialConfig, files: StudyFiles, label: str = "", tell: Callable[[EpochRecord], None] | None = None
) -> RunRecord:
    """Train one run, from its newest checkpoint where there is one, and keep its record.

    Args:
        config: a resolved run.
        files: of the study it belongs to.
        label: the row of the study that asked for it.
        tell: called after each epoch.

    Returns:
        The record, of status `finished`.

    Raises:
        RunFailedError: the run failed; its record says why.
    """
    folder = files.run(config.key)
    begin = {"key": config.key, "study": files.study, "label": label, "config": config, **origin()}
    start = perf_counter()
    reset_peak_memory()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.reserve()
        with quietly(folder / "train.log") as aloud:
            epochs, facts, teacher_key = _train(config, files, folder, aloud(tell or (lambda epoch: None)))
    except Exception as error:
        reason = _reason(error, folder)
        record = RunRecord(**begin, status="failed", error=reason, seconds=perf_counter() - start)
        files.write(record)
        raise RunFailedError(f"{config.key}: {reason} (log: {folder / 'train.log'})") from error
    record = RunRecord(
        **begin, status="finished", metrics=epochs[-1].metrics, epochs=tuple(epochs), teacher_key=teacher_key,
        facts=facts, seconds=sum(epoch.seconds for epoch in epochs), peak_memory_mb=peak_memory_mb(),
    )  # fmt: skip
    files.write(record)
    (folder / "latest.pth").unlink(missing_ok=True)  # the exported detector and the record say it all now
    return record


def _close_log_files(logger: logging.Logger) -> None:
    """mmengine leaves them open, and a worker trains many runs; its next run still writes to this logger at first."""
    for handler in [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]:
        logger.removeHandler(handler)
        handler.close()


def _reason(error: Exception, folder: Path) -> str:
    """One line for the record."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full: {error.filename or folder} could not be written"
    text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    # A data loading process hands its error over as a traceback in text, whose last line says what happened.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if "Traceback" in text else lines[0]


def trainable(tune_config: dict[str, Any]) -> None:
    """Ray Tune's function trainable: trains the run that `study.launch` hands out, reported at each validation."""
    from ray import tune

    config, files, label = compose(tune_config)
    # A worker may train runs of different sizes one after the other; Ray says how many CPUs this one has.
    torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))

    def report(epoch: EpochRecord) -> None:
        if epoch.metrics:
            tune.report({**epoch.metrics, "epoch": epoch.epoch, "epochs": config.training.epochs, "key": config.key})

    run(config, files, label, report)


def teacher_checkpoint(config: TrialConfig, files: StudyFiles) -> tuple[Path | None, str | None]:
    """The teacher's checkpoint and, when it was trained here, its key.

    Raises:
        InputError: the teacher has not been trained yet.
    """
    if not config.distills:
        return None, None
    if config.teacher.checkpoint is not None:
        return config.teacher.checkpoint, None
    key = config.teacher_run().key
    teachers = files.teachers()
    path = teachers.checkpoint(key)
    if not path.exists():
        raise InputError(f"the teacher {key} has not been trained: {path} does not exist")
    return path, key


def _train(
    config: TrialConfig, files: StudyFiles, folder: Path, tell: Callable[[EpochRecord], None]
) -> tuple[list[EpochRecord], dict[str, float], str | None]:
    root = data.ensure(config.dataset, files)
    teacher, teacher_key = teacher_checkpoint(config, files)
    runner, journal = build_runner(config, root, folder, teacher, tell)
    try:
        if len(journal.epochs) < config.training.epochs:
            runner.train()
        else:  # killed between its last epoch and its record
            runner.load_checkpoint(str(journal.path))
    finally:
        _close_log_files(runner.logger)
    student = runner.model.student
    export_detector(config, student, folder)
    facts = {"params_m": parameter_count(student) / 1e6, "steps": float(runner.iter)}
    return journal.epochs, facts, teacher_key
