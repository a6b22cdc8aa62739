"""Simulated LiDAR frames: a data set that any machine can make for itself, in KITTI's files and evaluated as KITTI is.

A spinning multi-beam LiDAR is ray-cast against a random street, and what the camera of KITTI's car would see of it is
labeled as KITTI labels it (`simulator.py`).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.datasets import Progress
from trainables.datasets.kitti import Kitti
from trainables.datasets.simulated import simulator
from trainables.datasets.simulated.frames import read_frames
from trainables.datasets.simulated.simulation_spec import SimulationSpec

DRAWN = 6


class Simulated(Kitti):
    """KITTI's files, written by the simulator."""

    title = "simulated scans of a street, made where they are needed"
    Options = SimulationSpec
    made = True

    def recognizes(self, root: Path) -> bool:
        """No folder: what lies on a disk in KITTI's files is read as KITTI, whoever wrote it."""
        return False

    def prepare(
        self, root: Path, options: SimulationSpec, *, into: Path | None = None, progress: Progress | None = None
    ) -> None:
        """Simulate what is missing, then prepare it like KITTI."""
        say = progress or (lambda what, done, total: None)
        simulator.write(options, root, lambda done, total: say("simulate", done, total))
        super().prepare(root, options, into=into, progress=progress)

    def digest(self, root: Path) -> str:
        """Nothing: the options are the identity."""
        return ""

    def scan(self, root: Path | None) -> NDArray[np.float32]:
        """The first validation scan of a root, or frame 0 of the default street; cut to the image: (P, 4)."""
        if root is not None:
            return super().scan(root)
        frame = simulator.simulate(SimulationSpec(), 0)
        return frame.points[frame.camera.sees(frame.points)]

    def report(self, root: Path, options: SimulationSpec, beside: Path | None = None) -> str:
        """Statistics of the first validation frames, beside those of real ones where a KITTI root is given."""
        return simulator.resemblance(root, beside)

    def draw(self, root: Path, path: Path) -> Path:
        """A bird's-eye view of the first frames with their boxes."""
        there = sorted(scan.stem for scan in (root / "training" / "velodyne").glob("*.bin"))
        return simulator.draw(read_frames(root, there[:DRAWN]), path)


DATA_SET = Simulated()
