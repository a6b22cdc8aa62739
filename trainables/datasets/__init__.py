"""What a data set is: how it gets ready, how it is laid into mmdet3d's config, and by what numbers it is evaluated.

A data set is one folder in trainables/datasets/ whose `__init__.py` defines `DATA_SET`. Which detectors learn from it
follows from mmdet3d's own configs: those whose dataset is of the type that the data set serves.
"""

import importlib
import math
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from study.nouns.config import DatasetSpec
from study.nouns.errors import InputError, unknown_name
from study.nouns.frozen import Frozen, allowed
from study.nouns.metrics import Metric

Progress = Callable[[str, int, int], None]
"""Called with what is being made, items done, items in all."""


class NoOptions(Frozen):
    """The options of a data set that takes none."""


@dataclass(frozen=True)
class Evaluator:
    """What a data set is evaluated by.

    Attributes:
        metrics: every number that a validation gives.
        read: mmengine's raw result of a validation to the values of exactly these metrics, by name.
    """

    metrics: tuple[Metric, ...]
    read: Callable[[Mapping[str, float]], dict[str, float]]


def values_of(metrics: Sequence[Metric], raw: Mapping[str, float]) -> dict[str, float]:
    """The values of metrics by name, out of what mmengine gives, under whatever prefix.

    Raises:
        KeyError: one is missing there, or is there twice.
    """
    return {metric.name: _value(raw, metric.name) for metric in metrics}


def _value(raw: Mapping[str, float], name: str) -> float:
    matches = [value for key, value in raw.items() if f"/{key}".endswith(f"/{name}")]
    if len(matches) != 1:
        raise KeyError(f"expected one metric {name}, got {len(matches)} among {sorted(raw)}")
    return float(matches[0])


@dataclass(frozen=True)
class Judged:
    """Everything found in a split, everything that is there, and what becomes of it under the data set's own matching.

    D detections, M objects of the detector's classes, at each of T least scores. `frame` counts `frames`, `label` the
    classes, `difficulty` the `difficulties` (-1: none of them). A box is its middle x, y, z, its length, width and
    height in m, and its yaw in rad. Fates are `RIGHT`, `WRONG` and `NEITHER` (study/nouns/inspections.py).

    Attributes:
        frames: their names, in the order of the split.
        difficulties: names; none where the data set has none.
        rule: the matching in words.
        detection_frame: (D,), and the other `detection_...` likewise; the box is (D, 7), the fate (T, D).
        object_frame: (M,), and the other `object_...` likewise; the box is (M, 7), the fate (T, M).
    """

    frames: tuple[str, ...]
    difficulties: tuple[str, ...]
    rule: str
    detection_frame: NDArray[np.int64]
    detection_box: NDArray[np.float64]
    detection_label: NDArray[np.int64]
    detection_score: NDArray[np.float64]
    detection_fate: NDArray[np.int8]
    object_frame: NDArray[np.int64]
    object_box: NDArray[np.float64]
    object_label: NDArray[np.int64]
    object_difficulty: NDArray[np.int64]
    object_fate: NDArray[np.int8]


class DataSet(ABC):
    """One data set."""

    title: ClassVar[str]
    """One line for lists: what it is."""
    serves: ClassVar[str]
    """The type of mmdet3d's dataset that reads it, as detectors' configs name it."""
    Options: ClassVar[type[Frozen]] = NoOptions
    """What `dataset.options` holds, with defaults."""
    made: ClassVar[bool] = False
    """Any node can make it anew from its options; else it lies on a disk and a run needs its root."""
    evaluator: Evaluator

    @abstractmethod
    def recognizes(self, root: Path) -> bool:
        """Whether a folder looks like this data set's (and may still be incomplete)."""

    @abstractmethod
    def prepare(self, root: Path, options: Any, *, into: Path | None = None, progress: Progress | None = None) -> None:
        """Make what training reads; what is ready is left untouched, what was interrupted is completed.

        Args:
            root: of the raw data; of a data set that is `made`, where to put it.
            options: an instance of `Options`.
            into: a second folder that gets the new files, where `root` cannot be written.
            progress: told of what is being made.

        Raises:
            InputError: the root or one of its files cannot be used, or the files cannot be written.
        """

    @abstractmethod
    def check(self, root: Path, *, deep: bool = False) -> None:
        """Raise InputError unless training can start on the root; `deep` reads every file too."""

    @abstractmethod
    def digest(self, root: Path) -> str:
        """The identity of a root's content, wherever it lies; empty where the options are the identity."""

    @abstractmethod
    def lay(self, part: Any, root: Path) -> None:
        """Point one part of mmdet3d's config, any dict inside its loaders and evaluator, at a prepared root, in place.

        Here the data set puts types of its own in the places of mmdet3d's, and imports what registers them.
        """

    def lay_files(self, part: Any, root: Path) -> None:
        """The files of one part of mmdet3d's config, which `lay` points at a prepared root, in place."""
        if "data_root" in part:
            part["data_root"] = f"{root}/"
        for name in ("info_path", "ann_file"):
            if name in part:
                # A dataset joins its own root to the name; sampler and metric want the whole path.
                file = Path(part[name]).name
                part[name] = file if part.get("type") == self.serves else f"{root}/{file}"

    @abstractmethod
    def set_apart(self, cfg: Any, root: Path, share: float) -> None:
        """Take a share of the training split out of mmdet3d's config, laid on a prepared root, and validate on it.

        Frames that are alike, as those of one drive, go together. Their objects are not pasted into training frames.

        Raises:
            InputError: too few frames are left.
        """

    @abstractmethod
    def scan(self, root: Path | None) -> NDArray[np.float32]:
        """A scan as the detectors get it, of a prepared root; None asks a data set that is `made` for one of its own.

        Returns:
            (P, C) x, y, z in m, then what the data set's points have more.

        Raises:
            InputError: the root is missing or not prepared, or the scan cannot be read.
        """

    @abstractmethod
    def judge(self, metric: Any, least: Sequence[float]) -> Judged:
        """What becomes of every detection and every object of a split.

        Args:
            metric: the one that `lay` has pointed at a root, after it has processed the whole split.
            least: scores; a detection below one is not there.
        """

    def report(self, root: Path, options: Any, beside: Path | None = None) -> str:
        """What `prepare` says of a root that is ready; `beside` is another root to compare it with.

        Raises:
            InputError: it cannot be compared.
        """
        if beside is not None:
            raise InputError(f"roots of {self.title} are not compared; leave --compare out")
        return f"{root} is ready: run_study.py run STUDY --data {root}"

    def draw(self, root: Path, path: Path) -> Path:
        """A picture of some frames with their boxes; the suffix of `path` chooses the format.

        Raises:
            InputError: this data set draws none.
        """
        raise InputError(f"{self.title} draws no pictures; leave --picture out")


