"""One run from its config to its record, and the Ray Tune trainable around it."""

import os
import platform
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import torch

from study.nouns.assignment import compose
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError, RunFailedError
from study.nouns.frozen import without_additions
from study.nouns.metrics import Metric
from study.nouns.overrides import validated
from study.nouns.parameters import Called, Range
from study.nouns.records import EpochRecord, Role, RunRecord, StudyFiles
from trainables import datasets, detectors, distillers
from trainables.costs import measuring
from trainables.datasets import ready
from trainables.training import given_teacher, runner
from trainables.training.checkpoints.writing import export_detector
from trainables.training.failing import reason_of
from trainables.training.machine import origin, peak_memory_mb, reset_peak_memory
from trainables.training.processes import starting
from trainables.training.run_log import quietly
from trainables.training.student import parameter_count


def resolve(config: TrialConfig) -> TrialConfig:
    """Check a run's names and values and fill in what its key depends on.

    Returns:
        The run with every hyper-parameter of its method and the digests of its data and teacher.

    Raises:
        InputError: an unknown detector, method or hyper-parameter, a value out of range, a file that is missing.
    """
    spec = detectors.load(config.detector.name)
    parameters: dict[str, Any] = {}
    if config.distills:
        method, parameters = _completed(config)
        spec.offers(method.reads_with(method.Parameters(**parameters)), config.method)
        parameters = without_additions(method.Parameters, parameters)
    elif config.parameters:
        names = ", ".join(config.parameters)
        raise InputError(f"method {config.method} has no parameters, got parameters.{names}")
    teacher = given_teacher.checked(config) if config.distills or config.measures else config.teacher
    changes = {"parameters": parameters, "dataset": ready.checked(config.dataset), "teacher": teacher}
    resolved = config.model_copy(update=changes)
    cfg = spec.load(config.detector, teacher=not config.distills and config.method == "teacher")  # does the range fit?
    datasets.fit(cfg, config.dataset, config.detector.name)
    return resolved


def weight_range(config: TrialConfig) -> tuple[float, float]:
    """Where a fair comparison searches the loss weight of a run's method.

    Raises:
        InputError: an unknown method, or one without distillation.
    """
    return distillers.load(config.method).weight_range


def called(config: TrialConfig) -> dict[str, Called]:
    """How people call the values of a run, by dotted key; empty for runs without distillation.

    Raises:
        InputError: an unknown detector, method or hyper-parameter.
    """
    return _of_its_method(config, "called")


def search_space(config: TrialConfig) -> dict[str, Range]:
    """Where a search around a run looks, by dotted key; empty for runs without distillation.

    Raises:
        InputError: an unknown detector, method or hyper-parameter.
    """
    return _of_its_method(config, "search_space")


def metrics_of(config: TrialConfig) -> tuple[Metric, ...]:
    """What a validation of the run gives, as its data set's evaluator declares it.

    Raises:
        InputError: an unknown data set.
    """
    return datasets.load(config.dataset.name).evaluator.metrics


def run(
    config: TrialConfig,
    files: StudyFiles,
    label: str = "",
    tell: Callable[[EpochRecord], None] | None = None,
    role: Role = "row",
    gpus: float = 0,
) -> RunRecord:
    """Train one run, from its newest checkpoint where there is one, and keep its record.

    Args:
        config: a resolved run.
        files: of the study it belongs to.
        label: the row of the study that asked for it.
        tell: called after each epoch.
        role: why it is made.
        gpus: that it was given: it fails where torch sees none, instead of training on the CPU while they idle.

    Returns:
        The record, of status `finished`.

    Raises:
        RunFailedError: the run failed; its record says why.
    """
    folder = files.run(config.key)
    begin = {"key": config.key, "study": files.study, "label": label, "role": role, "config": config, **origin()}
    begin["called"] = called(config)
    begin["declared"] = metrics_of(config)
    start = perf_counter()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.reserve()
        _check_gpus(gpus)
        with quietly(folder / "train.log") as aloud:
            if config.measures:
                result = _measure(config, files, folder)
            else:
                result = _train(config, files, folder, aloud(tell or (lambda epoch: None)))
    except Exception as error:
        reason = reason_of(error, folder)
        record = RunRecord(**begin, status="failed", error=reason, seconds=perf_counter() - start)
        files.write(record)
        raise RunFailedError(f"{config.key}: {reason} (log: {folder / 'train.log'})") from error
    record = RunRecord(**begin, **result, status="finished")
    files.write(record)
    (folder / "latest.pth").unlink(missing_ok=True)  # the exported detector and the record say it all now
    return record


