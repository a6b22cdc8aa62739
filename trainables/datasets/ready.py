"""From a DatasetSpec to a prepared folder: made where it is needed, checked where it lies on a disk."""

import hashlib
from pathlib import Path
from typing import Any

from study.nouns.config import DatasetSpec
from study.nouns.errors import InputError
from study.nouns.frozen import without_additions
from study.nouns.overrides import validated
from study.nouns.records import StudyFiles
from trainables import datasets
from trainables.datasets import Progress
from trainables.datasets.whole_files import alone_in


def given(data: Path | None, instead_of: str | None = None) -> dict[str, Any]:
    """The overrides that put a root, or simulated scans, in the place of a run's own data set.

    Args:
        data: the root.
        instead_of: the data set that simulated scans stand for; they are in its files.

    Raises:
        InputError: there is no data set at the root, or both were given.
    """
    if data is None:
        return {} if instead_of is None else {"dataset.name": _made_like(instead_of), "dataset.options": {}}
    if instead_of is not None:
        raise InputError(f"--simulated and --data {data}: a study has one data set; leave one of them out")
    return {
        "dataset.name": datasets.recognized(data), "dataset.root": str(data.absolute()), "dataset.options": {}
    }  # fmt: skip


def _made_like(name: str) -> str:
    serves = datasets.load(name).serves
    return next(each for each in datasets.names() if datasets.load(each).made and datasets.load(each).serves == serves)


def checked(dataset: DatasetSpec) -> DatasetSpec:
    """The spec with every option of its data set and the content of its root, so that other labels make other keys.

    Raises:
        InputError: an unknown data set or option, a value out of range, a root that is missing or cannot be used.
    """
    data_set = datasets.load(dataset.name)
    options = without_additions(data_set.Options, _options(dataset).model_dump(mode="json"))
    if data_set.made:
        return dataset.model_copy(update={"options": options})
    root = _root(dataset)
    if dataset.digest:
        return dataset.model_copy(update={"options": options})
    data_set.check(root)
    return dataset.model_copy(update={"options": options, "digest": data_set.digest(root)})


def folder_of(dataset: DatasetSpec, files: StudyFiles) -> Path:
    """Where the data set lies. One that is made lies below the results folder, named by its content, unless it has a
    root."""
    if dataset.root is not None:
        return dataset.root.absolute()
    if not datasets.load(dataset.name).made:
        return _root(dataset)
    content = hashlib.sha256(_options(dataset).model_dump_json().encode()).hexdigest()[:12]
    return files.data / f"{dataset.name}-{content}"


def ensure(dataset: DatasetSpec, files: StudyFiles, progress: Progress | None = None) -> Path:
    """The data set, ready for training: made and prepared on this machine where it can be and is not there yet.

    Args:
        progress: called with what is being made, items done, items in all.

    Raises:
        InputError: the root on disk is missing, empty, not prepared, or holds another data set.
    """
    data_set, root = datasets.load(dataset.name), folder_of(dataset, files)
    if not data_set.made:
        data_set.check(root)
        if dataset.digest and data_set.digest(root) != dataset.digest:
            raise InputError(
                f"the run was planned with the content {dataset.digest} of {root}, which now holds "
                f"{data_set.digest(root)}: its labels or split lists have changed since; start the study anew"
            )
        return root
    root.mkdir(parents=True, exist_ok=True)
    with alone_in(root.parent):  # runs that start together wait for the first of them
        data_set.prepare(root, _options(dataset), progress=progress)
    return root


def _options(dataset: DatasetSpec) -> Any:
    return validated(datasets.load(dataset.name).Options, dataset.options, prefix="dataset.options")


def _root(dataset: DatasetSpec) -> Path:
    if dataset.root is None:
        raise InputError(f"dataset.name={dataset.name} needs dataset.root (or --data DIR), the folder that holds it")
    return dataset.root.absolute()
