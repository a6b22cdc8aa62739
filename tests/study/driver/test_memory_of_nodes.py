"""Memory is a resource of real nodes: what does not fit waits, and what fits on none is refused in one line."""

import re

import pytest
from test_nodes import RAY, launched, started
from toy_study import toy

from study.nouns.records import StudyFiles


@pytest.fixture(scope="module")
def small_node():
    """The address of a node of two CPUs and 3 GiB."""
    command = [RAY, "start", "--head", "--port=0", "--num-cpus=2", "--num-gpus=0", f"--memory={3 * 2**30}", "--block"]
    quiet = ["--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=100000000"]
    with started([*command, *quiet], r"--address='([\d.]+:\d+)'") as line:
        yield line[1]


def said_of(small_node, results, **budget) -> str:
    base = {"method": "student", "training": {"epochs": 3}, "parameters": {"pause": 0.3}}
    spec = toy(base=base, points=[{"label": "row"}], seeds=[0, 1, 2], budget={"cohort": 1, **budget})
    with launched(spec, results, small_node) as driver:
        said, _ = driver.communicate(timeout=100)
    return said


def test_two_cohorts_that_do_not_fit_a_node_together_run_one_after_the_other(small_node, tmp_path):
    said = said_of(small_node, tmp_path, memory_gb=2)
    assert "3 runs finished, 0 failed" in said
    assert set(re.findall(r"(\d) running", said)) == {"1"}


def test_a_run_that_fits_on_no_node_is_refused_in_one_line(small_node, tmp_path):
    said = said_of(small_node, tmp_path, memory_gb=4)
    assert "budget.memory_gb=4 fits on no node of this Ray: the largest has 3 GiB of memory" in said
    assert not list(StudyFiles(tmp_path, "toy").results.iterdir())
