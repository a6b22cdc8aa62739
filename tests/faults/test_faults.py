"""Studies that faults are injected into lose nothing, repeat nothing, and end with the results of an undisturbed one.

A sample of `fault_table.py`, which injects each fault ten times.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from injections import FAULTS
from small_study import small
from toy_study import OFFERED
from watched import Watched, outcome

from study.nouns.promised import Plan
from study.nouns.records import EpochRecord, RunRecord, StudyFiles
from study.planning.plan import expand

TABLE = Path(__file__).with_name("fault_table.py")
QUICK = ("store unreachable",)
LONG = [(name,) for name in FAULTS if name not in QUICK]


@pytest.mark.parametrize("names", [QUICK, *(pytest.param(names, marks=pytest.mark.long) for names in LONG)], ids=str)
def test_a_study_ends_as_if_nothing_had_happened(names, tmp_path):
    asked = [part for name in names for part in ("--fault", name)]
    command = [sys.executable, str(TABLE), *asked, "--times", "1", "--seed", "1", "--keep", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(name in done.stdout for name in names)


def finish(files: StudyFiles, weights: str = "w", seconds: float = 1.0, loss: float = 0.5) -> str:
    """Write the record of the study's first run, and its weights; returns its key."""
    run = expand(small(), OFFERED.resolve)[0]
    files.write_plan(Plan(runs=(run,)))
    epochs = (EpochRecord(epoch=1, losses={"loss": loss}, seconds=seconds),)
    files.write(RunRecord(key=run.config.key, study="small", config=run.config, status="finished", epochs=epochs))
    files.checkpoint(run.config.key).write_text(weights)
    return run.config.key


def test_a_finished_run_that_is_trained_again_is_seen(tmp_path):
    files = StudyFiles(tmp_path, "small")
    with Watched(tmp_path) as watch:
        key = finish(files)
        assert watch.wait_for(1, seconds=10)
        assert not watch.repeated
        finish(files)
    assert watch.repeated == {key}


def test_results_are_compared_in_all_but_time_and_machine(tmp_path):
    files = StudyFiles(tmp_path, "small")
    finish(files)
    before = outcome(files)
    finish(files, seconds=2.0)
    assert outcome(files) == before
    for other in ({"weights": "v"}, {"loss": 0.6}):
        finish(files, **other)
        assert outcome(files) != before
