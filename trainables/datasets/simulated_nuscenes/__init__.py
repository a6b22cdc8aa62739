"""Simulated drives: a data set that any machine can make for itself, in nuScenes' files and judged as nuScenes is.

A car with a spinning LiDAR drives along the simulator's street among moving traffic of ten classes (`drive.py`); what
it sees is written as the tables that nuScenes' own development kit reads (`scene_tables.py`).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.datasets import Progress
from trainables.datasets.nuscenes import NuScenes, nuscenes_root
from trainables.datasets.simulated_nuscenes import drives_root
from trainables.datasets.simulated_nuscenes.drive import drive
from trainables.datasets.simulated_nuscenes.drives_spec import DrivesSpec, RingSensorSpec

DRAWN = 4
AS_REAL = DrivesSpec(keyframes=2, sweeps=9, sensor=RingSensorSpec(columns=1084))
"""All that the real sensor keeps of a drive."""


class SimulatedNuScenes(NuScenes):
    """nuScenes' files, written by the simulator."""

    title = "simulated drives with nuScenes' LiDAR, ten classes and velocities, made where they are needed"
    Options = DrivesSpec
    made = True

    def recognizes(self, root: Path) -> bool:
        """No folder: what lies on a disk in nuScenes' files is read as nuScenes, whoever wrote it."""
        return False

    def prepare(
        self, root: Path, options: DrivesSpec, *, into: Path | None = None, progress: Progress | None = None
    ) -> None:
        """Simulate what is missing, then prepare it like nuScenes, with the sweeps that a keyframe can use."""
        say = progress or (lambda what, done, total: None)
        drives_root.write(options, root, lambda done, total: say("simulate", done, total))
        nuscenes_root.prepare(root, version=drives_root.VERSION, max_sweeps=options.reach, into=into, progress=progress)

    def digest(self, root: Path) -> str:
        """Nothing: the options are the identity."""
        return ""

    def scan(self, root: Path | None) -> NDArray[np.float32]:
        """As nuScenes of a root; else a keyframe of the default street with ten sweeps of a real sensor: (P, 5)."""
        if root is not None:
            return super().scan(root)
        made = drive(AS_REAL, AS_REAL.numbers["val"][0])
        first = next(place for place, turn in enumerate(made.turns) if turn.keyframe == 0)
        points = made.swept(first, AS_REAL.reach)
        return points[np.abs(points[:, :2]).max(axis=1) >= 1]

    def report(self, root: Path, options: DrivesSpec, beside: Path | None = None) -> str:
        """Statistics of the validation keyframes, beside those of real ones where a prepared root is given."""
        from trainables.datasets.simulated_nuscenes.drives_statistics import compared  # loads mmdet3d

        if beside is not None:
            self.check(beside)
        return compared(root, beside)

    def draw(self, root: Path, path: Path) -> Path:
        """Keyframes of the first validation scenes from above: swept points, boxes and velocities."""
        from trainables.datasets.simulated_nuscenes.swept_picture import draw

        return draw(root, path, DRAWN)


DATA_SET = SimulatedNuScenes()
