"""A spec's drives as a root in nuScenes' own files: scans, the thirteen tables, and the spec beside them.

Measured by tests/benchmarks/bench_drives.py beside other programs, sweeps per second of one core's time: 270 simulated
and 190 written by default (0.3 MB each); with all columns of the real sensor 170 and 155 (0.6 MB).
"""

import json
from collections.abc import Callable
from pathlib import Path

from study.nouns.errors import InputError
from trainables.datasets.simulated.spec_file import SPEC_FILE, begin, complete, put, refuse_other_data
from trainables.datasets.simulated_nuscenes.drive import drive
from trainables.datasets.simulated_nuscenes.drives_spec import DrivesSpec
from trainables.datasets.simulated_nuscenes.scene_tables import (
    CHANNEL,
    MAP_FILE,
    TABLES,
    Rows,
    file_of,
    map_rows,
    rows_of,
    shared_rows,
)

VERSION = "v1.0-trainval"
"""The tables' folder: the one whose splits are called `train` and `val`."""


def scene_names(spec: DrivesSpec) -> dict[int, str]:
    """The name of each scene by its number: those of nuScenes' own splits, in their order."""
    from nuscenes.utils import splits  # loads what draws, too: only where scenes are named

    numbers = spec.numbers
    return {
        **dict(zip(numbers["train"], splits.train, strict=False)),
        **dict(zip(numbers["val"], splits.val, strict=False)),
    }


def write(spec: DrivesSpec, root: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write a spec's drives: samples/LIDAR_TOP, sweeps/LIDAR_TOP, v1.0-trainval/*.json, maps.

    simulation.json, the spec, comes last: where it stands, the data set is complete. An interrupted writing is
    completed, a complete one is left as it is. Several processes may write the same spec at once.

    Args:
        root: folder to write to; made where absent.
        progress: called with (scenes there, scenes in all) after each scene.

    Returns:
        Path: root.

    Raises:
        InputError: root holds another simulation, or data that no simulation wrote.
    """
    refuse_other_data(spec, root, "samples")
    if is_whole(root):
        return root
    for folder in (root / "samples" / CHANNEL, root / "sweeps" / CHANNEL, root / VERSION, (root / MAP_FILE).parent):
        folder.mkdir(parents=True, exist_ok=True)
    begin(spec, root)
    rows: Rows = {table: [] for table in TABLES} | shared_rows()
    names = scene_names(spec)
    for done, (number, name) in enumerate(names.items(), 1):
        drawn = drive(spec, number)
        for turn in drawn.turns:
            put(root / file_of(drawn, turn), turn.points.tobytes())
        for table, records in rows_of(drawn, name, spec.sensor.height_m).items():
            rows[table] += records
        if progress:
            progress(done, len(names))
    rows["map"] = map_rows(rows["log"])
    put(root / MAP_FILE, b"")
    for table in TABLES:
        put(root / VERSION / f"{table}.json", json.dumps(rows[table], indent=0))
    complete(spec, root)
    return root


def is_whole(root: Path) -> bool:
    """Whether a simulation is complete in a root: the spec, every table, every scan."""
    tables = [root / VERSION / f"{table}.json" for table in TABLES]
    if not all(path.is_file() for path in (root / SPEC_FILE, root / MAP_FILE, *tables)):
        return False
    data = json.loads((root / VERSION / "sample_data.json").read_text())
    return all((root / record["filename"]).is_file() for record in data)


def spec_of(root: Path) -> DrivesSpec:
    """The spec that a root was written from.

    Raises:
        InputError: no simulation is complete there.
    """
    if not (root / SPEC_FILE).is_file():
        raise InputError(f"expected simulated drives at {root}, found no {SPEC_FILE} there")
    return DrivesSpec.model_validate_json((root / SPEC_FILE).read_text())
