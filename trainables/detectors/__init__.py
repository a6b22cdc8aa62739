"""What a detector family is: mmdet3d's own config, how it is compressed, and where features are read.

A family is one file in trainables/detectors/ that defines `SPEC`.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from study.nouns.config import DetectorConfig
from study.nouns.errors import InputError, unknown_name
from trainables.detectors.parts.taps import Tap
from trainables.features import Batch

Mean = Callable[[Sequence[float]], list[float]]
"""Counts of one process to their means over all."""


def counts_apart(network: Any, mean: Mean) -> None:
    """Leave the heads alone: each process divides by its own counts."""


@dataclass(frozen=True)
class Reading:
    """How one feature of `Features` is made.

    Attributes:
        taps: the taps it needs.
        build: their outputs, the batch and the network to the feature.
    """

    taps: tuple[str, ...]
    build: Callable[[Mapping[str, Any], Batch, Any], Any]


Factor = float | tuple[float, ...]
"""Of every width, or one for each part of a detector."""


def _square_root(compression: float) -> float:
    return compression**-0.5


@dataclass(frozen=True)
class DetectorSpec:
    """One detector family.

    Attributes:
        title: the detector's name in tables.
        config: mmdet3d's config file of the teacher, below its `configs` folder.
        scale: multiplies every width of a model config (in place) by a factor, or those of its parts by theirs.
        place: sets range, voxel size and number of points of a whole config (in place) to a `DetectorConfig`'s.
        kind: what a row is: `pillars`, `cells` (of the bird's-eye view) or `points`.
        taps: where the network can be read.
        readings: the fields of `Features` that it offers, by name.
        forward: runs the network as far as its dense head.
        share_counts: where several processes train one network (its argument), makes its heads divide their losses by
            the mean over processes of what each counts: the second argument takes counts and returns these means.
            `counts_apart` for families whose heads divide by what they count on the way.
        targets: dotted name of the head's function that turns ground truth into what it learns at every place. It
            depends on the batch alone, so that students of one batch share its answer.
        predicts_at_once: scans of a batch in validation; mmdet3d's PointRCNN predicts one at a time.
        shrink: a student's factor of every width, from its compression; several where published students shrink
            their parts differently.
        classes: what it detects, in the order of its labels.
        sizes: compressions whose costs are shown where the paper says none: the teacher's 1, and its students'.
        released: by method, the hyper-parameters that its released code sets otherwise for this detector than for the
            others with its kind of rows.
    """

    title: str
    config: str
    scale: Callable[[Any, Any], None]
    place: Callable[[Any, DetectorConfig], None]
    kind: str
    taps: Mapping[str, Tap]
    readings: Mapping[str, Reading]
    forward: Callable[[Any, Batch], None]
    share_counts: Callable[[Any, Mean], None]
    targets: str
    predicts_at_once: int = 4
    shrink: Callable[[float], Factor] = _square_root
    classes: tuple[str, ...] = ("Pedestrian", "Cyclist", "Car")
    sizes: tuple[float, ...] = (1.0, 4.0)
    released: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def load(self, detector: DetectorConfig, *, teacher: bool) -> Any:
        """mmdet3d's config of the whole run with the model scaled and placed.

        Args:
            detector: compression, width, voxel size, number of points and range.
            teacher: True leaves the compression out.

        Raises:
            InputError: a range, voxel size or number of points that the network cannot be laid on.
        """
        from mmengine.config import Config

        config = Config.fromfile(_configs() / self.config)
        factor = _times(detector.width, 1.0 if teacher else self.shrink(detector.compression))
        if factor != 1:
            self.scale(config.model, factor)
        if any(value is not None for value in (detector.pillar, detector.points, detector.range)):
            self.place(config, detector)
        return config

    @property
    def columns(self) -> tuple[int, ...]:
        """Which values of its data set's points the detector gets: x, y, z (0, 1, 2), and more."""
        config = self.load(DetectorConfig(), teacher=True)
        loading = [step for step in dicts(config.test_dataloader) if step.get("type") in _USED]
        used = loading[-1].get("use_dim", _USED[loading[-1].type])
        return tuple(used) if isinstance(used, Sequence) else tuple(range(used))

    def offers(self, names: Iterable[str], method: str) -> None:
        """Check that a method finds here what it reads.

        Raises:
            InputError: it does not.
        """
        if missing := [name for name in names if name not in self.readings]:
            raise InputError(
                f"method {method} reads {', '.join(missing)}, which {self.title} does not have; "
                f"it has {', '.join(self.readings)}"
            )


_USED = {"LoadPointsFromFile": (0, 1, 2), "LoadPointsFromMultiSweeps": (0, 1, 2, 4)}
"""What mmdet3d's steps that load points use of each, where a config does not say it."""


def _times(width: float, factor: Factor) -> Factor:
    return tuple(width * each for each in factor) if isinstance(factor, tuple) else width * factor


def scaled(channels: int, factor: float) -> int:
    """A width times a factor, rounded to the nearest integer (half up), at least 1."""
    return max(1, int(channels * factor + 0.5))


def names() -> list[str]:
    """Every detector family: the files of trainables/detectors/."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def describe() -> list[dict[str, Any]]:
    """Name, one line and mmdet3d config of every family."""
    return [{"name": name, "description": _first_line(name), "mmdet3d_config": load(name).config} for name in names()]


def _first_line(name: str) -> str:
    return (importlib.import_module(f"{__name__}.{name}").__doc__ or "").strip().splitlines()[0]


@cache
def load(name: str) -> DetectorSpec:
    """The family of the file trainables/detectors/<name>.py.

    Raises:
        InputError: there is no such file; says what there is.
    """
    if name not in names():
        raise unknown_name("detector", name, names())
    return importlib.import_module(f"trainables.detectors.{name}").SPEC


def grid(low: float, high: float, edge: float, multiple: int, axis: str) -> int:
    """Number of cells between two limits; must be a whole multiple, or the network's strides do not fit.

    Raises:
        InputError: it is not.
    """
    cells = round((high - low) / edge)
    if cells < multiple or cells % multiple or abs(cells * edge - (high - low)) > 1e-3 * edge:
        raise InputError(
            f"detector.range must hold a multiple of {multiple} voxels along {axis}, "
            f"got {high - low:g} m / {edge:g} m = {(high - low) / edge:g}"
        )
    return cells


def lay_range(content: Any, limits: tuple[float, ...]) -> None:
    """Set every `point_cloud_range` inside a config."""
    for place in dicts(content):
        if "point_cloud_range" in place:
            place["point_cloud_range"] = list(limits)


def dicts(content: Any) -> Iterator[Any]:
    """Every dict inside a config, depth first."""
    if isinstance(content, dict):
        yield content
        content = list(content.values())
    if isinstance(content, list | tuple):
        for item in content:
            yield from dicts(item)


def _configs() -> Path:
    import mmdet3d

    return Path(mmdet3d.__file__).parent / ".mim" / "configs"
