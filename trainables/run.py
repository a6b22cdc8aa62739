"""One run from its config to its record, and the Ray Tune trainable around it."""

import os
import platform
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import torch

from study.nouns.assignment import Assignment, compose
from study.nouns.config import DatasetSpec, DetectorConfig, TrialConfig
from study.nouns.errors import InputError, RunFailedError
from study.nouns.frozen import without_additions
from study.nouns.metrics import Metric
from study.nouns.overrides import validated
from study.nouns.parameters import Called, Range
from study.nouns.records import EpochRecord, Role, RunRecord, StudyFiles
from trainables import datasets, detectors, distillers
from trainables.costs import measuring
from trainables.datasets import ready
from trainables.training import cohort, given_teacher, schedule
from trainables.training.checkpoints.writing import export_detector
from trainables.training.keeping import Kept
from trainables.training.machine import peak_memory_mb, reset_peak_memory
from trainables.training.processes import starting
from trainables.training.run_log import quietly
from trainables.training.student_model import parameter_count


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
    _check_fit(config.detector, config.method == "teacher", config.dataset.model_dump_json())
    return resolved


@cache  # mmdet3d's config takes a tenth of a second to read, and a study has thousands of runs
def _check_fit(detector: DetectorConfig, teaches: bool, dataset: str) -> None:
    """Can the detector be laid on its range, and learn from the data set?"""
    cfg = detectors.load(detector.name).load(detector, teacher=teaches)
    datasets.fit(cfg, DatasetSpec.model_validate_json(dataset), detector.name)


def weight_range(config: TrialConfig) -> tuple[float, float]:
    """Where a fair comparison searches the loss weight of a run's method.

    Raises:
        InputError: an unknown method, or one without distillation.
    """
    return distillers.load(config.method).weight_range


def learning_rate(config: TrialConfig) -> float:
    """With which learning rate a run's schedule starts: its own, or its detector's.

    Raises:
        InputError: an unknown detector.
    """
    cfg = detectors.load(config.detector.name).load(config.detector, teacher=config.method == "teacher")
    schedule.lay_schedule(cfg, config.training.model_copy(update={"amp": False}))  # only a worker has a GPU
    return float(cfg.optim_wrapper.optimizer.lr)


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
) -> RunRecord:
    """Train one run by itself, from its newest checkpoint where there is one, and keep its record.

    Args:
        config: a resolved run.
        files: of the study it belongs to.
        label: the row of the study that asked for it.
        tell: called after each epoch.
        role: why it is made.

    Returns:
        The record, of status `finished`.

    Raises:
        RunFailedError: the run failed; its record says why.
    """
    (record,) = run_together(
        [Assignment(config, files, label, role)], (lambda key, epoch: tell(epoch)) if tell else None
    )
    if record.status == "failed":
        raise RunFailedError(f"{config.key}: {record.error} (log: {files.run(config.key) / 'train.log'})")
    return record


def run_together(
    assigned: Sequence[Assignment], tell: Callable[[str, EpochRecord], None] | None = None, gpus: float = 0
) -> list[RunRecord]:
    """Train runs that share their batches and their teacher, and keep their records.

    Args:
        assigned: resolved runs that may train together (`study.planning.cohorts`), each with a key of its own.
        tell: called after each epoch of each run, with its key.
        gpus: that were given: all fail where torch sees none, instead of training on the CPU while they idle.

    Returns:
        A record of each, in their order, finished or failed.
    """

    def described(config: TrialConfig) -> dict[str, Any]:
        return {"called": called(config), "declared": metrics_of(config)}

    kept = Kept(assigned, described, tell or (lambda key, epoch: None))
    try:
        for one in assigned:
            one.files.run(one.config.key).mkdir(parents=True, exist_ok=True)
            one.files.reserve()
        _check_gpus(gpus)
        first = assigned[0]
        with quietly(first.files.run(first.config.key) / "train.log") as aloud:
            kept.aloud = aloud
            _train(assigned, kept)
    except Exception as error:
        for key in kept.open:
            kept.failed(key, error)
    return [kept.records[one.config.key] for one in assigned]


def trainable(tune_config: dict[str, Any]) -> None:
    """Ray Tune's function trainable: trains the runs that the driver hands out, reports each validation of each."""
    import ray
    from ray import tune

    assigned = compose(tune_config)
    # A worker may train runs of different sizes one after the other; Ray says how many CPUs this one has.
    torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))
    epochs = {one.config.key: one.config.training.epochs for one in assigned}

    def report(key: str, epoch: EpochRecord) -> None:
        if epoch.metrics:
            tune.report({**epoch.metrics, "epoch": epoch.epoch, "epochs": epochs[key], "key": key})

    for record in run_together(assigned, report, len(ray.get_gpu_ids())):
        if record.config.measures and record.status == "finished":
            tune.report({**record.metrics, "key": record.key})


def teacher_checkpoint(config: TrialConfig, files: StudyFiles) -> tuple[Path | None, str | None]:
    """The teacher's checkpoint and its key: of the run that trained it, or that validated a given one.

    Raises:
        InputError: there was no such run yet.
    """
    if not config.distills:
        return None, None
    key = config.teacher_run().key
    path = files.checkpoint(key)
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
    spec = detectors.load(config.detector.name)
    return method, method.complete(method.as_released(config.parameters, spec.released), spec.kind)


def _check_gpus(given: float) -> None:
    if given and not torch.cuda.is_available():
        raise InputError(
            f"the run was given a GPU, but torch {torch.__version__} on {platform.node()} sees none: set the node up "
            "with `make gpu`, or train on the CPU: --set budget.gpus_per_trial=0"
        )


def _train(assigned: Sequence[Assignment], kept: Kept) -> None:
    """Train them all; tells `kept` what becomes of each."""
    config, files, *_ = assigned[0]
    root = ready.ensure(config.dataset, files)
    for one in assigned:
        count = measuring.gflops(one.config.detector, config.dataset.name, root, teacher=one.config.method == "teacher")
        kept.facts[one.config.key] = {"gflops": count, "cohort": float(len(assigned))}
    if config.measures:
        _measure(config, files, root, kept)
        return
    taught = next((one for one in assigned if one.config.distills), None)
    teacher, kept.teacher = teacher_checkpoint(taught.config, taught.files) if taught else (None, None)
    folders = {one.files.run(one.config.key): one.config for one in assigned}
    if config.training.devices > 1:
        (folder,) = folders

        def tell(epoch: EpochRecord) -> None:
            kept.epoch(config.key, (epoch,))

        trained = starting.train(config, root, folder, teacher, tell)
        kept.done(config.key, trained)
    else:
        cohort.train(folders, root, teacher, kept)


def _measure(config: TrialConfig, files: StudyFiles, root: Path, kept: Kept) -> None:
    """The validation of a given teacher; its weights lie where a trained teacher's would."""
    start = perf_counter()
    reset_peak_memory()
    teacher, metrics = given_teacher.measure(config, root)
    export_detector(config, teacher, files.run(config.key))
    facts = {"params_m": parameter_count(teacher) / 1e6}
    kept.finished(config.key, metrics, facts, perf_counter() - start, peak_memory_mb())
