"""What trackers of experiments are told of runs, read back with their own clients from below the study's folder."""

import json
import os
import signal
import socket
import struct
import sys
from importlib.util import find_spec
from pathlib import Path

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


def written(folder: Path) -> list:
    """What the client of Weights & Biases wrote for its server: LevelDB's log format after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = folder.glob("*.wandb")
    content, place, whole, records = file.read_bytes(), 7, b"", []
    block, head, last_parts = 2**15, 7, {1, 4}
    assert content.startswith(b":W&B")
    while place + head <= len(content):
        if (left := block - place % block) < head:  # no part begins in the last bytes of a block
            place += left
            continue
        length, part = struct.unpack_from("<HB", content, place + 4)
        whole += content[place + head : place + head + length]
        place += head + length
        if part in last_parts:
            records.append(Record.FromString(whole))
            whole = b""
    return records


def values(items) -> dict:
    return {one.key or ".".join(one.nested_key): json.loads(one.value_json) for one in items}


@pytest.fixture
def nobody(monkeypatch):
    """Where the client would look for its server, in the environment of someone who has asked for nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        for variable in ("WANDB_MODE", "WANDB_ERROR_REPORTING"):
            monkeypatch.setenv(variable, "")
        yield listener


def children() -> set[str]:
    mine = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {child for thread in mine for child in thread.read_text().split()}


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


@needs("wandb")
def test_weights_and_biases_is_told_of_the_config_losses_and_metrics_and_sends_nothing(tmp_path, record, nobody):
    files = StudyFiles(tmp_path, "toy")
    (tell,) = trackers(["wandb"], files)
    tell("row seed 0", record)
    (folder,) = (files.root / "tracking" / "wandb").iterdir()
    records = written(folder)
    (run,) = [one.run for one in records if one.HasField("run")]
    assert (run.project, run.run_id, run.display_name, run.run_group) == ("toy", record.key, "row seed 0", "row")
    assert list(run.tags) == ["finished"]
    assert values(run.config.update)["training"]["epochs"] == record.config.training.epochs
    history = [values(one.history.item) for one in records if one.HasField("history")]
    assert [(one["_step"], one["loss/loss"]) for one in history] == [(1, 1), (2, 1 / 2)]
    assert [one[METRIC] for one in history] == [epoch.metrics[METRIC] for epoch in record.epochs]
    assert history[-1][f"final/{METRIC}"] == record.metrics[METRIC]
    assert [one.exit.exit_code for one in records if one.HasField("exit")] == [0]
    with pytest.raises(TimeoutError):
        nobody.accept()


@needs("wandb")
def test_the_client_of_weights_and_biases_leaves_no_process_and_nothing_of_its_own_in_the_driver(
    tmp_path, record, nobody
):
    def ours():
        return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)], sys.exit, sys.excepthook

    before, started = ours(), children()
    (tell,) = trackers(["wandb"], StudyFiles(tmp_path, "toy"))
    for status in ("finished", "failed"):
        tell("row seed 0", record.model_copy(update={"status": status, "key": f"{record.key}-{status}"}))
        assert ours() == before
        assert children() <= started
    (failed,) = tmp_path.glob("toy/tracking/wandb/*-failed")
    assert [one.exit.exit_code for one in written(failed) if one.HasField("exit")] == [1]


@needs("wandb")
def test_the_mode_of_weights_and_biases_stays_the_user_s(tmp_path, record, nobody, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    files = StudyFiles(tmp_path, "toy")
    (tell,) = trackers(["wandb"], files)
    tell("row seed 0", record)
    assert not list((files.root / "tracking" / "wandb").iterdir())


def test_an_unknown_tracker_is_answered_with_the_one_that_is_meant(tmp_path):
    with pytest.raises(InputError, match="Did you mean 'tensorboard'"):
        run(toy(), tmp_path, track=["tensorbord"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [name for name in TRACKERS if find_spec(name) is None])
def test_a_tracker_that_is_not_installed_is_refused_with_its_package(name, tmp_path):
    with pytest.raises(InputError, match=f"--track {name} needs the package {name}"):
        run(toy(), tmp_path, track=[name])
    assert not list(tmp_path.iterdir())
