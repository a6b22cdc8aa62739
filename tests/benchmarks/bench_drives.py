"""Sweeps a second of the simulated drives on one core, of simulating alone and of writing the tables and scans.

Run: OMP_NUM_THREADS=1 python -m tests.benchmarks.bench_drives [scenes]
Seconds of processor time are printed beside the clock's, as other programs may share the core.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from trainables.datasets.simulated_nuscenes.drive import drive
from trainables.datasets.simulated_nuscenes.drives_root import scene_names, write
from trainables.datasets.simulated_nuscenes.drives_spec import DrivesSpec, RingSensorSpec


def report(title: str, sweeps: int, work: Callable[[], object]) -> None:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"{title:44} {sweeps / clock:6.1f} sweeps/s by the clock, {sweeps / processor:6.1f} of processor time")


def main(scenes: int = 24) -> None:
    every = DrivesSpec(sweeps=9)
    for title, asked in (
        ("the default", DrivesSpec()),
        ("all sweeps of a scene", every),
        ("all sweeps and columns", every.model_copy(update={"sensor": RingSensorSpec(columns=1084)})),
    ):
        spec = asked.model_copy(update={"train_scenes": scenes, "val_scenes": 1})
        drive(spec, 0)  # compiles, or loads what is compiled
        scene_names(spec)  # loads the development kit
        numbers, turns = [*range(scenes), 700], (scenes + 1) * len(spec.turns)
        report(f"simulate, {title}", turns, lambda spec=spec, numbers=numbers: [drive(spec, n) for n in numbers])
        with tempfile.TemporaryDirectory() as folder:
            report(f"write, {title}", turns, lambda spec=spec, folder=folder: write(spec, Path(folder)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
