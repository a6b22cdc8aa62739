"""PointDistiller's studies on KITTI, and their quick forms on simulated scans in KITTI's files.

Paper: Zhang et al., "PointDistiller: Structured Knowledge Distillation Towards Efficient and Compact 3D Detection",
CVPR 2023. A function's name is the study's name, and the first line of its docstring is the question.
"""

from collections.abc import Callable

from study.nouns.config import DatasetSpec, DetectorConfig, TeacherConfig, TrainingConfig, TrialConfig
from study.nouns.overrides import override
from study.nouns.parameters import Range
from study.nouns.spec import Budget, Point, SearchSpec, StudySpec, Tuning
from study.paper_claims import in_short, of_figure_5, of_table_3, of_table_5, of_tables_1_and_2

KITTI_SCHEDULE = TrainingConfig(epochs=80, repeat=2, batch_size=6, validate_every=20)
"""mmdet3d's schedule of PointPillars on KITTI, used for teachers and students alike.

Validated four times: 3,769 frames take a GPU minutes, and tables read the last validation alone.
Its learning rate is mmdet3d's for 48 frames a step (8 GPUs with 6 each), here used with 6 a step.
`training.scale_learning_rate=true` scales it to the frames of a step instead, as mmdet3d's --auto-scale-lr does."""

KITTI_SEEDS = tuple(range(20))
"""Claims are decided with as few of these as they take. 20 are what 16 claims need for power 0.9, where differences are
as noisy as the tolerance."""

KITTI_BUDGET = Budget(cpus_per_trial=5, teacher_cpus=5)
"""A process that trains and the four that load its data."""

COMPONENTS = (
    Point(label="student", set={"method": "student", "parameters": {}}),
    Point(label="neither", set={"parameters.local": False, "parameters.reweight": False}),
    Point(label="RL", set={"parameters.local": False, "parameters.reweight": True}),
    Point(label="LD", set={"parameters.local": True, "parameters.reweight": False}),
    Point(label="LD + RL", set={"parameters.local": True, "parameters.reweight": True}),
)
"""The rows of the paper's Table 5 (no distillation, RL alone, LD alone, both), and the distilled row with neither
switch: it tells what plain imitation of the most important rows does, which the paper does not show."""


TABLE_3 = ("fitnet", "attention_transfer", "se_ssd", "similarity_preserving", "crd", "ofd", "fbkd")
"""The earlier methods in the order of the paper's Table 3, under our names."""
LATER = ("kd", "sparsekd")
"""References that the paper does not show: distillation of the head's outputs."""


def quickstart() -> StudySpec:
    """Does PointDistiller help a small student, as much as the paper says, and more than imitating whole maps does?

    Minutes on two cores: simulated scans of a short street, a half-width PointPillars on a small canvas of 0.32 m
    pillars. The street ends where the canvas does, as objects beyond it would count as missed. Five claims of the
    paper's Table 3 are answered with as many seeds as they take, three at most.
    """
    street = {
        "extent_m": 24, "cars": 8, "vans": 0.5, "pedestrians": 5.5, "cyclists": 4, "walls": 6, "trees": 6, "poles": 4
    }  # fmt: skip
    simulation = {"train_frames": 320, "val_frames": 120, "scene": street, "sensor": {"field_of_view_deg": 90}}
    schedule = TrainingConfig(epochs=8, repeat=1, batch_size=4, norm_momentum=0.1, validate_every=8, workers=0)
    base = TrialConfig(
        method="pointdistiller",
        parameters={"neighbors": 16, "samples": 1024, "temperature": 5.0},
        detector=DetectorConfig(
            name="pointpillars", compression=4, width=0.5, pillar=0.32, range=(0, -11.52, -3, 23.04, 11.52, 1)
        ),
        dataset=DatasetSpec(name="simulated", options=simulation),
        training=schedule,
        teacher=TeacherConfig(training=schedule.model_copy(update={"epochs": 12, "validate_every": 4})),
    )
    return StudySpec(
        name="quickstart",
        question=question_of(quickstart),
        base=base,
        points=(COMPONENTS[0], Point(label="fitnet", set={"method": "fitnet", "parameters": {}}), COMPONENTS[-1]),
        claims=in_short(),
        seeds=(0, 1, 2),
        budget=Budget(cpus_per_trial=1, teacher_cpus=1),
    )


def quick_search() -> StudySpec:
    """Which K, N and tau suit the quick start's student?

    Its teacher is the quick start's.
    """
    quick = quickstart()
    return quick.model_copy(
        update={
            "name": "quick_search",
            "question": question_of(quick_search),
            "points": (),
            "claims": (),
            "seeds": (0,),
            "search": SearchSpec(trials=12, startup=6, space=_k_n_tau(neighbors=(4, 64), samples=(256, 4096))),
        }
    )


def ablation() -> StudySpec:
    """What does each component of PointDistiller add to PointPillars at 4x compression? (Table 5)"""
    return StudySpec(
        name="ablation",
        question=question_of(ablation),
        base=_pointpillars(),
        points=COMPONENTS,
        claims=of_table_5(),
        seeds=KITTI_SEEDS,
        budget=KITTI_BUDGET,
    )


