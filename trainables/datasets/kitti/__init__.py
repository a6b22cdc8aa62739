"""KITTI's 3D object benchmark (Geiger et al., CVPR 2012): scans with labels of cars, pedestrians and cyclists.

Everything about a root on a disk is in `root.py`, what is measured in `average_precision.py`, how it is
counted in `devkit.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.nouns.errors import InputError
from trainables.datasets import DataSet, Judged, Progress
from trainables.datasets.kitti import apart
from trainables.datasets.kitti import root as roots
from trainables.datasets.kitti.average_precision import EVALUATOR
from trainables.datasets.kitti.layout import RAW_FOLDERS, REDUCED, digest, read_split, split_list
from trainables.datasets.kitti.object_database import drawable_objects
from trainables.datasets.kitti.raw_files import read_scan

MENDED = {
    "LoadPointsFromFile": "CheckedLoadPoints",
    "PointsRangeFilter": "PointsInRange",
    "KittiMetric": "DevkitMetric",
}
"""Parts of mmdet3d's configs that stumble over gone bad, empty or unlabeled frames, and ours in their places."""


class Kitti(DataSet):
    """KITTI in its own layout, with the files that mmdet3d 1.4 reads beside it."""

    title = "KITTI, or any data set in its files, on a disk"
    serves = "KittiDataset"
    evaluator = EVALUATOR

    def recognizes(self, root: Path) -> bool:
        """A folder with one of the raw folders below training/, or with split lists."""
        return (root / "ImageSets").is_dir() or any((root / "training" / name).is_dir() for name in RAW_FOLDERS)

    def prepare(self, root: Path, options: Any, *, into: Path | None = None, progress: Progress | None = None) -> None:
        """Info files, scans cut to the image, and the ground-truth database."""
        roots.prepare(root, into=into, progress=progress)

    def check(self, root: Path, *, deep: bool = False) -> None:
        """Raise InputError unless the root is prepared; `deep` reads every scan, label and calibration."""
        roots.check(root, deep=deep)

    def digest(self, root: Path) -> str:
        """12 hexadecimal characters of the split lists and labels."""
        return digest(root)

    def lay(self, part: Any, root: Path) -> None:
        """Files, ground-truth sampling, and ours in the places of what stumbles."""
        import trainables.datasets.kitti.evaluation
        import trainables.datasets.kitti.loading
        import trainables.datasets.object_sampling
        import trainables.datasets.points_in_range  # noqa: F401  all registered by name

        self.lay_files(part, root)
        part_type = part.get("type")
        if part_type in MENDED:
            part["type"] = MENDED[part_type]
        if part_type == "ObjectSample":
            _sample_what_is_there(part, root)

    def set_apart(self, cfg: Any, root: Path, share: float) -> None:
        """Whole drives where the root knows them, else single frames."""
        apart.set_apart(cfg, root, share)

    def scan(self, root: Path | None) -> NDArray[np.float32]:
        """The first validation scan, cut to the image: (P, 4), with reflectance."""
        if root is None:
            raise InputError(f"a scan of {self.title} needs a prepared root: --data DIR")
        self.check(root)
        name = read_split(split_list(root, "val"))[0]
        return read_scan(root / "training" / REDUCED / f"{name}.bin")

    def judge(self, metric: Any, least: Sequence[float]) -> Judged:
        """As the development kit matches in space."""
        return metric.judged(least)


def _sample_what_is_there(transform: Any, root: Path) -> None:
    """Ground-truth sampling without road planes where the root has none (KITTI ships none), and of classes it holds."""
    transform["use_ground_plane"] = transform.get("use_ground_plane", False) and roots.has_planes(root)
    sampler = transform["db_sampler"]
    sampler["type"] = "HeldObjects"
    there = drawable_objects(root, sampler["prepare"]["filter_by_min_points"])
    sampler["sample_groups"] = {name: n for name, n in sampler["sample_groups"].items() if there[name] > 0}


DATA_SET = Kitti()
