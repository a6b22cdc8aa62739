"""Ground-truth sampling that keeps nothing from sample to sample, and opens no file where objects fit into memory.

Importing this module registers `DrawnObjects` and `HeldObjects`, to be used in the place of mmdet3d's `DataBaseSampler`
(Yan et al., SECOND, Sensors 2018, section 3.2). That one walks through a permutation of the database, so what it pastes
depends on what it pasted before, and opens a file for each object: 220,000 in an epoch of 7,424 scans.
"""

import os
import random
from collections.abc import Iterable
from typing import Any

import torch

from trainables.ops.setup import bridge

bridge.install()  # before mmdet3d is imported

from mmdet3d.datasets.transforms.dbsampler import DataBaseSampler  # noqa: E402
from mmdet3d.registry import TRANSFORMS  # noqa: E402


@TRANSFORMS.register_module()
class DrawnObjects(DataBaseSampler):
    """`DataBaseSampler` that draws independently for every sample, and opens a file for every object."""

    def __init__(self, *, without: Iterable[int | str] = (), **settings: Any) -> None:
        """Args: as of `DataBaseSampler`.

        without: frames (`image_idx`) whose objects are never drawn.
        """
        super().__init__(**settings)
        left_out = set(without)
        known: dict[str, list[dict[str, Any]]] = self.db_infos  # type: ignore[has-type]
        self.db_infos = {
            name: [info for info in objects if info["image_idx"] not in left_out] for name, objects in known.items()
        }
        self.sampler_dict = {name: Draws(objects) for name, objects in self.db_infos.items()}


@TRANSFORMS.register_module()
class HeldObjects(DrawnObjects):
    """`DrawnObjects` from objects held in memory.

    All are read when it is built, before loading processes are forked, which then share the memory: about 100 MB for
    the objects of 3,712 scans.
    """

    def __init__(self, **settings: Any) -> None:
        """Args: as of `DrawnObjects`."""
        super().__init__(**settings)
        paths = [info["path"] for name in self.sample_classes for info in self.db_infos[name]]
        load: Any = self.points_loader  # type: ignore[has-type]
        self.points_loader = Points(load, [os.path.join(self.data_root or "", path) for path in paths])


class Draws:
    """The objects of one class."""

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        self.objects = objects

    def sample(self, number: int) -> list[dict[str, Any]]:
        """So many different objects, or all where there are fewer, of Python's global stream."""
        return random.sample(self.objects, min(int(number), len(self.objects)))


class Points:
    """Stands in for a loader of points: the points of all objects in one tensor."""

    def __init__(self, load: Any, paths: list[str]) -> None:
        clouds = [load({"lidar_points": {"lidar_path": path}})["points"] for path in paths]
        self.kind = clouds[0] if clouds else None
        ends = torch.tensor([len(cloud) for cloud in clouds], dtype=torch.long).cumsum(0).tolist()
        self.parts = dict(zip(paths, zip([0, *ends[:-1]], ends, strict=True) if paths else (), strict=True))
        self.all = torch.cat([cloud.tensor for cloud in clouds]) if clouds else torch.empty(0)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Points of the object in `lidar_points.lidar_path`, as a copy that may be moved."""
        start, end = self.parts[results["lidar_points"]["lidar_path"]]
        assert self.kind is not None
        return {"points": self.kind.new_point(self.all[start:end].clone())}