def sensitivity() -> StudySpec:
    """How sensitive is PointDistiller to K, to N and to tau on PointPillars at 4x compression? (Figure 5)

    N counts over the batch of six frames, as in the released code, so that its five values are five different runs.
    """
    sweeps: dict[str, tuple[float, ...]] = {
        "neighbors": (16, 32, 64, 128, 256),
        "samples": (1500, 3000, 6000, 9000, 12000),
        "temperature": (0.5, 1.5, 5.0, 15.0, 50.0),
    }
    letters = {"neighbors": "K", "samples": "N", "temperature": "tau"}
    points = [
        Point(label=f"{letters[name]} = {value:g}", set={f"parameters.{name}": value})
        for name, values in sweeps.items()
        for value in values
    ]
    return StudySpec(
        name="sensitivity",
        question=question_of(sensitivity),
        base=override(_pointpillars(), {"parameters.scope": "batch"}),
        points=(COMPONENTS[0], *points),
        claims=of_figure_5(),
        seeds=KITTI_SEEDS,
        budget=KITTI_BUDGET,
    )


def search() -> StudySpec:
    """Which K, N and tau, with or without LD and RL, make PointDistiller work best on PointPillars at 4x?

    N counts over the batch, as in the released code: a KITTI frame has about 5,500 pillars, so a larger N per frame
    would be the same run as all of them.
    """
    switches = {name: Range(choices=(True, False)) for name in ("parameters.local", "parameters.reweight")}
    return StudySpec(
        name="search",
        question=question_of(search),
        base=override(_pointpillars(), {"parameters.scope": "batch"}),
        search=SearchSpec(trials=60, startup=12, space=_k_n_tau((4, 256), (64, 12000)) | switches, confirm=(1, 2, 3)),
        choose_on=0.1,
        budget=KITTI_BUDGET,
    )


def comparison() -> StudySpec:
    """Does PointDistiller beat seven earlier methods on PointPillars at 4x compression, all tuned alike? (Table 3)"""
    return StudySpec(
        name="comparison",
        question=question_of(comparison),
        base=_pointpillars(),
        points=_methods(),
        tuning=Tuning(trials=6, epochs=20, finalists=3, fresh=2),
        choose_on=0.1,
        claims=of_table_3(),
        seeds=KITTI_SEEDS,
        budget=KITTI_BUDGET,
    )


def quick_comparison() -> StudySpec:
    """How do all methods compare on the quick start's simulated scans, each with a tuned loss weight?

    Hours on two cores; the teacher is the quick start's.
    """
    quick = quickstart()
    return quick.model_copy(
        update={
            "name": "quick_comparison",
            "question": question_of(quick_comparison),
            "points": _methods(),
            "tuning": Tuning(trials=4, epochs=2, finalists=3, fresh=2),
            "choose_on": 0.2,
            "search": None,
            "claims": of_table_3(),
            "seeds": tuple(range(6)),
        }
    )


def compression() -> StudySpec:
    """How much smaller can each detector get, with and without PointDistiller? (Tables 1 and 2, Figure 1)"""
    schedules = {
        "pointpillars": (KITTI_SCHEDULE, (4, 16)),
        "second": (KITTI_SCHEDULE.model_copy(update={"epochs": 40}), (4, 16)),
        "pointrcnn": (KITTI_SCHEDULE.model_copy(update={"batch_size": 2}), (8, 16)),
    }
    points = []
    for detector, (schedule, ratios) in schedules.items():
        trained = schedule.model_dump(include={"epochs", "batch_size"})
        lengths = {f"{whose}training.{name}": value for whose in ("", "teacher.") for name, value in trained.items()}
        for ratio in ratios:
            small = {"detector.name": detector, "detector.compression": ratio, **lengths}
            points += [
                Point(label=f"{detector} {ratio}x student", set={**small, "method": "student", "parameters": {}}),
                Point(label=f"{detector} {ratio}x PointDistiller", set=small),
            ]
    return StudySpec(
        name="compression",
        question=question_of(compression),
        base=_pointpillars(),
        points=tuple(points),
        claims=of_tables_1_and_2(),
        seeds=KITTI_SEEDS,
        budget=KITTI_BUDGET,
    )


def _pointpillars() -> TrialConfig:
    """Full PointPillars, a 4x student, PointDistiller, as long as mmdet3d trains it."""
    return TrialConfig(
        method="pointdistiller",
        detector=DetectorConfig(name="pointpillars", compression=4),
        dataset=DatasetSpec(name="kitti"),
        training=KITTI_SCHEDULE,
        teacher=TeacherConfig(training=KITTI_SCHEDULE),
    )


def _k_n_tau(neighbors: tuple[int, int], samples: tuple[int, int]) -> dict[str, Range]:
    """K where LD reads it, N, and tau (in points per pillar) where RL reads it."""
    local, reweight = {"parameters.local": True}, {"parameters.reweight": True}
    return {
        "parameters.neighbors": Range(low=neighbors[0], high=neighbors[1], log=True, integer=True, when=local),
        "parameters.samples": Range(low=samples[0], high=samples[1], log=True, integer=True),
        "parameters.temperature": Range(low=0.5, high=50, log=True, when=reweight),
    }


def _methods() -> tuple[Point, ...]:
    """The student alone with its learning rate, and every method with its weight, to be tuned."""
    student = COMPONENTS[0].model_copy(update={"tune": True})
    others = {name: Point(label=name, set={"method": name, "parameters": {}}, tune=True) for name in TABLE_3 + LATER}
    ours = Point(label="pointdistiller", tune=True)
    return (student, *(others[name] for name in TABLE_3), ours, *(others[name] for name in LATER))


def question_of(study: Callable[[], StudySpec]) -> str:
    """The first line of the docstring of a study's function."""
    return (study.__doc__ or "").partition("\n")[0].strip()
