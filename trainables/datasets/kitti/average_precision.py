"""KITTI's metrics: AP40 in 3D and in bird's-eye view, of each class and of their mean, at three difficulties.

AP is interpolated at 40 recalls (Simonelli et al., ICCV 2019), with an IoU of 0.7 for cars and 0.5 for the others.
"""

from collections.abc import Mapping

from study.nouns.metrics import Metric
from trainables.datasets import Evaluator

RAW = "pred_instances_3d/KITTI/"
TASKS = {"bev": "BEV", "3d": "3D"}
CLASSES = ("Car", "Pedestrian", "Cyclist")
DIFFICULTIES = ("easy", "moderate", "hard")
MEAN = "mAP"
PRINTED = "moderate"
"""The difficulty that papers tell in tables."""

BROKEN_BELOW = 20.0
"""mAP/3d/moderate that a sound checkpoint does not stay below: teachers reach 60, 16x students 50. Checkpoints for
other coordinates were seen with 3D APs about 0 beside BEV APs of 60 (mmdetection3d issues 1340 and 1529)."""


def read(raw: Mapping[str, float]) -> dict[str, float]:
    """AP40 in percent from the result of mmdet3d's KittiMetric.

    Raises:
        KeyError: an AP is missing there, or is there twice.
    """
    found = {}
    for task, theirs in TASKS.items():
        for difficulty in DIFFICULTIES:
            values = [_ap(raw, f"{name}_{theirs}_AP40_{difficulty}_strict") for name in CLASSES]
            for name, value in zip(CLASSES, values, strict=True):
                found[f"{task}/{name}/{difficulty}"] = value
            found[f"{MEAN}/{task}/{difficulty}"] = sum(values) / len(values)
    return found


def _ap(raw: Mapping[str, float], name: str) -> float:
    matches = [value for key, value in raw.items() if key.endswith(RAW + name)]
    if len(matches) != 1:
        raise KeyError(f"expected one metric {RAW}{name}, got {len(matches)} among {sorted(raw)}")
    return float(matches[0])


def _metric(task: str, column: str, difficulty: str) -> Metric:
    mean = column == MEAN
    printed = difficulty == PRINTED
    return Metric(
        name=f"{MEAN}/{task}/{difficulty}" if mean else f"{task}/{column}/{difficulty}",
        title=f"{difficulty} {TASKS[task]} " + (MEAN if mean else f"AP of {column.lower()}s"),
        unit="AP40, %",
        low=0,
        high=100,
        floor=BROKEN_BELOW if mean and printed and task == "3d" else None,
        block=TASKS[task] if printed else "",
        column=column if printed else "",
        headline=mean and printed,
    )


EVALUATOR = Evaluator(
    metrics=tuple(
        _metric(task, column, difficulty)
        for task in TASKS
        for difficulty in DIFFICULTIES
        for column in (*CLASSES, MEAN)
    ),
    read=read,
)
