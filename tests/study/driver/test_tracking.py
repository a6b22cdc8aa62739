"""What trackers of experiments are told of runs, read back with their own clients from below the study's folder."""

from importlib.util import find_spec

import pytest
from toy_study import METRIC, curve_to, run, toy

from study.driver.tracking import TRACKERS, trackers
from study.nouns.errors import InputError
from study.nouns.records import RunRecord, StudyFiles
from study.planning.plan import expand


def needs(client: str) -> pytest.MarkDecorator:
    missing = find_spec(client) is None
    return pytest.mark.skipif(missing, reason=f"{client} is not installed here (requirements/trackers.lock)")


@pytest.fixture
def record() -> RunRecord:
    """A run of three epochs whose loss falls."""
    config = expand(toy(), lambda config: config)[0].config
    epochs = tuple(
        epoch.model_copy(update={"losses": {"loss": 1 / epoch.epoch}})
        for epoch in curve_to(40.0, config.training.epochs)
    )
    return RunRecord(
        key=config.key, study="toy", label="row", config=config, status="finished", epochs=epochs,
        metrics=epochs[-1].metrics,
    )  # fmt: skip


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    read = EventAccumulator(str(folder))
    read.Reload()
    return {
        name: [(one.step, float(make_ndarray(one.tensor_proto))) for one in read.Tensors(name)]
        for name in read.Tags()["tensors"]
    }


@needs("tensorboard")
def test_tensorboard_shows_losses_metrics_and_the_result_of_every_run_of_a_study(cluster, tmp_path):
    outcome = run(toy(seeds=[0]), tmp_path, cluster, track=["tensorboard"])
    assert outcome.finished == 2
    files = StudyFiles(tmp_path, "toy")
    folders = sorted((files.root / "tracking" / "tensorboard").iterdir())
    assert len(folders) == 3
    assert {folder.name.rpartition(" ")[2] for folder in folders} == {one.key for one in files.all()}
    student = next(one for one in files.all() if one.label == "student")
    shown = scalars(next(folder for folder in folders if folder.name.endswith(student.key)))
    assert [value for _, value in shown[METRIC]] == pytest.approx([e.metrics[METRIC] for e in student.epochs])
    assert shown[f"final/{METRIC}"] == [(2, pytest.approx(student.metrics[METRIC]))]


@needs("tensorboard")
def test_tensorboard_is_told_of_losses(tmp_path, record):
    files = StudyFiles(tmp_path, "toy")
    (tell,) = trackers(["tensorboard"], files)
    tell("row seed 0", record)
    (folder,) = (files.root / "tracking" / "tensorboard").iterdir()
    assert [value for _, value in scalars(folder)["loss/loss"]] == pytest.approx([1, 1 / 2])


@needs("mlflow")
def test_mlflow_is_told_of_parameters_losses_and_metrics(tmp_path, record):
    import mlflow

    files = StudyFiles(tmp_path, "toy")
    (tell,) = trackers(["mlflow"], files)
    tell("row seed 0", record)
    client = mlflow.MlflowClient(f"sqlite:///{files.root / 'tracking' / 'mlflow' / 'mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
    assert (found.info.run_name, found.info.status, found.data.tags["key"]) == ("row seed 0", "FINISHED", record.key)
    assert found.data.params["training.epochs"] == "2"
    assert [one.value for one in client.get_metric_history(found.info.run_id, "loss/loss")] == [1, 1 / 2]


def test_an_unknown_tracker_is_answered_with_the_one_that_is_meant(tmp_path):
    with pytest.raises(InputError, match="Did you mean 'tensorboard'"):
        run(toy(), tmp_path, track=["tensorbord"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [name for name in TRACKERS if find_spec(name) is None])
def test_a_tracker_that_is_not_installed_is_refused_with_its_package(name, tmp_path):
    with pytest.raises(InputError, match=f"--track {name} needs the package {name}"):
        run(toy(), tmp_path, track=[name])
    assert not list(tmp_path.iterdir())
