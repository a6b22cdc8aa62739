"""A report that is written again as records arrive, and ends when nothing is missing."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import made_up_study as made_up
import pytest

from analysis import report, watching
from analysis.results import Results
from study.nouns.records import StudyFiles

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def unfinished(tmp_path: Path) -> tuple[Path, list[Callable[[], None]]]:
    """A study of which only the teacher has ended, and what writes the records of its rows, one by one."""
    asked = made_up.spec(search=None, points=made_up.POINTS[:1])
    teacher, *rows = made_up.records(asked, fail=(), search=0)
    folder = made_up.write(tmp_path / "results", asked, [teacher])
    files = StudyFiles(folder.parent, folder.name)
    return folder, [lambda one=one: files.write(one) for one in rows]


def test_the_page_is_new_after_every_record_and_still_once_all_are_there(unfinished, tmp_path, monkeypatch):
    folder, arriving = unfinished
    said: list[str] = []
    pages: list[tuple[bool, list[str]]] = []
    written: list[int] = []
    whole = report.lay_out

    def counted(results: Results, *given: object) -> Path:
        written.append(len(results.finished))
        return whole(results, *given)

    def wait(seconds: float) -> None:
        text = (tmp_path / "page" / "index.html").read_text()
        pages.append(('http-equiv="refresh" content="7"' in text, re.findall(r"ended: (\d of \d runs)", text)))
        if arriving and len(pages) % 2 == 0:  # every other look sees nothing new
            arriving.pop(0)()

    monkeypatch.setattr(report, "lay_out", counted)
    index = watching.watch([folder], tmp_path / "page", 7, said.append, wait)
    assert written == [1, 2, 3, 3]
    assert pages[0] == (True, ["1 of 3 runs"])
    assert pages[-1] == (True, ["3 of 3 runs"])
    assert [line.partition(": ")[2] for line in said] == ["2 runs to come", "1 run to come", "0 runs to come"]
    assert 'http-equiv="refresh"' not in index.read_text()
    assert [path.name for path in index.parent.glob(".*")] == []


def test_nobody_sees_half_a_page(unfinished, tmp_path, monkeypatch):
    folder, _ = unfinished
    index = report.write([folder], tmp_path / "page")
    before = index.read_text()
    with index.open() as reader:
        report.write([folder], tmp_path / "page")
        assert reader.read() == before


def test_ctrl_c_ends_a_watch_with_its_own_status(unfinished):
    folder, _ = unfinished
    command = [sys.executable, "run_study.py", "report", str(folder), "--watch", "--every", "1"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as watcher:  # fmt: skip
        assert "2 runs to come" in watcher.stdout.readline()
        time.sleep(0.5)
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(60) == 130
        assert watcher.stderr.read().splitlines() == ["error: interrupted; what was finished is kept"]


def test_a_watch_writes_the_whole_page_only(unfinished):
    folder, _ = unfinished
    command = [sys.executable, "run_study.py", "report", str(folder), "--watch", "--only", "runs"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "leave out --only and --json" in ended.stderr
