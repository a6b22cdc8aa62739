"""nuScenes' metrics: its detection score, mean AP, five mean errors of true positives, and the AP of every class.

Caesar et al., nuScenes, CVPR 2020, section 3.1. A detection is right where its center lies within 0.5, 1, 2 or 4 m of
an object's on the ground; AP is the mean over these distances, mAP over all ten classes, whether a split has them or
not. Errors are those of detections within 2 m. The score is (5 mAP + sum of max(0, 1 - error)) / 10. All are given
times 100, as papers print them: an mATE of 45 is 0.45 m.
"""

from collections.abc import Mapping

from study.nouns.metrics import Metric
from trainables.datasets import Evaluator, values_of

CLASSES = (
    "car", "truck", "trailer", "bus", "construction_vehicle", "bicycle", "motorcycle", "pedestrian", "traffic_cone",
    "barrier",
)  # fmt: skip
"""In the order of info files' labels."""
CLASS_OF = {
    "movable_object.barrier": "barrier",
    "vehicle.bicycle": "bicycle",
    "vehicle.bus.bendy": "bus",
    "vehicle.bus.rigid": "bus",
    "vehicle.car": "car",
    "vehicle.construction": "construction_vehicle",
    "vehicle.motorcycle": "motorcycle",
    "human.pedestrian.adult": "pedestrian",
    "human.pedestrian.child": "pedestrian",
    "human.pedestrian.construction_worker": "pedestrian",
    "human.pedestrian.police_officer": "pedestrian",
    "movable_object.trafficcone": "traffic_cone",
    "vehicle.trailer": "trailer",
    "vehicle.truck": "truck",
}
"""Categories of the tables; all others are of no class."""
DISTANCES = (0.5, 1.0, 2.0, 4.0)
ERRORS = {
    "trans_err": ("mATE", "error of translation", "cm"),
    "scale_err": ("mASE", "error of scale", "1 - IoU, %"),
    "orient_err": ("mAOE", "error of orientation", "0.01 rad"),
    "vel_err": ("mAVE", "error of velocity", "cm/s"),
    "attr_err": ("mAAE", "error of attributes", "%"),
}
"""The development kit's name of each, ours, and what it is."""
SCORE, MEAN = "NDS", "mAP"
TABLE = "nuScenes"

BROKEN_BELOW = 20.0
"""NDS that a sound checkpoint does not stay below: teachers reach 53 to 65, 4x students 47. A checkpoint for other
coordinates finds next to nothing, and has what is left of the errors of its few true positives."""


def read(raw: Mapping[str, float]) -> dict[str, float]:
    """The declared metrics out of what mmengine gives, under whatever prefix.

    Raises:
        KeyError: one is missing there, or is there twice.
    """
    return values_of(EVALUATOR.metrics, raw)


def ap_name(kind: str, distance: float | None = None) -> str:
    """`AP/car`, the mean over all distances, or `AP/car/0.5m`."""
    return f"AP/{kind}" if distance is None else f"AP/{kind}/{distance:g}m"


def _in_the_table(name: str, title: str, unit: str, *, error: bool = False) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit=unit,
        direction="min" if error else "max",
        low=0,
        high=None if error and "%" not in unit else 100,
        floor=BROKEN_BELOW if name == SCORE else None,
        block=TABLE,
        column=name,
        headline=name == SCORE,
    )


def _of_a_class(kind: str, distance: float | None) -> Metric:
    words = kind.replace("_", " ")
    return Metric(
        name=ap_name(kind, distance),
        title=f"AP of class {words}" + ("" if distance is None else f" within {distance:g} m"),
        unit="AP, %",
        low=0,
        high=100,
        column="AP" if distance is None else f"{distance:g} m",
        group=words,
    )


EVALUATOR = Evaluator(
    metrics=(
        _in_the_table(MEAN, MEAN, "AP, %"),
        _in_the_table(SCORE, "nuScenes detection score", "NDS, %"),
        *(_in_the_table(name, title, unit, error=True) for name, title, unit in ERRORS.values()),
        *(_of_a_class(kind, distance) for kind in CLASSES for distance in (None, *DISTANCES)),
    ),
    read=read,
)
