"""`doctor` on this machine and on the nodes of a real cluster."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from test_nodes import TOKEN, apart, head, node_with_its_own

from study.driver.cluster import PROJECT
from study.driver.examining import CLOCK_S, _findings
from study.driver.node_checks import Seen

CHECKS = {"python", "packages", "devices", "operators", "results", "disk", "memory"}


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(PROJECT / "run_study.py"), "doctor", *arguments]
    environment = {**os.environ, **TOKEN}
    return subprocess.run(line, check=False, capture_output=True, text=True, timeout=240, env=environment)


def test_this_machine_is_examined_without_ray_and_nothing_is_left(tmp_path):
    said = doctor("--results", str(tmp_path / "results"), "--data", str(tmp_path))
    lines = said.stdout.splitlines()
    assert {line.split(": ")[1] for line in lines[:-1]} == CHECKS | {"data"}, said
    assert [line for line in lines if line.startswith("WRONG  this machine: data: expected the root of a data set")]
    assert said.returncode == 1
    assert list(tmp_path.iterdir()) == []


@apart
def test_every_node_is_examined_and_one_that_does_not_see_the_results_is_named(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    with head(cpus=1) as address, node_with_its_own(results, address):
        said = doctor("--address", address, "--results", str(results), "--json")
    document = json.loads(said.stdout)
    by_node: dict[str, dict[str, bool]] = {}
    for one in document["findings"]:
        by_node.setdefault(one["node"], {})[one["check"]] = one["ok"]
    assert (said.returncode, document["ok"], len(by_node)) == (1, False, 3)
    _, *nodes = by_node.values()
    assert sorted(node["results"] for node in nodes) == [False, True]
    assert all(node["operators"] and node["clock"] and node["packages"] for node in nodes), document
    assert list(results.iterdir()) == []


def test_a_clock_that_is_off_is_named():
    now = time.time()
    for off, ok in ((0.0, True), (3600.0, False), (-3600.0, False)):
        (clock,) = _findings("node 1", Seen([], None, now + off), Path("token"), now - 1)
        assert (clock.check, clock.ok) == ("clock", ok)
        assert ok or int(clock.said.split()[0]) > CLOCK_S
