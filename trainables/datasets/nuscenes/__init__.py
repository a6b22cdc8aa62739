"""nuScenes (Caesar et al., CVPR 2020): turns of a 32-beam LiDAR with labels of ten classes, judged by its own score.

Everything about a root on a disk is in `nuscenes_root.py`, what is measured in `detection_score.py`, how it is counted
in `devkit_score.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from trainables.datasets import DataSet, Judged, Progress
from trainables.datasets.nuscenes import ground_truth, nuscenes_root, prepared_files, scenes_apart
from trainables.datasets.nuscenes.detection_score import EVALUATOR

MENDED = {
    "LoadPointsFromFile": "CheckedKeyframe",
    "LoadPointsFromMultiSweeps": "CheckedSweeps",
    "PointsRangeFilter": "PointsInRange",
    "CBGSDataset": "BalancedKeyframes",
    "NuScenesMetric": "NuScenesDevkitMetric",
}
"""Parts of mmdet3d's configs that stumble over bad scans, empty ranges, missing classes or empty results, and ours."""


class NuScenesOptions(Frozen):
    """What is prepared of nuScenes; read by `prepare` alone."""

    version: str = Field("", description="folder of the tables; empty is the only one there is")
    max_sweeps: int = Field(10, ge=0, description="scans before a keyframe that can be used; detectors ask for 9 or 10")


class NuScenes(DataSet):
    """nuScenes in its own layout, with the files that mmdet3d 1.4 reads beside it."""

    title = "nuScenes, or any data set in its tables, on a disk"
    serves = "NuScenesDataset"
    Options: ClassVar[type[Frozen]] = NuScenesOptions
    evaluator = EVALUATOR

    def recognizes(self, root: Path) -> bool:
        """A folder with tables that can be trained on, or with mmdet3d's info files of nuScenes."""
        return bool(prepared_files.versions(root)) or prepared_files.infos_file(root, "train").is_file()

    def prepare(self, root: Path, options: Any, *, into: Path | None = None, progress: Progress | None = None) -> None:
        """Info files, the ground-truth database, and what the evaluation asks for."""
        nuscenes_root.prepare(
            root, version=options.version, max_sweeps=options.max_sweeps, into=into, progress=progress
        )

    def check(self, root: Path, *, deep: bool = False) -> None:
        """Raise InputError unless the root is prepared; `deep` reads every scan."""
        nuscenes_root.check(root, deep=deep)

    def digest(self, root: Path) -> str:
        """12 hexadecimal characters of the tables, or of the info files where mmdet3d has made them."""
        return prepared_files.digest(root)

    def lay(self, part: Any, root: Path) -> None:
        """Files, version, ground-truth sampling, the nearest sweeps in validation, and ours in the places of MENDED."""
        import trainables.datasets.nuscenes.class_balance
        import trainables.datasets.nuscenes.devkit_metric
        import trainables.datasets.nuscenes.scans
        import trainables.datasets.object_sampling
        import trainables.datasets.points_in_range  # noqa: F401  all registered by name

        self.lay_files(part, root)
        kind = part.get("type")
        if kind == self.serves:
            part["metainfo"] = {**part.get("metainfo", {}), "version": prepared_files.prepared_version(root)}
            for step in part["pipeline"] if part.get("test_mode") else ():
                if step["type"] in ("LoadPointsFromMultiSweeps", MENDED["LoadPointsFromMultiSweeps"]):
                    step["test_mode"] = True  # else sweeps are drawn at random where more are there than are asked for
        if kind == "NuScenesMetric":
            part["point_cloud_range"] = None  # a run with a range of its own sets it
        if kind in MENDED:
            part["type"] = MENDED[kind]
        if kind == "ObjectSample":
            _sample_what_is_there(part["db_sampler"], root)

    def set_apart(self, cfg: Any, root: Path, share: float) -> None:
        """Whole scenes."""
        scenes_apart.set_apart(cfg, root, share)

    def scan(self, root: Path | None) -> NDArray[np.float32]:
        """The first validation keyframe that has most sweeps, with ten of them: (P, 5), with intensity and age."""
        from trainables.datasets.nuscenes.scans import swept  # loads mmdet3d

        if root is None:
            raise InputError(f"a scan of {self.title} needs a prepared root: --data DIR")
        self.check(root)
        listed = prepared_files.infos(root, "val")["data_list"]
        return swept(root, max(listed, key=lambda info: len(info.get("lidar_sweeps", ()))))

    def judge(self, metric: Any, least: Sequence[float]) -> Judged:
        """As the development kit matches within 2 m."""
        return metric.judged(least)

    def report(self, root: Path, options: Any, beside: Path | None = None) -> str:
        """How many keyframes there are, and how a study gets them."""
        super().report(root, options, beside)
        there = [len(ground_truth.read(root, split)) for split in prepared_files.SPLITS]
        return (
            f"{root} is ready, with {there[0]:,} keyframes for training and {there[1]:,} for validation: --data {root}"
        )


def _sample_what_is_there(sampler: Any, root: Path) -> None:
    """Ground-truth sampling of the classes that the database holds."""
    from trainables.datasets.nuscenes.swept_objects import drawable_objects  # loads mmdet3d

    sampler["type"] = "DrawnObjects"
    least = sampler["prepare"]["filter_by_min_points"]
    there = drawable_objects(root, least)
    sampler["sample_groups"] = {name: n for name, n in sampler["sample_groups"].items() if there[name] > 0}
    sampler["prepare"]["filter_by_min_points"] = {name: n for name, n in least.items() if there[name] > 0}


DATA_SET = NuScenes()
