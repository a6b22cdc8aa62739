"""From a spec to frames with KITTI labels, and to a root in KITTI's own files.

Measured by tests/benchmarks/bench_simulator.py, frames per second of one core's time: a full turn 70 simulated, 51
written (2 MB each); the 90 degrees ahead, which hold all that KITTI's camera sees, 144 simulated, 102 written.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from trainables.datasets.simulated.camera import KITTI_CAMERA, occlusion_level, wrap
from trainables.datasets.simulated.frames import Frame, read_frames
from trainables.datasets.simulated.sensor import lidar_of, scan
from trainables.datasets.simulated.simulation_spec import SimulationSpec
from trainables.datasets.simulated.spec_file import begin, complete, put, refuse_other_data
from trainables.datasets.simulated.statistics import compare, statistics
from trainables.datasets.simulated.street import lay_out

# A labeled object stands at least so high in the picture [pixels] and returns so many points; DontCare below.
LABEL_HEIGHT, LABEL_POINTS = 15, 3
# An object of which less than this share is in the picture is not labeled.
LABEL_SHARE = 0.05


def simulate(spec: SimulationSpec, index: int) -> Frame:
    """Frame `index` of a spec: the same bytes whenever and wherever it is asked for."""
    scene = lay_out(spec, index)
    turn = scan(lidar_of(spec.sensor), scene, int(np.random.SeedSequence([spec.seed, index, 1]).generate_state(1)[0]))
    camera = KITTI_CAMERA
    boxes = scene.objects[: scene.labeled, 1:8].copy()
    boxes[:, 6] = wrap(boxes[:, 6])
    corners = camera.corners(boxes)
    of_labeled = (turn.source >= 0) & (turn.source < scene.labeled)
    in_view = camera.sees(turn.points[of_labeled])
    returned = np.bincount(turn.source[of_labeled][in_view], minlength=scene.labeled)
    kept, truncation, occlusion, boxes_2d, dont_care = [], [], [], [], []
    for i in np.argsort(np.hypot(boxes[:, 0], boxes[:, 1]), kind="stable"):
        outline = camera.outline(corners[i])
        if turn.free[i] == 0 or outline is None:
            continue
        inside, outside_share = camera.clip(outline)
        if (inside[2:] - inside[:2]).min() < 1 or outside_share > 1 - LABEL_SHARE:
            continue
        if returned[i] < LABEL_POINTS or inside[3] - inside[1] < LABEL_HEIGHT:
            dont_care.append(inside)
            continue
        kept.append(i)
        truncation.append(outside_share)
        occlusion.append(occlusion_level(turn.free[i] / turn.alone[i]))
        boxes_2d.append(inside)
    return Frame(
        turn.points,
        boxes[kept],
        tuple(scene.names[i] for i in kept),
        np.array(truncation),
        np.array(occlusion, int),
        np.array(boxes_2d).reshape(-1, 4),
        np.array(dont_care).reshape(-1, 4),
        camera,
    )


def write(spec: SimulationSpec, root: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write a spec's frames as a KITTI root: training/{velodyne,label_2,calib}, ImageSets, image_sizes.json.

    simulation.json, the spec, comes last: where it stands, the data set is complete. An interrupted writing is
    completed, a complete one is left as it is. Several processes may write the same spec at once.

    Args:
        root: folder to write to; made where absent.
        progress: called with (frames there, frames in all) after each frame.

    Returns:
        Path: root.

    Raises:
        InputError: root holds another simulation, or data that no simulation wrote.
    """
    refuse_other_data(spec, root, "training")
    count = spec.frames
    numbers = [f"{i:06d}" for i in range(count)]
    folders = {kind: root / "training" / kind for kind in ("velodyne", "calib", "label_2")}
    for folder in (*folders.values(), root / "ImageSets"):
        folder.mkdir(parents=True, exist_ok=True)
    begin(spec, root)
    # The label is written last, so that a frame with a label is whole.
    there = [{p.stem for p in folder.iterdir() if p.suffix in (".bin", ".txt")} for folder in folders.values()]
    whole = set.intersection(*there)
    for i, number in enumerate(numbers):
        if number not in whole:
            frame = simulate(spec, i)
            put(folders["velodyne"] / f"{number}.bin", frame.points.tobytes())
            put(folders["calib"] / f"{number}.txt", frame.camera.text())
            put(folders["label_2"] / f"{number}.txt", frame.label_lines())
        if progress:
            progress(i + 1, count)
    splits = {"train": numbers[: spec.train_frames], "val": numbers[spec.train_frames :], "trainval": numbers}
    for split, members in splits.items():
        put(root / "ImageSets" / f"{split}.txt", "".join(f"{n}\n" for n in members))
    put(root / "image_sizes.json", json.dumps({n: [KITTI_CAMERA.width, KITTI_CAMERA.height] for n in numbers}))
    complete(spec, root)
    return root


def resemblance(root: Path, real: Path | None = None, frames: int = 60) -> str:
    """Table of the statistics of a written simulation's first validation frames, beside those of real frames.

    Args:
        root: folder that `write` filled.
        real: a KITTI root with image_sizes.json; where None or absent, the table has one column.
        frames: at most so many simulated frames are counted.
    """
    numbers = (root / "ImageSets" / "val.txt").read_text().split()[:frames]
    there = real is not None and (real / "image_sizes.json").is_file()
    return compare(statistics(read_frames(root, numbers)), statistics(read_frames(real)) if there and real else None)


def draw(frames: Sequence[Frame], path: Path) -> Path:
    """Write a bird's-eye view of some frames with their boxes; the suffix of `path` chooses PNG, PDF or SVG."""
    from trainables.datasets.simulated.picture import bird_eye_view

    return bird_eye_view(frames, path)