def trainable(tune_config: dict[str, Any]) -> None:
    """Ray Tune's function trainable: trains the run that the driver hands out, reports each validation."""
    import ray
    from ray import tune

    config, files, label, role = compose(tune_config)
    # A worker may train runs of different sizes one after the other; Ray says how many CPUs this one has.
    torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))

    def report(epoch: EpochRecord) -> None:
        if epoch.metrics:
            tune.report({**epoch.metrics, "epoch": epoch.epoch, "epochs": config.training.epochs, "key": config.key})

    record = run(config, files, label, report, role, len(ray.get_gpu_ids()))
    if config.measures:
        tune.report({**record.metrics, "key": config.key})


def teacher_checkpoint(config: TrialConfig, files: StudyFiles) -> tuple[Path | None, str | None]:
    """The teacher's checkpoint and its key: of the run that trained it, or that validated a given one.

    Raises:
        InputError: there was no such run yet.
    """
    if not config.distills:
        return None, None
    key = config.teacher_run().key
    path = files.teachers().checkpoint(key)
    if not path.exists():
        raise InputError(f"the teacher {key} has not been trained or validated: {path} does not exist")
    return path, key


def _of_its_method(config: TrialConfig, declaration: Literal["called", "search_space"]) -> dict[str, Any]:
    """What the method of a run declares for the run's own hyper-parameters; nothing without distillation."""
    if not config.distills:
        return {}
    method, parameters = _completed(config)
    return getattr(method, declaration)(method.Parameters(**parameters))


def _completed(config: TrialConfig) -> tuple[type[distillers.Distiller], dict[str, Any]]:
    """The method of a run that distills, and every hyper-parameter of it."""
    method = distillers.load(config.method)
    validated(method.Parameters, config.parameters, prefix="parameters")
    return method, method.complete(config.parameters, detectors.load(config.detector.name).kind)


def _check_gpus(given: float) -> None:
    if given and not torch.cuda.is_available():
        raise InputError(
            f"the run was given a GPU, but torch {torch.__version__} on {platform.node()} sees none: set the node up "
            "with `make gpu`, or train on the CPU: --set budget.gpus_per_trial=0"
        )


def _train(config: TrialConfig, files: StudyFiles, folder: Path, tell: Callable[[EpochRecord], None]) -> dict[str, Any]:
    """What a training leaves in the record."""
    root = ready.ensure(config.dataset, files)
    teacher, teacher_key = teacher_checkpoint(config, files)
    counted = {
        "gflops": measuring.gflops(config.detector, config.dataset.name, root, teacher=config.method == "teacher")
    }
    train = starting.train if config.training.devices > 1 else runner.train
    trained = train(config, root, folder, teacher, tell)
    above = files.teachers().record(teacher_key) if teacher_key else None
    learned_from = {f"teacher/{name}": value for name, value in above.metrics.items()} if above else {}
    return {
        **dict(trained),
        "metrics": trained.epochs[-1].metrics,
        "teacher_key": teacher_key,
        "facts": {**counted, **trained.facts, **learned_from},
        "seconds": sum(epoch.seconds for epoch in trained.epochs),
    }


def _measure(config: TrialConfig, files: StudyFiles, folder: Path) -> dict[str, Any]:
    """What the validation of a given teacher leaves in the record; its weights lie where a trained teacher's would."""
    root = ready.ensure(config.dataset, files)
    counted = measuring.gflops(config.detector, config.dataset.name, root, teacher=True)
    start = perf_counter()
    reset_peak_memory()
    teacher, metrics = given_teacher.measure(config, root, folder)
    export_detector(config, teacher, folder)
    facts = {"params_m": parameter_count(teacher) / 1e6, "gflops": counted}
    seconds = perf_counter() - start
    return {"metrics": metrics, "facts": facts, "seconds": seconds, "peak_memory_mb": peak_memory_mb()}
