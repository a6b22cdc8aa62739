"""From a DatasetSpec to a prepared folder: simulated where it is needed, checked where it lies on a disk."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from study.nouns.config import DatasetSpec
from study.nouns.records import StudyFiles
from trainables.datasets import kitti, simulated
from trainables.datasets.whole_files import alone_in

Progress = Callable[[str, int, int], None]


def folder_of(dataset: DatasetSpec, files: StudyFiles) -> Path:
    """Where the data set lies. A simulated set without a root lies below the results folder, named by its content."""
    if dataset.root is not None:
        return dataset.root.absolute()
    content = hashlib.sha256(dataset.simulation.model_dump_json().encode()).hexdigest()[:12]
    return files.data / f"simulated-{content}"


def ensure(dataset: DatasetSpec, files: StudyFiles, progress: Progress | None = None) -> Path:
    """The data set, ready for training: simulated and prepared on this machine if it is not there yet.

    Args:
        progress: called with what is being made, items done, items in all.

    Raises:
        InputError: the root on disk is missing, empty, not prepared, or holds another simulation.
    """
    root = folder_of(dataset, files)
    if dataset.name == "kitti":
        kitti.check(root)
        return root
    say = progress or (lambda what, done, total: None)
    root.mkdir(parents=True, exist_ok=True)
    with alone_in(root.parent):  # runs that start together wait for the first of them
        simulated.write(dataset.simulation, root, lambda done, total: say("simulate", done, total))
        kitti.prepare(root, progress=say)
    return root


def with_digest(dataset: DatasetSpec) -> DatasetSpec:
    """The spec with the content of its root filled in, so that other labels make other keys."""
    if dataset.name == "simulated" or dataset.digest:
        return dataset
    assert dataset.root is not None
    kitti.check(dataset.root)
    return dataset.model_copy(update={"digest": kitti.digest(dataset.root)})
