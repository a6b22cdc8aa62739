"""KITTI's average precision of boxes seen from above and in space: every class and difficulty of a whole split.

The protocol is that of the KITTI object development kit (Geiger et al., CVPR 2012; evaluate_object.cpp), with the 40
recall positions of Simonelli et al. (ICCV 2019). mmdet3d 1.4's `kitti_eval` computes the same frame by frame in
Python, with overlaps rounded to single precision and objects exactly as high as a difficulty's limit left out; here
overlaps are in double precision, limits are the development kit's, and frames without objects or detections are nothing
special.

Matching goes through the objects in the order of their file; an object takes the detection of the largest overlap (to
find the scores at which recall rises: of the largest score). What is neither an object to find nor a false alarm
(neighboring classes, objects beyond a difficulty, detections too low in the picture) may be matched and counts for
nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trainables.datasets.kitti.average_precision import DIFFICULTIES, TASKS
from trainables.datasets.kitti.infos import DIFFICULTY_LEVELS, level_of
from trainables.ops.rotated_boxes import intersection_areas

LEAST_OVERLAP = {"Car": 0.7, "Pedestrian": 0.5, "Cyclist": 0.5}
NEIGHBORS = {"Car": "van", "Pedestrian": "person_sitting"}
"""Detecting one of these as that class is neither right nor wrong."""

POSITIONS = 40
HARDEST = len(DIFFICULTIES) - 1
COUNTED, MATCHED, LEFT_OUT = 0, 1, -1
"""What becomes of an object or detection: it counts, it may be matched but counts for nothing, it is not there."""


@dataclass(frozen=True)
class _Split:
    """All frames behind one another; frame f has objects objects[f]:objects[f+1] and detections likewise."""

    objects: NDArray[np.int64]
    detections: NDArray[np.int64]
    pairs: NDArray[np.int64]
    """Where the overlaps of a frame begin, detections x objects in rows."""
    overlaps: dict[str, NDArray[np.float64]]
    scores: NDArray[np.float64]


def average_precision(
    truth: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]], classes: Sequence[str]
) -> dict[tuple[str, str, str], float]:
    """AP40 in percent.

    Args:
        truth: annotations per frame in mmdet3d's form: `name`, `bbox` (M x 4, pixels), `location` (M x 3) and
            `dimensions` (M x 3: length, height, width) in the camera's frame (m), `rotation_y` (rad), `truncated`,
            `occluded`.
        found: detections per frame, with `score` besides; frames in the same order.
        classes: of KITTI's three, those to evaluate.

    Returns:
        AP by (task, class, difficulty); 0 for a class that no frame holds.
    """
    split = _split(truth, found)
    names, levels = _flat(truth, "name"), levels_of(truth)
    table = {}
    for kind in classes:
        for level, difficulty in enumerate(DIFFICULTIES):
            objects, detections = _objects(names, levels, kind, level), _detections(found, kind, level)
            for task in TASKS:
                table[task, kind, difficulty] = _one(split, split.overlaps[task], objects, detections, kind)
    return table


def fates(
    truth: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]], classes: Sequence[str], least: Sequence[float]
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """What becomes of every detection and object in space, where all objects of the hardest difficulty are asked for.

    Args:
        truth: as for `average_precision`, and
        found: likewise.
        classes: of KITTI's three, those to look at.
        least: scores, T of them; a detection below one is not there.

    Returns:
        T x detections: 1 right, 0 a false alarm, -1 neither or not there; and T x objects: 1 found, 0 missed, -1 not
        asked for.
    """
    split = _split(truth, found)
    names, labels, levels = _flat(truth, "name"), _flat(found, "name"), levels_of(truth)
    of_found = np.full((len(least), len(labels)), -1, dtype=np.int8)
    of_truth = np.full((len(least), len(names)), -1, dtype=np.int8)
    where = (split.objects, split.detections, split.pairs, split.overlaps["3d"])
    for kind in classes:
        objects, detections = (_objects(names, levels, kind, HARDEST), _detections(found, kind, HARDEST))
        its = _fates(*where, objects, detections, split.scores, LEAST_OVERLAP[kind], np.array(least, dtype=np.float64))
        of_found = np.where(labels == kind.lower(), its[0], of_found)
        of_truth = np.where(names == kind.lower(), its[1], of_truth)
    return of_found, of_truth


def levels_of(truth: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
    """Difficulty of every object of all frames: 0 easy, 1 moderate, 2 hard, -1 none of them."""
    heights = np.diff(_rows(truth, "bbox", 4)[:, [1, 3]])[:, 0]
    return level_of(heights, _flat(truth, "occluded"), _flat(truth, "truncated"))


def _one(split: _Split, overlaps: Any, objects: Any, detections: Any, kind: str) -> float:
    """AP40 of one task, class and difficulty."""
    where = (split.objects, split.detections, split.pairs, overlaps, objects, detections, split.scores)
    scores = _scores_of_matches(*where, LEAST_OVERLAP[kind])
    thresholds = _recall_steps(np.sort(scores)[::-1], int((objects == COUNTED).sum()))
    right, wrong = _counts(*where, LEAST_OVERLAP[kind], thresholds)
    precision = np.zeros(POSITIONS + 1)
    precision[: len(thresholds)] = right / np.maximum(right + wrong, 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_from_here[1:].sum() / POSITIONS * 100)


def _objects(names: Any, levels: NDArray[np.int64], kind: str, level: int) -> NDArray[np.int64]:
    own, near = names == kind.lower(), names == NEIGHBORS.get(kind, "")
    asked = (levels >= 0) & (levels <= level)  # what is easy is asked for in the harder ones too
    return np.where(own & asked, COUNTED, np.where(own | near, MATCHED, LEFT_OUT))


def _detections(found: Sequence[dict[str, Any]], kind: str, level: int) -> NDArray[np.int64]:
    counts = np.where(_flat(found, "name") == kind.lower(), COUNTED, LEFT_OUT)
    low = np.abs(np.diff(_rows(found, "bbox", 4)[:, [1, 3]]))[:, 0]
    counts[low < DIFFICULTY_LEVELS[level][0]] = MATCHED  # of whatever class, as in the development kit
    return counts


def _split(truth: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]]) -> _Split:
    counts = [(len(there["name"]), len(seen["name"])) for there, seen in zip(truth, found, strict=True)]
    objects, detections = np.array(counts, dtype=np.int64).reshape(-1, 2).T
    parts = [_overlaps(_boxes(seen), _boxes(there)) for there, seen in zip(truth, found, strict=True)]
    return _Split(
        _starts(objects),
        _starts(detections),
        _starts(objects * detections),
        {task: np.concatenate([part[i] for part in parts] or [np.zeros(0)]) for i, task in enumerate(TASKS)},
        _flat(found, "score"),
    )


def _overlaps(found: NDArray[np.float64], truth: NDArray[np.float64]) -> tuple[Any, Any]:
    """Intersection over union, from above and in space, of D x 7 with M x 7 camera boxes: two times D * M."""
    ground, heights = [0, 2, 3, 5, 6], [1, 4]
    shared = intersection_areas(_counterclockwise(found[:, ground]), _counterclockwise(truth[:, ground]))
    areas, other_areas = found[:, 3] * found[:, 5], truth[:, 3] * truth[:, 5]
    (bottom, height), (other_bottom, other_height) = found[:, heights].T, truth[:, heights].T  # y points down
    top, other_top = bottom - height, other_bottom - other_height
    along = np.minimum(bottom[:, None], other_bottom) - np.maximum(top[:, None], other_top)
    volume = np.maximum(along, 0) * shared
    flat = _ratio(shared, areas[:, None] + other_areas - shared)
    solid = _ratio(volume, (areas * height)[:, None] + other_areas * other_height - volume)
    return flat.ravel(), solid.ravel()


def _ratio(shared: NDArray[np.float64], union: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)


def _counterclockwise(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return boxes * [1, 1, 1, 1, -1]


def _boxes(frame: dict[str, Any]) -> NDArray[np.float64]:
    """M x 7: location, dimensions, angle."""
    widths = {"location": 3, "dimensions": 3, "rotation_y": 1}
    return np.concatenate([np.reshape(frame[name], (-1, n)) for name, n in widths.items()], axis=1).astype(np.float64)


def _rows(frames: Sequence[dict[str, Any]], name: str, width: int) -> Any:
    return np.concatenate([np.reshape(frame[name], (-1, width)) for frame in frames] or [np.zeros((0, width))])


def _flat(frames: Sequence[dict[str, Any]], name: str) -> Any:
    kind = str if name == "name" else float
    whole = np.concatenate([np.asarray(frame[name], dtype=kind) for frame in frames] or [np.zeros(0, dtype=kind)])
    return np.char.lower(whole) if name == "name" else whole


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


@njit(cache=True)
def _recall_steps(scores, objects):
    """The scores, best first, at which recall comes nearest to each of its 41 positions."""
    steps = np.zeros(len(scores))
    count, recall = 0, 0.0
    for i in range(len(scores)):
        left = (i + 1) / objects
        right = (i + 2) / objects if i < len(scores) - 1 else left
        if right - recall < recall - left and i < len(scores) - 1:
            continue
        steps[count] = scores[i]
        count += 1
        recall += 1 / 40.0
    return steps[:count]


@njit(cache=True)
def _scores_of_matches(objects, detections, pairs, overlaps, of_objects, of_detections, scores, least):
    """Scores of the detections that objects take when each takes the best-scored one that is free."""
    found = np.zeros(len(of_objects))
    count = 0
    taken = np.zeros(len(of_detections), dtype=np.bool_)
    for f in range(len(objects) - 1):
        width = objects[f + 1] - objects[f]
        for i in range(width):
            if of_objects[objects[f] + i] == -1:
                continue
            best, best_score = -1, -1e7
            for j in range(detections[f], detections[f + 1]):
                if of_detections[j] == -1 or taken[j]:
                    continue
                if overlaps[pairs[f] + (j - detections[f]) * width + i] > least and scores[j] > best_score:
                    best, best_score = j, scores[j]
            if best == -1:
                continue
            taken[best] = True
            if of_objects[objects[f] + i] == 0 and of_detections[best] == 0:
                found[count] = scores[best]
                count += 1
    return found[:count]


@njit(cache=True)
def _take(f, objects, detections, pairs, overlaps, of_objects, of_detections, scores, least, threshold, taken, takes):
    """Which detection of at least a score each object of a frame takes (-1: none), and which are taken."""
    width = objects[f + 1] - objects[f]
    taken[detections[f] : detections[f + 1]] = False
    takes[objects[f] : objects[f + 1]] = -1
    for i in range(width):
        if of_objects[objects[f] + i] == -1:
            continue
        best, most, best_counts = -1, 0.0, True
        for j in range(detections[f], detections[f + 1]):
            if of_detections[j] == -1 or taken[j] or scores[j] < threshold:
                continue
            overlap = overlaps[pairs[f] + (j - detections[f]) * width + i]
            if overlap <= least:
                continue
            if of_detections[j] == 0 and (overlap > most or not best_counts):
                best, most, best_counts = j, overlap, True
            elif of_detections[j] == 1 and best == -1:
                best, best_counts = j, False
        takes[objects[f] + i] = best
        if best != -1:
            taken[best] = True


@njit(cache=True)
def _counts(objects, detections, pairs, overlaps, of_objects, of_detections, scores, least, thresholds):
    """Right and wrong detections of at least each threshold's score: two arrays of one number per threshold."""
    right, wrong = np.zeros(len(thresholds)), np.zeros(len(thresholds))
    taken = np.zeros(len(of_detections), dtype=np.bool_)
    takes = np.zeros(len(of_objects), dtype=np.int64)
    where = (objects, detections, pairs, overlaps, of_objects, of_detections, scores)
    for f in range(len(objects) - 1):
        for t in range(len(thresholds)):
            _take(f, *where, least, thresholds[t], taken, takes)
            for i in range(objects[f], objects[f + 1]):
                if takes[i] != -1 and of_objects[i] == 0 and of_detections[takes[i]] == 0:
                    right[t] += 1
            for j in range(detections[f], detections[f + 1]):
                if of_detections[j] == 0 and not taken[j] and scores[j] >= thresholds[t]:
                    wrong[t] += 1
    return right, wrong


@njit(cache=True)
def _fates(objects, detections, pairs, overlaps, of_objects, of_detections, scores, least, thresholds):
    """What becomes of each detection and of each object at each threshold: 1, 0 or -1, as `fates` says."""
    of_found = np.full((len(thresholds), len(of_detections)), -1, dtype=np.int8)
    of_truth = np.full((len(thresholds), len(of_objects)), -1, dtype=np.int8)
    taken = np.zeros(len(of_detections), dtype=np.bool_)
    takes = np.zeros(len(of_objects), dtype=np.int64)
    where = (objects, detections, pairs, overlaps, of_objects, of_detections, scores)
    for f in range(len(objects) - 1):
        for t in range(len(thresholds)):
            _take(f, *where, least, thresholds[t], taken, takes)
            for j in range(detections[f], detections[f + 1]):
                if of_detections[j] == 0 and not taken[j] and scores[j] >= thresholds[t]:
                    of_found[t, j] = 0
            for i in range(objects[f], objects[f + 1]):
                if of_objects[i] != 0:
                    continue
                of_truth[t, i] = 0
                if takes[i] != -1 and of_detections[takes[i]] == 0:
                    of_truth[t, i] = 1
                    of_found[t, takes[i]] = 1
    return of_found, of_truth
