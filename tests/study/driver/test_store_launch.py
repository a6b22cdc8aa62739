"""Studies whose results lie in an object store: two nodes, each with a disk of its own, share no folder."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import Switched, new_bucket
from several_nodes import Nodes, processes_of, several_nodes
from test_nodes import launched, read_until
from toy_study import toy

from analysis.study_folders import load
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.study_in_store import SCRATCH, scratch_of
from study.planning.mirror import as_it_is_now
from study.planning.standing import standing

PATIENCE_S = 120
OF_THE_MACHINE = {"facts", "lease", "seconds", "host", "started"}


@pytest.fixture(scope="module")
def disks(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("disks")


@pytest.fixture(scope="module")
def two_nodes(server, disks) -> Iterator[Nodes]:
    """A head that trains nothing, and two nodes of one CPU that know the store by their own environment."""
    with several_nodes(2, environment={**server, SCRATCH: str(disks)}) as nodes:
        yield nodes


@pytest.fixture(autouse=True)
def driver_apart(disks, monkeypatch) -> None:
    """The driver's machine, too, has a disk of its own."""
    monkeypatch.setenv(SCRATCH, str(disks / "driver"))


def trained(url: str, key: str, study: str = "toy") -> list[int]:
    """Epochs of a run as the store has them."""
    files = as_it_is_now(f"{url}/{study}", reports=True)
    return [int(line) for line in (files.run(key) / "epochs.log").read_text().split()]


def logged(disk: Path, url: str, key: str) -> list[int]:
    """Epochs of a run as a disk has them: a node that dies may have put its newest checkpoint and not yet its log."""
    return [int(line) for line in (disk / scratch_of(url).name / "work/runs" / key / "epochs.log").read_text().split()]


def result(record: RunRecord) -> dict[str, object]:
    """What a record says that is the same on any machine."""
    return record.model_dump(exclude=OF_THE_MACHINE)


@pytest.mark.long
def test_a_study_on_two_nodes_leaves_the_records_that_it_leaves_in_a_folder(two_nodes, url, disks, tmp_path):
    points = [{"label": "student", "set": {"method": "student"}}, {"label": "LD + RL"},
              {"label": "bad", "set": {"parameters.fail": True}}]  # fmt: skip
    base = {"method": "pointdistiller", "training": {"epochs": 2}, "parameters": {"pause": 0.5}}
    base["teacher"] = {"training": {"epochs": 2}}
    spec = toy(base=base, points=points, search={"trials": 2}, budget={"teacher_cpus": 1, "cohort": 1})
    with launched(spec, url, two_nodes.address) as driver:
        said = driver.communicate(timeout=PATIENCE_S)[0]
    assert "7 runs finished, 2 failed" in said, said
    found = as_it_is_now(f"{url}/toy", reports=True)
    with launched(spec, tmp_path, two_nodes.address) as driver:
        assert "7 runs finished, 2 failed" in driver.communicate(timeout=PATIENCE_S)[0]
    assert [result(record) for record in found.all()] == [result(one) for one in StudyFiles(tmp_path, "toy").all()]
    assert set(load([found.root]).runs["status"]) == {"finished", "failed"}
    assert {record.facts["node"] for record in found.all()} == set(map(float, two_nodes.raylets))
    assert all((disks / f"node {place}").is_dir() for place in (0, 1))
    assert not list((disks / "driver").rglob("detector.pth"))
    now = standing(as_it_is_now(f"{url}/toy"))
    assert (now.driver.alive, now.count("finished"), now.count("open")) == (False, 7, 0), "with the teacher"


def test_a_run_whose_node_dies_goes_on_from_the_store_on_the_other_node(two_nodes, url, disks):
    base = {"method": "student", "training": {"epochs": 8}, "parameters": {"pause": 1.0}}
    spec = toy(base=base, points=[{"label": "row"}], seeds=[0], budget={"cohort": 1})
    with launched(spec, url, two_nodes.address) as driver:
        said = read_until(driver, "row seed 0: epoch 6/8")
        (first,) = [place for place in (0, 1) if (disks / f"node {place}" / scratch_of(url).name).exists()]
        for process in processes_of(two_nodes.raylets[first]):
            os.kill(process, signal.SIGKILL)
        said += driver.communicate(timeout=PATIENCE_S)[0]
    assert "the process died; it is started again" in said
    assert "1 runs finished, 0 failed" in said
    (record,) = as_it_is_now(f"{url}/toy").all()
    assert record.facts["node"] == two_nodes.raylets[1 - first]
    lost, last = (logged(disks / f"node {place}", url, record.key) for place in (first, 1 - first))
    assert last.count(0) == 1, "it did not begin again"
    assert set(lost + last) == set(range(8))


