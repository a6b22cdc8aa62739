"""A run that is behind its bar ends there; what it has learned so far is kept, and its neighbors do not notice."""

import pytest
import tiny_run

from study.nouns.assignment import Assignment, Bar
from study.nouns.config import TrialConfig
from study.nouns.records import RunRecord, StudyFiles
from trainables import run as one_run

METRIC = "mAP/3d/moderate"
OUT_OF_REACH = Bar(epoch=1, metric=METRIC, value=101.0, sign=1)
WITHIN_REACH = Bar(epoch=1, metric=METRIC, value=0.0, sign=1)


def student(rate: float) -> TrialConfig:
    return tiny_run.config(training__epochs=2, training__validate_every=1, training__learning_rate=rate)


def losses(record: RunRecord) -> list[dict[str, float]]:
    return [epoch.losses for epoch in record.epochs]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> StudyFiles:
    return StudyFiles(tmp_path_factory.mktemp("results"), "pruned")


def test_a_run_that_is_behind_ends_there_and_goes_on_later_as_if_it_never_had(files):
    behind, ahead = student(0.001), student(0.002)
    assigned = [
        Assignment(behind, files, "behind", "search", bars=(OUT_OF_REACH,)),
        Assignment(ahead, files, "ahead", "search", bars=(WITHIN_REACH,)),
    ]
    pruned, whole = one_run.run_together(assigned)
    assert (pruned.status, len(pruned.epochs), pruned.role) == ("pruned", 1, "search")
    assert pruned.metrics == pruned.epochs[0].metrics
    assert (whole.status, len(whole.epochs)) == ("finished", 2)
    assert files.status(behind.key) == "pruned"
    assert files.finished(behind.key) is None

    files.go_on(behind.key)
    assert files.status(behind.key) is None
    (later,) = one_run.run_together([Assignment(behind, files, "behind", "row")])
    alone = one_run.run(behind, tiny_run.elsewhere(files, "alone"))
    assert later.status == "finished"
    assert losses(later) == losses(alone)
    assert later.metrics == alone.metrics
    assert losses(later)[0] == losses(pruned)[0]
