"""Frames a second of the LiDAR simulator on one core, of casting and labeling alone and of writing KITTI files.

Run: OMP_NUM_THREADS=1 python -m tests.benchmarks.bench_simulator [frames]
Seconds of processor time are printed beside the clock's, as other programs may share the core.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from trainables.datasets.simulated.simulation_spec import SensorSpec, SimulationSpec
from trainables.datasets.simulated.simulator import simulate, write


def report(title: str, frames: int, work: Callable[[], object]) -> None:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"{title:44} {frames / clock:6.1f} frames/s by the clock, {frames / processor:6.1f} of processor time")


def main(frames: int = 100) -> None:
    for title, sensor in (("360 degrees", SensorSpec()), ("90 degrees", SensorSpec(field_of_view_deg=90))):
        spec = SimulationSpec(train_frames=frames, val_frames=1, sensor=sensor)
        simulate(spec, 0)  # compiles, or loads what is compiled
        report(f"simulate, {title}", frames, lambda spec=spec: [simulate(spec, i) for i in range(frames)])
        with tempfile.TemporaryDirectory() as folder:
            report(f"write, {title}", frames + 1, lambda spec=spec, folder=folder: write(spec, Path(folder)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