@pytest.mark.long
def test_drivers_on_two_machines_train_what_their_studies_share_once(url, tmp_path, monkeypatch):
    go = tmp_path / "go on"
    base = {"method": "student", "training": {"epochs": 3}, "parameters": {"until": str(go)}}
    first, second = (toy(name=name, base=base, points=[{"label": "row"}], seeds=[0]) for name in ("first", "second"))
    monkeypatch.setenv(SCRATCH, str(tmp_path / "one machine"))
    with launched(first, url, "local") as one:
        read_until(one, "row seed 0: epoch 1/3")
        monkeypatch.setenv(SCRATCH, str(tmp_path / "another"))
        with launched(second, url, "local") as two:
            said = read_until(two, "row seed 0: another process trains it; waiting for its result")
            go.touch()
            said += two.communicate(timeout=PATIENCE_S)[0]
        one.communicate(timeout=PATIENCE_S)
    assert "1 runs finished, 0 failed" in said
    (shared,) = {record.key for name in ("first", "second") for record in as_it_is_now(f"{url}/{name}").all()}
    assert trained(url, shared, "second") == [0, 1, 2]


@pytest.mark.long
def test_a_study_whose_driver_is_killed_goes_on_on_a_machine_that_has_nothing(url, tmp_path, monkeypatch):
    base = {"method": "student", "training": {"epochs": 4}, "parameters": {"pause": 1.0}}
    spec = toy(base=base, points=[{"label": "row"}], seeds=[0, 1, 2], budget={"cohort": 1, "concurrent": 1})
    monkeypatch.setenv(SCRATCH, str(tmp_path / "one machine"))
    with launched(spec, url, "local") as killed:
        read_until(killed, "row seed 0: epoch 4/4")
        read_until(killed, "row seed 1: epoch 3/4")
        killed.kill()
    monkeypatch.setenv(SCRATCH, str(tmp_path / "another"))
    with launched(spec, url, "local", "--resume") as again:
        said = again.communicate(timeout=PATIENCE_S)[0]
    assert "to run: 2 rows" in said
    assert "2 runs finished, 0 failed" in said
    records = list(as_it_is_now(f"{url}/toy").all())
    assert [record.status for record in records] == ["finished"] * 3
    assert all(trained(url, record.key).count(0) == 1 for record in records), "none began again"


@pytest.mark.long
def test_a_study_is_asked_to_stop_from_another_machine(url, tmp_path, monkeypatch):
    base = {"method": "student", "training": {"epochs": 60}, "parameters": {"pause": 1.0}}
    spec = toy(base=base, points=[{"label": "row"}], seeds=[0])
    with launched(spec, url, "local") as driver:
        read_until(driver, "row seed 0: epoch 2/60")
        monkeypatch.setenv(SCRATCH, str(tmp_path / "another"))
        now = as_it_is_now(f"{url}/toy")
        assert standing(now).driver.alive
        now.ask_to_stop()
        said = driver.communicate(timeout=PATIENCE_S)[0]
    assert "`run_study.py stop` asked for it" in said
    monkeypatch.setenv(SCRATCH, str(tmp_path / "a third"))
    assert as_it_is_now(f"{url}/toy").has(now.read_plan().runs[0].config.key, "latest.pth")


@pytest.mark.long
def test_a_store_that_is_away_for_a_minute_costs_a_study_no_run_and_no_epoch(tmp_path, monkeypatch):
    server = Switched()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    url = new_bucket(server.environment)
    base = {"method": "student", "training": {"epochs": 10}, "parameters": {"pause": 1.0}}
    spec = toy(base=base, points=[{"label": "row"}], seeds=[0, 1], budget={"cohort": 1, "concurrent": 1})
    with launched(spec, url, "local") as driver:
        said = read_until(driver, "row seed 0: epoch 5/10")
        server.off()
        time.sleep(60)
        server.on()
        said += driver.communicate(timeout=PATIENCE_S)[0]
    assert "2 runs finished, 0 failed" in said, said
    assert "the process died" not in said
    for record in as_it_is_now(f"{url}/toy").all():
        assert trained(url, record.key) == list(range(10))
    server.off()


@pytest.mark.long
def test_a_node_that_does_not_know_the_store_is_named_before_anything_starts(url, disks):
    elsewhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", SCRATCH: str(disks)}
    with several_nodes(1, environment=elsewhere) as nodes, launched(toy(), url, nodes.address) as driver:
        said = driver.communicate(timeout=PATIENCE_S)[0]
    assert re.search(r"InputError: the node 127.0.0.2 cannot use s3://.*: its own environment must name", said), said
