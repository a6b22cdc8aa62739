"""Inspections whose truth is planted: how many false positives a frame has, what is found, how voxels are filled."""

import numpy as np

from analysis.results import Results
from study.nouns.inspections import NEITHER, RIGHT, WRONG, Inspected, Inspection

LEAST = (0.0, 0.3, 0.6)
CLASSES = ("Pedestrian", "Cyclist", "Car")
FRAMES = 4
FILLED = (0, 60, 30, 10)
"""Voxels with 0, 1, 2 and 3 points."""


def planted(key: str, wrong: int = 2, found_within: float = 25.0, scene: int = 1) -> Inspected:
    """Every frame holds three cars, 5, 15 and 35 m away, with 300, 30 and 3 points, and detections in half-meter steps.

    Args:
        key: of the run.
        wrong: false positives of every frame, all of them pedestrians with a score of 0.5.
        found_within: cars nearer than this are found, with a score of 0.9.
        scene: number of the frame that is drawn.
    """
    away, points = np.array([5.0, 15.0, 35.0]), np.array([300, 30, 3])
    cars = np.array([[x, 2.0, -1.0, 4.0, 1.6, 1.5, 0.3] for x in away], dtype=np.float32)
    near = away < found_within
    false = np.array([[3.0 + 4 * n, -6.0, -1.0, 0.8, 0.6, 1.7, 0.0] for n in range(wrong)], dtype=np.float32)
    found = np.concatenate([cars[near] + np.float32(0.1), false.reshape(-1, 7)])
    scores = np.array([0.9] * near.sum() + [0.5] * wrong, dtype=np.float32)
    fates = np.array([RIGHT] * near.sum() + [WRONG] * wrong)
    seen = np.where(scores >= np.array(LEAST)[:, None], fates, NEITHER).astype(np.int8)
    labels = np.array([2] * near.sum() + [0] * wrong)
    ground = np.stack(np.meshgrid(np.arange(2.0, 40), np.arange(-10.0, 10), [-1.5]), -1).reshape(-1, 3)
    facts = Inspection(
        key=key, classes=CLASSES, difficulties=("easy", "hard"), rule="A planted rule.", least=LEAST,
        frames=tuple(f"{number:06d}" for number in range(FRAMES)), scene=f"{scene:06d}", rows="pillars",
        importance="LiDAR points in the pillar", voxel=(0.16, 0.16, 4.0),
    )  # fmt: skip

    def each(part: np.ndarray) -> np.ndarray:
        return np.concatenate([part] * FRAMES)

    return Inspected(
        facts,
        {
            "voxels": np.array(FILLED),
            "detection_frame": np.repeat(np.arange(FRAMES), len(found)),
            "detection_box": each(found),
            "detection_label": each(labels),
            "detection_points": each(np.ones(len(found), dtype=int)),
            "detection_score": each(scores),
            "detection_fate": np.concatenate([seen] * FRAMES, axis=1),
            "object_frame": np.repeat(np.arange(FRAMES), 3),
            "object_box": each(cars),
            "object_label": np.full(3 * FRAMES, 2),
            "object_points": each(points),
            "object_difficulty": each(np.array([0, 0, 1])),
            "object_fate": np.tile(np.where(near, RIGHT, WRONG).astype(np.int8), (len(LEAST), FRAMES)),
            "scene_points": ground.astype(np.float32),
            "scene_position": ground.astype(np.float32),
            "scene_importance": np.where(ground[:, 0] < 10, 20, 1).astype(np.float32),
        },
    )


def inspected(results: Results) -> dict[str, Inspected]:
    """Of every finished run that stands in tables: the student has five false positives a frame, all others two."""
    runs = results.rows[results.rows["status"] == "finished"]
    return {
        run["key"]: planted(run["key"], wrong=5 if run["method"] == "student" else 2) for run in runs.to_dict("records")
    }
