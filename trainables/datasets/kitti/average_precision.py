"""KITTI's metrics: AP40 in 3D and in bird's-eye view, of each class and of their mean, at three difficulties.

AP is interpolated at 40 recalls (Simonelli et al., ICCV 2019), with an IoU of 0.7 for cars and 0.5 for the others.
"""

from collections.abc import Mapping

from study.nouns.metrics import Metric
from trainables.datasets import Evaluator, values_of

TASKS = {"bev": "BEV", "3d": "3D"}
CLASSES = ("Car", "Pedestrian", "Cyclist")
DIFFICULTIES = ("easy", "moderate", "hard")
MEAN = "mAP"
PRINTED = "moderate"
"""The difficulty of the mean that papers tell in tables."""

BROKEN_BELOW = 20.0
"""mAP/3d/moderate that a sound checkpoint does not stay below: teachers reach 60, 16x students 50. Checkpoints for
other coordinates were seen with 3D APs about 0 beside BEV APs of 60 (mmdetection3d issues 1340 and 1529)."""


def read(raw: Mapping[str, float]) -> dict[str, float]:
    """The declared metrics out of what mmengine gives, under whatever prefix.

    Raises:
        KeyError: one is missing there, or is there twice.
    """
    return values_of(EVALUATOR.metrics, raw)


def _metric(task: str, column: str, difficulty: str) -> Metric:
    mean = column == MEAN
    judges = mean and difficulty == PRINTED
    return Metric(
        name=f"{MEAN}/{task}/{difficulty}" if mean else f"{task}/{column}/{difficulty}",
        title=f"{difficulty} {TASKS[task]} " + (MEAN if mean else f"AP of {column.lower()}s"),
        unit="AP40, %",
        low=0,
        high=100,
        floor=BROKEN_BELOW if judges and task == "3d" else None,
        block=TASKS[task] if judges or not mean else "",
        column=MEAN if mean else difficulty,
        group="" if mean else column,
        headline=judges,
    )


EVALUATOR = Evaluator(
    metrics=tuple(
        _metric(task, column, difficulty)
        for task in TASKS
        for column in (*CLASSES, MEAN)
        for difficulty in DIFFICULTIES
    ),
    read=read,
)
