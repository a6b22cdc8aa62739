"""The live table: what it shows of a study under way, and that a terminal sees it while a file gets plain lines."""

import os
import pty
import subprocess
import sys
from io import StringIO
from pathlib import Path

import toy_study
from rich.console import Console
from toy_driver import Driver, taught
from toy_study import METRIC

from study.driver.live_table import LiveTable
from study.driver.progress import Progress
from study.nouns.assignment import carry

SCRIPT = Path(toy_study.__file__)
CLAIMS = [{"row": "N 300", "over": ["student"]}]


class Cohort:
    """What the callbacks read of Tune's trial."""

    def __init__(self, runs) -> None:
        self.trial_id = runs[0].config.key
        self.config = carry(runs)


def seen(driver: Driver, *, terminal: bool = True) -> tuple[LiveTable, Progress, StringIO]:
    """The table of a launch, the progress that it reads, and what its terminal gets."""
    screen = StringIO()
    progress = Progress(9, METRIC, lambda line: None)
    return LiveTable(driver.state, progress, Console(file=screen, force_terminal=terminal, width=90)), progress, screen


def shown(table: LiveTable) -> list[str]:
    """Its lines, without what is only layout."""
    console = Console(file=StringIO(), width=90)
    console.print(table.table())
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines() if line.strip()]


def test_rows_seeds_and_epochs_are_shown_as_they_are(tmp_path):
    driver = taught(Driver(tmp_path, seeds=[0, 1]))
    table, progress, _ = seen(driver)
    runs = driver.next(students=2)
    cohort = Cohort(runs)
    progress.on_trial_start(iteration=0, trials=[], trial=cohort)
    result = {"key": runs[0].config.key, "epoch": 1, "epochs": 2, METRIC: 3.0}
    progress.on_trial_result(iteration=0, trials=[], trial=cohort, result=result)
    lines = shown(table)
    assert lines[0] == "row done running planned failed epochs"
    assert "teacher 1 0 0 0" in lines
    mine = next(line for line in lines if line.startswith(runs[0].label))
    assert f"seed {runs[0].config.seed} 50%" in mine
    assert lines[-1].startswith("0 of 9 runs done, about ")
    driver.end(runs[:1], status="failed")
    driver.end(runs[1:])
    progress.on_trial_complete(iteration=0, trials=[], trial=cohort)
    lines = shown(table)
    assert lines[-1].startswith(f"{len(runs)} of 9 runs done")
    assert sum(int(line.split()[-1]) for line in lines[1:-1]) == 1, "one run has failed"


def test_a_study_that_makes_claims_shows_the_verdicts_so_far(tmp_path):
    driver = taught(Driver(tmp_path, seeds=list(range(6)), claims=CLAIMS))
    assert [line for line in shown(seen(driver)[0]) if line.endswith(": undecided")]


def test_a_terminal_gets_the_table_and_anything_else_does_not(tmp_path):
    driver = taught(Driver(tmp_path))
    for terminal in (True, False):
        table, _, screen = seen(driver, terminal=terminal)
        with table.shown():
            table.on_trial_start(iteration=0, trials=[], trial=None)
            while_shown = screen.getvalue()
        assert ("runs done" in while_shown) is terminal


def test_a_study_in_a_terminal_shows_the_table_below_its_lines(tmp_path):
    ours, theirs = pty.openpty()
    size = {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    environment = {**os.environ, **size, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(tmp_path), "local"], stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    screen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        screen += part
    os.close(ours)
    text = screen.decode(errors="replace")
    assert process.wait(timeout=60) == 0, text
    assert "runs finished, 0 failed" in text
    assert "\x1b[1A" in text or "\x1b[2K" in text, "nothing was drawn anew"
    assert "planned" in text