def names() -> list[str]:
    """Every data set: the folders of trainables/datasets/."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


@cache
def load(name: str) -> DataSet:
    """The data set of the folder trainables/datasets/<name>/.

    Raises:
        InputError: there is no such folder; says what there is.
    """
    if name not in names():
        raise unknown_name("data set", name, names())
    return importlib.import_module(f"{__name__}.{name}").DATA_SET


def describe() -> list[dict[str, Any]]:
    """Name, one line, options and metrics of every data set."""
    return [
        {
            "name": name,
            "description": load(name).title,
            "parameters": [
                {
                    "name": option, "default": _plain(field.get_default(call_default_factory=True)),
                    "range": allowed(field), "description": field.description or "",
                }
                for option, field in load(name).Options.model_fields.items()
            ],
            "metrics": [metric.name for metric in load(name).evaluator.metrics],
        }
        for name in names()
    ]  # fmt: skip


def describe_metrics() -> list[dict[str, Any]]:
    """What is known of every metric of every data set, and which data sets are evaluated by it."""
    declared: dict[str, dict[str, Any]] = {}
    for name in names():
        for metric in load(name).evaluator.metrics:
            entry = {"name": metric.name, "description": metric.title, **metric.model_dump(exclude={"name", "title"})}
            declared.setdefault(metric.name, {**entry, "data sets": []})["data sets"].append(name)
    return list(declared.values())


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Frozen) else value


def recognized(root: Path) -> str:
    """The name of the data set that lies in a folder.

    Raises:
        InputError: none that is known; says what there is instead.
    """
    for name in names():
        if load(name).recognizes(root):
            return name
    found = sorted(path.name for path in root.iterdir())[:8] if root.is_dir() else None
    there = "there is no such folder" if found is None else ", ".join(found) or "the folder is empty"
    raise InputError(f"expected the root of a data set ({', '.join(names())}) at {root}; found: {there}")


def serving(config: Any) -> list[str]:
    """The data sets that a detector can learn from, by mmdet3d's config of its run."""
    wanted = innermost(config.train_dataloader.dataset).type
    return [name for name in names() if load(name).serves == wanted]


def fit(config: Any, dataset: DatasetSpec, detector: str) -> None:
    """Check that a detector can learn from a data set.

    Raises:
        InputError: its mmdet3d config reads another type of data set.
    """
    if dataset.name not in serving(config):
        raise InputError(
            f"detector {detector} is made for mmdet3d's {innermost(config.train_dataloader.dataset).type} "
            f"({', '.join(serving(config)) or 'no data set here'}); dataset.name={dataset.name} is a "
            f"{load(dataset.name).serves}"
        )


def last_groups(groups: Sequence[str], share: float) -> list[int]:
    """The places of whole groups from the end of a split, at least a share of it; `groups` names each frame's."""
    wanted = math.ceil(share * len(groups))
    apart: set[str] = set()
    for group in dict.fromkeys(reversed(groups)):
        if sum(one in apart for one in groups) >= wanted:
            break
        apart.add(group)
    return [place for place, group in enumerate(groups) if group in apart]


def innermost(dataset: Any) -> Any:
    """The dataset inside its wrappers (RepeatDataset, ClassBalancedDataset), of a config or built."""
    while True:
        inside = dataset.get("dataset") if isinstance(dataset, Mapping) else getattr(dataset, "dataset", None)
        if inside is None:
            return dataset
        dataset = inside
