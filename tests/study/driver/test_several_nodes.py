"""Studies over several nodes, each with a GPU that Ray believes in: nodes and drivers die, every run is made once."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from several_nodes import Nodes, processes_of, several_nodes
from test_launch import epochs_trained, wait_for_records
from test_nodes import launched, read_until
from toy_study import toy

from study.nouns.records import RunRecord, StudyFiles

PATIENCE_S = 180


@pytest.fixture(scope="module")
def three_nodes() -> Iterator[Nodes]:
    """A head that trains nothing, and three nodes of one CPU and one GPU; tests that kill one come last."""
    with several_nodes(3, gpus=1) as nodes:
        yield nodes


def records(results: Path) -> list[RunRecord]:
    """All of the study's, each finished and trained once, epoch by epoch."""
    files = StudyFiles(results, "toy")
    found = list(files.all())
    for record in found:
        assert record.status == "finished"
        assert epochs_trained(files, record.key) == list(range(record.config.training.epochs))
    return found


def alone(seconds: float, epochs: int, **changes: Any) -> dict[str, Any]:
    """A base of runs without a teacher."""
    parameters = {"pause": seconds / epochs}
    return {"base": {"method": "student", "training": {"epochs": epochs}, "parameters": parameters}, **changes}


def test_a_study_uses_the_gpus_of_all_nodes_at_once(three_nodes, tmp_path):
    go = tmp_path / "go on"
    base = {"method": "student", "training": {"epochs": 3}, "parameters": {"until": str(go)}}
    spec = toy(base=base, points=[{"label": "row"}], seeds=list(range(6)), budget={"cohort": 1})
    with launched(spec, tmp_path, three_nodes.address) as driver:
        said = read_until(driver, "; 3 running")
        go.touch()
        said += driver.communicate(timeout=PATIENCE_S)[0]
    assert "GPUs are there: each run takes 1" in said
    assert "6 runs finished, 0 failed" in said
    found = records(tmp_path)
    assert {record.facts["node"] for record in found} == set(three_nodes.raylets)
    assert {record.facts["sees_gpus"] for record in found} == {1.0}


@pytest.mark.long
def test_a_driver_that_is_killed_leaves_the_cluster_to_the_next_one(three_nodes, tmp_path):
    spec = toy(**alone(4, 8, points=[{"label": "row"}], seeds=list(range(5)), budget={"cohort": 1}))
    with launched(spec, tmp_path, three_nodes.address) as killed:
        wait_for_records(StudyFiles(tmp_path, "toy"), 2)
        killed.kill()
    kept = {record.key: record for record in StudyFiles(tmp_path, "toy").all()}
    with launched(spec, tmp_path, three_nodes.address, "--resume") as again:
        said = again.communicate(timeout=PATIENCE_S)[0]
    assert re.search(r"to run: [1-3] rows?\n", said)
    found = {record.key: record for record in records(tmp_path)}
    assert len(found) == 5
    assert {key: found[key] for key in kept} == kept


def test_a_cohort_whose_node_dies_goes_on_where_it_was_on_another_node(three_nodes, tmp_path):
    points = [{"label": label, "set": {"parameters.samples": 100 + place}} for place, label in enumerate("abc")]
    spec = toy(**alone(4, 8, points=points, seeds=[0], budget={"cohort": 3, "concurrent": 1}))
    files = StudyFiles(tmp_path, "toy")
    with launched(spec, tmp_path, three_nodes.address) as driver:
        said = read_until(driver, "b seed 0: epoch 3/8")
        (first,) = files.all()
        for process in processes_of(int(first.facts["node"])):
            os.kill(process, signal.SIGKILL)
        said += driver.communicate(timeout=PATIENCE_S)[0]
    assert "a seed 0, b seed 0, c seed 0: start together" in said
    assert "the process died; it is started again" in said
    a, b, c = records(tmp_path)
    assert a == first, "a finished run was trained again"
    assert a.facts["node"] != b.facts["node"] == c.facts["node"]


@pytest.mark.long
def test_hundreds_of_short_runs_on_the_nodes_that_are_left_are_each_made_once(three_nodes, tmp_path):
    spec = toy(**alone(0.05, 1, points=[{"label": "row"}], seeds=list(range(300)), budget={"cohort": 1}))
    with launched(spec, tmp_path, three_nodes.address) as driver:
        said = driver.communicate(timeout=PATIENCE_S * 3)[0]
    assert "300 runs finished, 0 failed" in said
    assert len(records(tmp_path)) == 300
