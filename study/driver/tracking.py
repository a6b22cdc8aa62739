"""Telling trackers of experiments about the runs that end: what each was, its losses and metrics by epoch, its result.

They write below the study's folder, `tracking/<tracker>/`, and send nothing anywhere unless their own variables ask for
it (`MLFLOW_TRACKING_URI`, `WANDB_MODE`). The records stay the truth; what is told of them may be deleted.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from study.driver.progress import Names, name_of, nameless, never_raises
from study.nouns.assignment import compose
from study.nouns.errors import InputError, unknown_name
from study.nouns.records import RunRecord, StudyFiles

Told = Callable[[str, RunRecord], None]
"""Is told of a run that is over, under the name by which lines of progress call it."""


def _tensorboard(folder: Path, study: str) -> Told:
    from tensorboard.summary import Writer

    def tell(name: str, record: RunRecord) -> None:
        writer = Writer(str(folder / f"{name} {record.key}".replace("/", "_")))
        for epoch, values in _by_epoch(record):
            for what, value in values.items():
                writer.add_scalar(what, value, epoch)
        writer.close()

    return tell


def _mlflow(folder: Path, study: str) -> Told:
    import mlflow

    client = mlflow.MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}")

    def tell(name: str, record: RunRecord) -> None:
        there = client.get_experiment_by_name(study)
        experiment = there.experiment_id if there else client.create_experiment(study, folder.as_uri())
        tags = {"key": record.key, "status": record.status}
        run = client.create_run(experiment, run_name=name, tags=tags).info.run_id
        for what, written in _flat(record).items():
            client.log_param(run, what, written)
        for epoch, values in _by_epoch(record):
            for what, value in values.items():
                client.log_metric(run, what, value, step=epoch)
        client.set_terminated(run, "FAILED" if record.status == "failed" else "FINISHED")

    return tell


def _wandb(folder: Path, study: str) -> Told:
    for variable, quiet in {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"}.items():
        os.environ[variable] = os.environ.get(variable) or quiet
    import wandb

    settings = wandb.Settings(
        console="off", silent=True, symlink=False, use_dot_wandb=False,
        # All this would be of the driver, not of where the run was.
        disable_code=True, disable_git=True, label_disable=True, x_disable_machine_info=True, x_disable_meta=True,
        x_disable_stats=True, x_save_requirements=False,
    )  # fmt: skip

    def tell(name: str, record: RunRecord) -> None:
        hooked = sys.exit, sys.excepthook
        try:
            run = wandb.init(
                dir=folder.parent, project=study, id=record.key, name=name, group=record.label or None,
                job_type=record.role, tags=[record.status], config=record.config.model_dump(mode="json"),
                settings=settings,
            )  # fmt: skip
            for epoch, values in _by_epoch(record):
                run.log(values, step=epoch)
            run.finish(exit_code=int(record.status == "failed"))
        finally:
            wandb.teardown()  # ends its service, a process that would otherwise stay as long as this one
            sys.exit, sys.excepthook = hooked  # each service hooks in once more, and none unhooks

    return tell


TRACKERS = {"tensorboard": _tensorboard, "mlflow": _mlflow, "wandb": _wandb}
PACKAGES = {"mlflow": "mlflow-skinny"}
"""What brings a client, where that is not called as the client is."""


def check_trackers(names: Sequence[str]) -> None:
    """Make sure that these trackers are there, before anything starts.

    Raises:
        InputError: one is not known, or is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise unknown_name("tracker", name, list(TRACKERS))
        if find_spec(name) is None:
            package = PACKAGES.get(name, name)
            raise InputError(
                f"--track {name} needs the package {package}, which is not installed here: "
                "pip install --no-deps -r requirements/trackers.lock"
            )


def trackers(names: Sequence[str], files: StudyFiles) -> list[Told]:
    """The trackers of these names, ready to be told of the runs of a study."""
    return [TRACKERS[name](_made(files.root / "tracking" / name), files.study) for name in dict.fromkeys(names)]


class Tracking(Callback):
    """Tells trackers of every run of a cohort that is over."""

    def __init__(self, told: Sequence[Told], say: Callable[[str], None], called: Names = nameless) -> None:
        self.told, self.say, self.called = told, say, called

    def __getstate__(self) -> dict[str, Any]:
        """Tune stores its callbacks; clients stay with this process."""
        return {}

    @never_raises
    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """A cohort is over."""
        for one in compose(trial.config) if self.told else ():
            if (record := one.files.ended(one.config.key)) is not None:
                for tell in self.told:
                    tell(name_of(one, self.called), record)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Tune gives a cohort up."""
        self.on_trial_complete(iteration, trials, trial)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _by_epoch(record: RunRecord) -> list[tuple[int, dict[str, float]]]:
    """Losses and metrics of each epoch, and the result with the last."""
    found = [
        (epoch.epoch, {**{f"loss/{name}": value for name, value in epoch.losses.items()}, **epoch.metrics})
        for epoch in record.epochs
    ]
    result = {f"final/{name}": value for name, value in record.metrics.items()}
    if not result:
        return found
    *before, (last, values) = found or [(0, {})]
    return [*before, (last, {**values, **result})]


def _flat(record: RunRecord) -> dict[str, str]:
    """What the run was, by dotted key."""

    def keys(content: Any, above: str = "") -> dict[str, str]:
        if not isinstance(content, dict):
            return {above: content if isinstance(content, str) else json.dumps(content)}
        parts = [keys(value, f"{above}.{name}" if above else name) for name, value in content.items()]
        return {key: value for part in parts for key, value in part.items()}

    return keys(record.config.model_dump(mode="json"))
