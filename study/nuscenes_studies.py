"""Studies on nuScenes: PointDistiller's Table 4, RDD's students, and a quick form of both on simulated drives.

Papers: Zhang et al., "PointDistiller: Structured Knowledge Distillation Towards Efficient and Compact 3D Detection",
CVPR 2023; Li et al., "Representation Disparity-aware Distillation for 3D Object Detection", ICCV 2023. They are judged
by nuScenes' detection score. A function's name is the study's name, and its docstring begins with the question.
"""

from study.kitti_studies import question_of
from study.nouns.config import DatasetSpec, DetectorConfig, TeacherConfig, TrainingConfig, TrialConfig
from study.nouns.spec import Budget, Point, StudySpec
from study.paper_claims import of_rdd, of_table_4, on_drives

PILLARS_SCHEDULE = TrainingConfig(epochs=24, repeat=1, batch_size=4, validate_every=24)
"""mmdet3d's 2x schedule of PointPillars-FPN, for teachers and students alike. Its learning rate is mmdet3d's for 32
frames a step (8 GPUs with 4 each). Validated once: 6,019 frames, of which each finds up to 500 boxes."""

VOXELS_SCHEDULE = PILLARS_SCHEDULE.model_copy(update={"epochs": 20, "validate_every": 20})
"""mmdet3d's cyclic schedule of CenterPoint, which is RDD's."""

SEEDS = tuple(range(10))
"""Claims are decided with as few of these as they take. A run takes GPU-days here, so there are half as many as on a
smaller data set, and more claims may stay open."""

BUDGET = Budget(cpus_per_trial=5, teacher_cpus=5)
"""A process that trains and the four that load its data."""

STUDENT = {"method": "student", "parameters": {}}
SIZES = {"S": 2.0, "XS": 3.0, "XXS": 8.0}
"""RDD's students by the compression under which CenterPoint has their widths."""


def nuscenes() -> StudySpec:
    """Does PointDistiller help small PointPillars on nuScenes as much as the paper says? (Table 4)

    K = 128 and N = 256 are what its released code runs there.
    """
    points = []
    for ratio in (2.0, 4.0):
        small = {"detector.compression": ratio}
        points += [
            Point(label=f"{ratio:g}x student", set=small | STUDENT),
            Point(label=f"{ratio:g}x PointDistiller", set=small),
        ]
    return StudySpec(
        name="nuscenes",
        question=question_of(nuscenes),
        base=TrialConfig(
            method="pointdistiller",
            parameters={"neighbors": 128, "samples": 256},
            detector=DetectorConfig(name="pointpillars_fpn", compression=4),
            dataset=DatasetSpec(name="nuscenes"),
            training=PILLARS_SCHEDULE,
            teacher=TeacherConfig(training=PILLARS_SCHEDULE),
        ),
        points=tuple(points),
        claims=of_table_4(),
        seeds=SEEDS,
        budget=BUDGET,
    )


def rdd() -> StudySpec:
    """Does RDD help small CenterPoints more than SparseKD and PointDistiller, and do both of its terms? (RDD, Table 3)

    SparseKD is its distillation of predictions alone there, without the teacher's boxes as labels.
    """
    methods = {
        "student": STUDENT,
        "SparseKD": {"method": "sparsekd", "parameters": {"labels": False}},
        "PointDistiller": {"method": "pointdistiller", "parameters": {}},
        "RDD": {},
    }
    points = [
        Point(label=f"{size} {name}", set={"detector.compression": ratio, **changes})
        for size, ratio in SIZES.items()
        for name, changes in methods.items()
    ]
    for term, other in (("F", "logit_weight"), ("L", "feature_weight")):
        points.append(
            Point(label=f"S RDD-{term}", set={"detector.compression": SIZES["S"], f"parameters.{other}": 0.0})
        )
    return StudySpec(
        name="rdd",
        question=question_of(rdd),
        base=TrialConfig(
            method="rdd",
            detector=DetectorConfig(name="centerpoint", compression=SIZES["S"]),
            dataset=DatasetSpec(name="nuscenes"),
            training=VOXELS_SCHEDULE,
            teacher=TeacherConfig(training=VOXELS_SCHEDULE),
        ),
        points=tuple(points),
        claims=of_rdd(),
        seeds=SEEDS,
        budget=BUDGET,
    )


def quick_nuscenes() -> StudySpec:
    """Do PointDistiller and RDD help a small student to find what moves around a driving car?

    Simulated drives in nuScenes' files: a half-width PointPillars-FPN that sees 24 m around the car.
    """
    schedule = TrainingConfig(epochs=20, repeat=1, batch_size=2, norm_momentum=0.1, validate_every=20, workers=0)
    base = TrialConfig(
        method="pointdistiller",
        parameters={"neighbors": 16, "samples": 256},
        detector=DetectorConfig(
            name="pointpillars_fpn", compression=2, width=0.5, pillar=0.4, range=(-24, -24, -5, 24, 24, 3)
        ),
        dataset=DatasetSpec(name="simulated_nuscenes", options={"sensor": {"columns": 1084}}),
        training=schedule,
        teacher=TeacherConfig(training=schedule.model_copy(update={"epochs": 40})),
    )
    return StudySpec(
        name="quick_nuscenes",
        question=question_of(quick_nuscenes),
        base=base,
        points=(
            Point(label="student", set=STUDENT),
            Point(label="PointDistiller"),
            Point(label="RDD", set={"method": "rdd", "parameters": {}}),
        ),
        claims=on_drives(),
        seeds=(0, 1, 2),
        budget=Budget(cpus_per_trial=1, teacher_cpus=1),
    )
