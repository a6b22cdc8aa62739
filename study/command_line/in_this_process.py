"""One run in this process, and the lines that say how it goes: what `trial` does for a run and for its teacher."""

from typing import Any

from study.command_line import printing
from study.nouns import leaving
from study.nouns.assignment import Assignment
from study.nouns.errors import RunFailedError
from study.nouns.promised import PlannedRun
from study.nouns.records import RunRecord, StudyFiles
from study.planning.missing import assign
from study.planning.trained_once import train_once


def train(planned: PlannedRun, files: StudyFiles, one_run: Any) -> RunRecord:
    """Train a run, or take the record that it has.

    Args:
        planned: the run, and what its study calls it.
        files: of that study.
        one_run: offers `run` and `metrics_of`, as trainables/run.py has them.

    Raises:
        RunFailedError: it failed.
    """
    config, label = planned.config, planned.label
    headlines = [metric.name for metric in one_run.metrics_of(config) if metric.headline]

    def train(open_: list[Assignment]) -> None:
        work = "validation of its checkpoint" if config.measures else f"{config.training.epochs} epochs"
        print(f"{label} {config.key}: {work}, log in {files.run(config.key) / 'train.log'}")
        one_run.run(config, files, label, lambda epoch: print(printing.epoch(epoch, headlines)), planned.role)

    files.retry(config.key)
    leaving.listen()
    train_once([assign(planned, files)], train, lambda one: print(f"{label} {config.key}: another process trains it"))
    if (record := files.finished(config.key)) is None:
        raise RunFailedError(f"{config.key}: the process that trained it has failed; see {files.run(config.key)}")
    metrics = ", ".join(f"{name} {record.metrics[name]:.2f}" for name in headlines)
    print(f"{label} {config.key}: {metrics}\n  record {files.record_json(config.key)}")
    return record
