"""What becomes of every detection and object of a keyframe, as nuScenes' development kit matches them within 2 m."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from nuscenes.eval.common.utils import center_distance
from nuscenes.eval.detection.data_classes import DetectionBox, DetectionConfig

from study.nouns.inspections import NEITHER, RIGHT, WRONG
from trainables.datasets.nuscenes.devkit_score import counted
from trainables.datasets.nuscenes.ground_truth import Asked

RULE = (
    "A detection takes the nearest object of its class that is free, the best-scored detection first, where their "
    "centers lie less than 2 m from each other on the ground. A detection that takes none is a false positive. Objects "
    "without a point, what is farther from the vehicle than its class is asked for (50, 40 or 30 m, or the detector's "
    "range), and cycles in a rack are neither."
)
"""Of the development kit, in words."""


@dataclass(frozen=True, eq=False)
class Matched:
    """What becomes of D detections and M objects of a keyframe; none of it changes where low scores are left out.

    Attributes:
        of_found: (D,) `RIGHT`, `WRONG` or `NEITHER`.
        asked_for: (M,) whether an object counts.
        found_with: (M,) the score of the detection that took it; minus infinity: none.
    """

    of_found: NDArray[np.int8]
    asked_for: NDArray[np.bool_]
    found_with: NDArray[np.float64]


def matched(
    truth: Sequence[Asked], found: Mapping[str, Sequence[Mapping[str, Any]]], config: DetectionConfig
) -> list[Matched]:
    """The fates of each keyframe; arguments as of `devkit_score.score`."""
    objects, detections = counted(truth, found, config)
    return [
        _matched(
            objects[asked.token], detections[asked.token], len(asked.kinds), len(found[asked.token]), config.dist_th_tp
        )
        for asked in truth
    ]


def _matched(
    objects: Sequence[DetectionBox], detections: Sequence[DetectionBox], asked: int, found: int, distance: float
) -> Matched:
    result = Matched(np.full(found, NEITHER, dtype=np.int8), np.zeros(asked, dtype=bool), np.full(asked, -np.inf))
    free = list(objects)
    result.asked_for[[box.row for box in objects]] = True
    for box in sorted(detections, key=lambda box: (box.detection_score, box.row), reverse=True):
        near = [(center_distance(other, box), other) for other in free if other.detection_name == box.detection_name]
        gap, nearest = min(near, key=lambda pair: pair[0], default=(np.inf, None))
        result.of_found[box.row] = RIGHT if gap < distance else WRONG
        if nearest is not None and gap < distance:
            result.found_with[nearest.row] = box.detection_score
            free.remove(nearest)
    return result
