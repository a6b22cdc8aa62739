"""Claims on real Ray: the seeds that decide them are run and no more, whoever is killed on the way."""

import os
import random
import signal
import time

import pytest
from killed_drivers import driver, until_gone, workers
from toy_study import claiming, run

import study
from study.evidence.verdicts import Word
from study.nouns.records import StudyFiles

EXPECTED = [Word.SUPPORTED, Word.LESS, Word.SUPPORTED, Word.SUPPORTED, Word.UNDECIDED]
"""The last is true by 0.6, which nine seeds of this noise do not show."""
KILLS = 10


@pytest.fixture(scope="module")
def decided(cluster, tmp_path_factory) -> tuple[StudyFiles, list[str]]:
    """The study of claims, run to its end in one go."""
    results, lines = tmp_path_factory.mktemp("claims"), list[str]()
    outcome = run(claiming(), results, cluster, say=lines.append)
    assert (outcome.failed, outcome.stopped) == (0, None)
    return StudyFiles(results, "toy"), lines


def waves(files: StudyFiles) -> list[list[tuple[str, int]]]:
    found: dict[int, list[tuple[str, int]]] = {}
    for run_ in files.read_plan().runs:
        if run_.wave is not None:
            found.setdefault(run_.wave, []).append((run_.label, run_.config.seed))
    return [sorted(found[number]) for number in sorted(found)]


def test_a_study_runs_the_seeds_that_decide_its_claims_and_says_so(decided):
    files, lines = decided
    assert [answer.verdict for answer in study.verdicts(files.root).claims] == EXPECTED
    told = [line for line in lines if "shown:" in line]
    assert len(told) == len(EXPECTED) - 1
    assert 6 <= len([record for record in files.all() if record.role == "row"]) <= 27


def test_nothing_is_missing_of_a_study_that_is_decided(decided, cluster):
    files, _ = decided
    lines: list[str] = []
    run(claiming(), files.results, cluster, resume=True, say=lines.append)
    assert lines == ["nothing is missing"]


@pytest.mark.long
def test_kills_at_any_moment_change_neither_waves_nor_verdicts(decided, tmp_path):
    expected, files, rng = decided[0], StudyFiles(tmp_path, "toy"), random.Random(KILLS)
    landed, lost, options = 0, 0, ["--claims"]
    for number in range(KILLS):
        with driver(tmp_path, *options) as killed:
            wait_until_running(killed, files, rng.uniform(0, 0.8))
            training = workers(str(tmp_path))
            if number % 2 == 0 and training:  # a worker; the driver goes on, until it is killed too
                os.kill(rng.choice(training), signal.SIGKILL)
                lost += 1
                time.sleep(rng.uniform(0.3, 0.8))
            landed += killed.poll() is None
            killed.kill()
        if files.read_study():
            options = ["--claims", "--resume"]
    print(f"{landed} of {KILLS} kills met a living driver, {lost} a worker")
    assert landed > KILLS / 2, "most drivers had ended before they were killed"
    assert lost > 0, "no worker was killed"
    with driver(tmp_path, *options) as last:
        lines, _ = last.communicate(timeout=180)
    assert "0 failed" in lines or "nothing is missing" in lines
    assert waves(files) == waves(expected)
    assert study.verdicts(files.root) == study.verdicts(expected.root)
    epochs = [(files.run(run_.config.key) / "epochs.log").read_text() for run_ in files.read_plan().runs]
    assert all(sorted(set(log.split())) == sorted(log.split()) for log in epochs), "an epoch was trained twice"
    assert until_gone(str(tmp_path)), "a Ray of a killed driver is still there"


def wait_until_running(process, files: StudyFiles, then: float) -> None:
    """Until the study has begun in this launch, and a while longer."""
    give_up, known = time.monotonic() + 60, count(files)
    while time.monotonic() < give_up and process.poll() is None and count(files) == known:
        time.sleep(0.05)
    time.sleep(then)


def count(files: StudyFiles) -> int:
    return len(list(files.runs.glob("*/record.json"))) + len(list(files.runs.glob("*/checkpoint")))
